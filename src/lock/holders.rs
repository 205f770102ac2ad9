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
