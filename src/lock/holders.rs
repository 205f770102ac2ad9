//! Who holds a lease, and what bounds their work.

use smallvec::SmallVec;

use super::loss::LossReason;
use super::sys::Instant;
use super::terms::{EnvId, HoldId, Scope};

/// The handles of a lease, ordered by number. Nearly always there is only one.
#[derive(Default)]
pub(super) struct Holders(SmallVec<[Holder; 1]>);

/// What a lease knows about one of its handles.
struct Holder {
    hold: HoldId,
    env: EnvId,
    /// Boxed, because most handles have none and ten thousand leases may be held.
    bounds: Option<Box<Bounds>>,
}

/// What bounds the work of a handle.
#[derive(Default)]
struct Bounds {
    /// The handles of the work inside which this one was acquired.
    within: Vec<HoldId>,
    /// When the work must be over, and the reason for the loss if it is not.
    limit: Option<(Instant, LossReason)>,
}

impl Holders {
    /// Adds a handle whose lock was requested inside the work of `chain`.
    pub(super) fn add(&mut self, hold: HoldId, env: EnvId, chain: &[Scope]) {
        let within: Vec<_> = chain.iter().map(|scope| scope.hold).collect();
        let bounds = if within.is_empty() { None } else { Some(Bounds { within, limit: None }.into()) };
        let (Ok(at) | Err(at)) = self.place_of(hold);
        self.0.insert(at, Holder { hold, env, bounds });
    }

    /// Removes a handle, except the last one: it stays as the one to report to. Returns whether it was the last.
    pub(super) fn remove(&mut self, hold: HoldId) -> bool {
        let is_last = self.0.iter().all(|holder| holder.hold == hold);
        if !is_last {
            self.0.retain(|holder| holder.hold != hold);
        }
        is_last
    }

    /// Removes all handles of `env`. Returns whether none are left.
    pub(super) fn desert(&mut self, env: EnvId) -> bool {
        self.0.retain(|holder| holder.env != env);
        self.0.is_empty()
    }

    pub(super) fn include(&self, hold: HoldId) -> bool {
        self.place_of(hold).is_ok()
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The environments that have handles.
    pub(super) fn envs(&self) -> Vec<EnvId> {
        let mut envs = Vec::new();
        for holder in &self.0 {
            // There are few, mostly one.
            if !envs.contains(&holder.env) {
                envs.push(holder.env);
            }
        }
        envs
    }

    /// Gives the work of one handle until `limit`, unless it has less time already.
    pub(super) fn limit(&mut self, hold: HoldId, limit: Instant, reason: LossReason) {
        if let Ok(at) = self.place_of(hold) {
            let bounds = self.0[at].bounds.get_or_insert_default();
            if bounds.limit.is_none_or(|(earlier, _)| limit < earlier) {
                bounds.limit = Some((limit, reason));
            }
        }
    }

    /// When the last of the handles runs out of time, if they all have a limit. Work inside other work has no more time
    /// than the outer work.
    pub(super) fn work_limit(&self) -> Option<(Instant, LossReason)> {
        let earlier = |a: (Instant, LossReason), b: (Instant, LossReason)| if b.0 < a.0 { b } else { a };
        let mut last = None::<(Instant, LossReason)>;
        for Holder { bounds, .. } in &self.0 {
            let Bounds { within, limit } = &**bounds.as_ref()?;
            let limits = within.iter().filter_map(|hold| self.limit_of(*hold)).chain(*limit);
            let limit = limits.reduce(earlier)?;
            last = Some(last.filter(|last| last.0 >= limit.0).unwrap_or(limit));
        }
        last
    }

    fn limit_of(&self, hold: HoldId) -> Option<(Instant, LossReason)> {
        let at = self.place_of(hold).ok()?;
        self.0[at].bounds.as_ref()?.limit
    }

    fn place_of(&self, hold: HoldId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&hold, |holder| holder.hold)
    }
}
