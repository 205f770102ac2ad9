//! Who holds a lease, and what bounds their work.

use smallvec::SmallVec;

use super::loss::LossReason;
use super::sys::Instant;
use super::terms::{EnvId, HoldId, Scope};

/// The handles of a lease, in the order of their numbers. Nearly always there is one.
#[derive(Default)]
pub(super) struct Holders(SmallVec<[Holder; 1]>);

/// What a lease knows of one of its handles.
struct Holder {
    hold: HoldId,
    env: EnvId,
    /// In a box, for most handles have none, and ten thousand leases may be held.
    bounds: Option<Box<Bounds>>,
}

/// What bounds the work of a handle.
#[derive(Default)]
struct Bounds {
    /// The handles of the work inside which it was acquired.
    within: Vec<HoldId>,
    /// When it has to be over, and why it is no good after that.
    limit: Option<(Instant, LossReason)>,
}

impl Holders {
    /// One more, whose lock was asked for inside the work of `chain`.
    pub(super) fn add(&mut self, hold: HoldId, env: EnvId, chain: &[Scope]) {
        let within: Vec<_> = chain.iter().map(|scope| scope.hold).collect();
        let bounds = if within.is_empty() { None } else { Some(Bounds { within, limit: None }.into()) };
        let (Ok(at) | Err(at)) = self.place_of(hold);
        self.0.insert(at, Holder { hold, env, bounds });
    }

    /// One less, unless it is the last: that is still known as the one to be told whatever there is to tell. Whether it is.
    pub(super) fn remove(&mut self, hold: HoldId) -> bool {
        let is_last = self.0.iter().all(|holder| holder.hold == hold);
        if !is_last {
            self.0.retain(|holder| holder.hold != hold);
        }
        is_last
    }

    /// None any more in `env`. Whether there are none at all.
    pub(super) fn desert(&mut self, env: EnvId) -> bool {
        self.0.retain(|holder| holder.env != env);
        self.0.is_empty()
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

    /// Gives the work of one handle until `limit`.
    pub(super) fn limit(&mut self, hold: HoldId, limit: Instant, reason: LossReason) {
        if let Ok(at) = self.place_of(hold) {
            let bounds = self.0[at].bounds.get_or_insert_default();
            if bounds.limit.is_none_or(|(earlier, _)| limit < earlier) {
                bounds.limit = Some((limit, reason));
            }
        }
    }

    /// When the time of the last of the handles is over, if they all have a limit. Work inside other work has no more time
    /// than that.
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
