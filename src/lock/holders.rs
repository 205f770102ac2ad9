//! Who holds a lease, and what bounds their work.

use std::mem;

use super::loss::LossReason;
use super::sys::Instant;
use super::terms::{EnvId, HoldId, Scope};

/// The handles of a lease.
pub(super) enum Holders {
    /// A single one whose work nothing bounds. That is so for most leases, and ten thousand may be held.
    One(HoldId, EnvId),
    /// Any others, ordered by number.
    Listed(Vec<Holder>),
}

/// What a lease knows about one of its handles.
pub(super) struct Holder {
    hold: HoldId,
    env: EnvId,
    /// The handles of the work inside which it was acquired.
    within: Vec<HoldId>,
    /// When its work must be over, and the reason for the loss if it is not.
    limit: Option<(Instant, LossReason)>,
}

impl Default for Holders {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Holders {
    /// Adds a handle whose lock was requested inside the work of `chain`.
    pub(super) fn add(&mut self, hold: HoldId, env: EnvId, chain: &[Scope]) {
        let mut list = self.take_list();
        if list.is_empty() && chain.is_empty() {
            *self = Self::One(hold, env);
            return;
        }
        let within = chain.iter().map(|scope| scope.hold).collect();
        let (Ok(at) | Err(at)) = place_of(hold, &list);
        list.insert(at, Holder { hold, env, within, limit: None });
        *self = Self::Listed(list);
    }

    /// Removes a handle, except the last one: it stays as the one to report to. Returns whether it was the last.
    pub(super) fn remove(&mut self, hold: HoldId) -> bool {
        match self {
            Self::One(one, _) => *one == hold,
            Self::Listed(list) => {
                let is_last = list.iter().all(|holder| holder.hold == hold);
                if !is_last {
                    list.retain(|holder| holder.hold != hold);
                }
                is_last
            }
        }
    }

    /// Removes all handles of `env`. Returns whether none are left.
    pub(super) fn desert(&mut self, env: EnvId) -> bool {
        let mut list = self.take_list();
        list.retain(|holder| holder.env != env);
        *self = Self::Listed(list);
        self.count() == 0
    }

    pub(super) fn include(&self, hold: HoldId) -> bool {
        match self {
            Self::One(one, _) => *one == hold,
            Self::Listed(list) => place_of(hold, list).is_ok(),
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Listed(list) => list.len(),
        }
    }

    /// The environments that have handles.
    pub(super) fn envs(&self) -> Vec<EnvId> {
        let mut envs: Vec<_> = match self {
            Self::One(_, env) => vec![*env],
            Self::Listed(list) => list.iter().map(|holder| holder.env).collect(),
        };
        envs.sort_unstable();
        envs.dedup();
        envs
    }

    /// Gives the work of one handle until `limit`, unless it has less time already.
    pub(super) fn limit(&mut self, hold: HoldId, limit: Instant, reason: LossReason) {
        let mut list = self.take_list();
        if let Ok(at) = place_of(hold, &list) {
            let now = &mut list[at].limit;
            if now.is_none_or(|(earlier, _)| limit < earlier) {
                *now = Some((limit, reason));
            }
        }
        *self = Self::Listed(list);
    }

    /// When the last of the handles runs out of time, if they all have a limit. Work inside other work has no more time
    /// than the outer work.
    pub(super) fn work_limit(&self) -> Option<(Instant, LossReason)> {
        let Self::Listed(list) = self else { return None };
        let earlier = |a: (Instant, LossReason), b: (Instant, LossReason)| if b.0 < a.0 { b } else { a };
        let limit_of = |hold: &HoldId| list[place_of(*hold, list).ok()?].limit;
        let mut latest = None::<(Instant, LossReason)>;
        for Holder { within, limit, .. } in list {
            let limit = within.iter().filter_map(limit_of).chain(*limit).reduce(earlier)?;
            latest = Some(latest.filter(|latest| latest.0 >= limit.0).unwrap_or(limit));
        }
        latest
    }

    /// Takes all of them out, as a list.
    fn take_list(&mut self) -> Vec<Holder> {
        match mem::take(self) {
            Self::One(hold, env) => vec![Holder { hold, env, within: Vec::new(), limit: None }],
            Self::Listed(list) => list,
        }
    }
}

/// Where a handle is, or belongs, in a list.
fn place_of(hold: HoldId, list: &[Holder]) -> Result<usize, usize> {
    list.binary_search_by_key(&hold, |holder| holder.hold)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: EnvId = 1;
    const THERE: EnvId = 2;
    const ABORTED: LossReason = LossReason::Aborted;
    const REJECTED: LossReason = LossReason::UnhandledRejection;

    /// Holders with these handles, the later ones all acquired inside the work of the first.
    fn holders(handles: &[(HoldId, EnvId)]) -> Holders {
        let mut holders = Holders::default();
        for (at, &(hold, env)) in handles.iter().enumerate() {
            let around = [Scope { lease: 7, hold: handles[0].0 }];
            holders.add(hold, env, if at == 0 { &[] } else { &around });
        }
        holders
    }

    #[test]
    fn the_last_handle_stays_as_the_one_to_report_to() {
        let mut holders = holders(&[(5, HERE)]);
        assert!(holders.include(5) && !holders.include(6));
        assert!(!holders.remove(6), "it is not one of them");
        assert!(holders.remove(5));
        assert_eq!((holders.count(), holders.envs()), (1, vec![HERE]));
    }

    #[test]
    fn any_of_several_handles_can_go_first() {
        for first in [5, 3] {
            let mut holders = holders(&[(5, HERE), (3, THERE)]);
            assert!(holders.include(3) && holders.include(5));
            assert_eq!((holders.count(), holders.envs()), (2, vec![HERE, THERE]));
            assert!(!holders.remove(first));
            assert!(!holders.include(first));
            assert!(holders.remove(8 - first));
        }
    }

    #[test]
    fn an_environment_takes_its_handles_along() {
        assert!(holders(&[(5, HERE)]).desert(HERE));
        assert!(!holders(&[(5, HERE)]).desert(THERE));
        let mut holders = holders(&[(3, HERE), (5, THERE), (6, HERE)]);
        assert!(!holders.desert(HERE));
        assert_eq!((holders.count(), holders.envs()), (1, vec![THERE]));
        assert!(holders.desert(THERE));
    }

    #[test]
    fn work_is_limited_when_all_of_it_is_by_the_limit_that_comes_last() {
        let soon = Instant::now();
        let later = soon + Duration::from_secs(1);
        let mut holders = holders(&[(3, HERE)]);
        assert_eq!(holders.work_limit(), None);
        holders.limit(3, later, ABORTED);
        holders.limit(9, soon, ABORTED);
        assert_eq!(holders.work_limit(), Some((later, ABORTED)));
        holders.limit(3, soon, REJECTED);
        holders.limit(3, later, ABORTED);
        assert_eq!(holders.work_limit(), Some((soon, REJECTED)), "the earlier one counts");
        holders.add(4, HERE, &[]);
        assert_eq!(holders.work_limit(), None, "the other has all the time it wants");
        holders.limit(4, later, ABORTED);
        assert_eq!(holders.work_limit(), Some((later, ABORTED)));
    }

    #[test]
    fn nested_work_has_no_more_time_than_the_work_around_it() {
        let soon = Instant::now();
        let mut inner_alone = Holders::default();
        inner_alone.add(4, HERE, &[Scope { lease: 7, hold: 3 }]);
        inner_alone.add(3, HERE, &[]);
        inner_alone.limit(3, soon, ABORTED);
        assert_eq!(inner_alone.work_limit(), Some((soon, ABORTED)), "whichever was added first");
        let mut both = holders(&[(3, HERE), (4, HERE)]);
        both.limit(4, soon, REJECTED);
        assert_eq!(both.work_limit(), None, "the outer work goes on");
        both.limit(3, soon + Duration::from_secs(1), ABORTED);
        assert_eq!(both.work_limit(), Some((soon + Duration::from_secs(1), ABORTED)));
    }
}
