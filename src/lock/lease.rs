//! Ownership: a [`Lease`] is one ownership of one lock file, a [`Hold`] one of its handles.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::endings;
use super::error::LockError;
use super::holders::Holders;
use super::identity::Identity;
use super::inspect::{Owner, Place};
use super::loss::{Loss, LossReason};
use super::record::Claim;
use super::registry;
use super::sidecar::{Leftover, Sidecar};
use super::stamp::Stamp;
use super::sync::{AtomicBool, Mutex, MutexGuard};
use super::sys::{Appointment, Instant, WatchId, Watcher};
use super::target::Target;
use super::terms::{Api, EnvId, HoldId, LeaseId, Scope, Terms};
use super::verdict::Cause;
use super::watchdog::{Term, Watchdog};

/// One ownership of one lock file. It ends when its last [`Hold`] does, or when it is lost.
pub struct Lease {
    /// Unique in this process.
    pub id: LeaseId,
    /// What it protects.
    pub target: Target,
    /// The fencing token.
    pub token: u64,
    /// Which function acquired it.
    pub api: Api,
    /// What the caller said about it.
    pub claim: Arc<Claim>,
    /// When it began, on the monotonic clock.
    pub began: Instant,
    /// When it began, on the wall clock.
    began_at: Stamp,
    /// Why the lock could be taken although nobody had released it.
    pub taken_from: Option<Cause>,
    /// Its lock file, until it is dealt with at the end. Locked during disk work, which may hang on a remote file
    /// system, so only threads that serve the file system wait for it there.
    file: Mutex<Option<Sidecar>>,
    /// Whether it ended. Changes under the registry's lock only.
    over: AtomicBool,
    attended: AtomicBool,
    /// When the heart looks after it next; `None` when it does not. Changes under the heart's lock only.
    pub(super) due: Appointment,
    state: Mutex<State>,
}

/// What changes while a lease goes on. Never locked during disk work.
#[derive(Default)]
struct State {
    /// Who holds it. Grows and shrinks under the registry's lock only.
    holders: Holders,
    watchdog: Watchdog,
    /// How it was lost, if it was; set before `over`, unless that was found out at the release.
    lost: Option<Arc<Loss>>,
}

/// What looking after a lease showed.
pub(super) enum Tended {
    /// It goes on.
    Held {
        /// When the next beat is due.
        next_beat: Instant,
        /// Somebody waits, and its environment should find out whether anybody can still release it, unless it has
        /// done so within this time.
        suspected: Option<Duration>,
    },
    /// It is to be taken away.
    Lose(LossReason),
    /// It ended meanwhile.
    Over,
}

impl Lease {
    /// A lease on `sidecar`, under the `terms` of the request for it.
    pub(super) fn new(id: LeaseId, sidecar: Sidecar, terms: &Terms, taken_from: Option<Cause>) -> Self {
        Self {
            id,
            target: sidecar.target().clone(),
            token: sidecar.token(),
            api: terms.api,
            claim: terms.claim.clone(),
            began: Instant::now(),
            began_at: SystemTime::now().into(),
            taken_from,
            file: Mutex::new(Some(sidecar)),
            over: AtomicBool::new(false),
            attended: AtomicBool::new(false),
            due: Appointment::default(),
            state: Mutex::default(),
        }
    }

    /// When it began, on the wall clock.
    #[must_use]
    pub fn began_at(&self) -> SystemTime {
        self.began_at.into()
    }

    fn term(&self) -> Term {
        Term { began: self.began, lease: self.claim.lease, max_hold: self.claim.max_hold }
    }

    /// When the heart has to look after it for the first time, if the last beat of its lock file was at `beaten`.
    pub(super) fn first_due(&self, beaten: Instant) -> Instant {
        self.term().first_due(beaten)
    }

    /// When the heart has to look after it next.
    pub(super) fn next_due(&self, next_beat: Instant) -> Instant {
        let State { holders, watchdog, .. } = &*self.state.lock();
        let due = watchdog.next(self.term(), next_beat);
        holders.work_limit().map_or(due, |(limit, _)| limit.min(due))
    }

    /// Gives the work of one handle time until `limit`.
    pub(super) fn limit(&self, hold: HoldId, limit: Instant, reason: LossReason) {
        self.state.lock().holders.limit(hold, limit, reason);
    }

    /// When the last of its handles runs out of time, if they all have a limit. Nested work has no more time than
    /// the work around it.
    pub(super) fn work_limit(&self) -> Option<(Instant, LossReason)> {
        self.state.lock().holders.work_limit()
    }

    /// Does a beat when one is due, and a glance otherwise. `wanted` says since when somebody in this
    /// process has waited, `crowd` how many leases are looked after.
    pub(super) fn tend(&self, now: Instant, wanted: Option<Instant>, crowd: usize) -> Tended {
        let term = self.term();
        let overdue = self.work_limit().filter(|(limit, _)| *limit <= now).map(|(_, reason)| reason);
        if let Some(reason) = term.expired(now).or(overdue) {
            return Tended::Lose(reason);
        }
        let (seen, beaten) = match &mut *self.file.lock() {
            Some(_) if self.is_over() => return Tended::Over,
            Some(sidecar) if term.next_beat(sidecar.beaten(), crowd) <= now => (sidecar.beat(&self.claim), now),
            Some(sidecar) => (sidecar.glance(), sidecar.beaten()),
            None => return Tended::Over,
        };
        let interest = match seen {
            Ok(seen) => match LossReason::seen(seen.standing) {
                Some(reason) => return Tended::Lose(reason),
                None => seen.interest,
            },
            // It is no loss that the file system cannot tell right now: ask again with the next beat.
            Err(_) => None,
        };
        let foreign = interest.and_then(|ago| now.checked_sub(ago));
        let suspected = self.state.lock().watchdog.suspects(term, now, wanted.or(foreign));
        Tended::Held { next_beat: term.next_beat(beaten, crowd), suspected }
    }

    /// Marks its lock file as one to be watched; `true` the first time.
    pub(super) fn becomes_attended(&self) -> bool {
        !self.attended.swap(true, Ordering::AcqRel)
    }

    /// Whether it ended, one way or the other.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Whether it ended by being released.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.is_over() && self.state.lock().lost.is_none()
    }

    /// How it was lost, if it was.
    fn loss(&self) -> Option<Arc<Loss>> {
        if self.is_over() { self.state.lock().lost.clone() } else { None }
    }

    /// Has `watcher` watch the lock file, as long as the lease is held.
    pub(super) fn watch(&self, watcher: &Watcher) -> Option<WatchId> {
        let file = self.file.lock();
        file.as_ref().filter(|_| !self.is_over())?.watch(watcher)
    }

    /// Ends the lease. `false` when it had ended before.
    pub(super) fn end(&self) -> bool {
        !self.over.swap(true, Ordering::AcqRel)
    }

    /// Its lock file, unless another thread is busy with it just now.
    pub(super) fn file_at_once(&self) -> Option<MutexGuard<'_, Option<Sidecar>>> {
        self.file.try_lock()
    }

    /// Takes out the lock file of a lease that ended. Waits for whoever is busy with it.
    pub(super) fn take_file(&self) -> Option<Sidecar> {
        self.file.lock().take()
    }

    /// As `end`, but gives up when another thread is busy with the lease: that thread may never run again.
    pub(super) fn end_at_exit(&self) -> Option<Sidecar> {
        let mut file = self.file.try_lock_for(Duration::from_millis(50))?;
        self.end();
        file.take()
    }

    /// Takes the lease away. Returns what to tell about the loss; `None` when it had ended before.
    pub(super) fn lose(&self, reason: LossReason) -> Option<Arc<Loss>> {
        if self.is_over() {
            return None;
        }
        let loss = self.state.lock().lost.get_or_insert_with(|| self.lost_for(reason)).clone();
        self.end().then_some(loss)
    }

    /// Notes that the lease had been lost, unnoticed, before it was released. What to tell about that, unless it was
    /// taken away, which has been told already.
    pub(super) fn lost_before(&self, reason: LossReason) -> Option<Arc<Loss>> {
        let lost = &mut self.state.lock().lost;
        if lost.is_some() { None } else { Some(lost.insert(self.lost_for(reason)).clone()) }
    }

    fn lost_for(&self, reason: LossReason) -> Arc<Loss> {
        Arc::new(Loss {
            lease: self.id,
            lock_path: self.target.lock_path().into(),
            token: self.token,
            label: self.claim.label.clone(),
            held_for: self.began.elapsed(),
            reason,
        })
    }

    /// How many handles share it.
    #[must_use]
    pub fn handles(&self) -> usize {
        self.state.lock().holders.count()
    }

    /// Whether a request comes from inside work that holds it: one that its own work has ended is not.
    pub(super) fn is_around(&self, chain: &[Scope]) -> bool {
        chain.iter().any(|scope| scope.lease == self.id && self.state.lock().holders.include(scope.hold))
    }

    /// The environments that have handles on it.
    #[must_use]
    pub fn envs(&self) -> Vec<EnvId> {
        self.state.lock().holders.envs()
    }

    /// Adds a handle, for the request with `terms`.
    pub(super) fn share(self: &Arc<Self>, terms: &Terms) -> Hold {
        let id = registry::unique_id();
        self.state.lock().holders.add(id, terms.env, &terms.chain);
        Hold { id, lease: self.clone(), open: AtomicBool::new(true), left: AtomicBool::new(false) }
    }

    /// Removes a handle. Whether it was the last one; its environment then stays known as the one to be
    /// told whatever there is to tell.
    pub(super) fn unshare(&self, hold: HoldId) -> bool {
        self.state.lock().holders.remove(hold)
    }

    /// Removes all handles of `env`. Whether none are left.
    pub(super) fn desert(&self, env: EnvId) -> bool {
        self.state.lock().holders.desert(env)
    }

    /// Its owner, as others would describe it.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let us = Identity::of_this_process();
        Owner {
            pid: Some(us.pid),
            alive: Some(true),
            place: Place::Here,
            since: Some(self.began_at()),
            age: Some(self.began.elapsed()),
            native: true,
            label: self.claim.label.clone(),
            host: Some(us.host.to_string()),
            token: Some(self.token),
        }
    }
}

/// One handle on a lease. Dropping it releases it.
#[must_use = "dropping a hold releases the lock"]
pub struct Hold {
    /// Unique in this process.
    pub id: HoldId,
    lease: Arc<Lease>,
    open: AtomicBool,
    /// Whether it was released while others went on: what becomes of the lease after that is no concern of its.
    left: AtomicBool,
}

impl Hold {
    /// The lease behind it.
    #[must_use]
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Gives this handle up; the last one of a lease gives the lock up. Only the first call counts,
    /// however many threads make one.
    ///
    /// `done` is called when the lock file is dealt with; on local file systems that is before this
    /// returns. Its error means that the lock file could not be removed: the lock is free all the same,
    /// and the removal is tried again in the background.
    pub fn release(&self, done: impl FnOnce(Result<(), LockError>) + Send + 'static) {
        if self.open.swap(false, Ordering::AcqRel) {
            let goes_on = endings::give_up(&self.lease, self.id, Box::new(done));
            self.left.store(goes_on, Ordering::Release);
        } else {
            done(Ok(()));
        }
    }

    /// Whether this handle is unreleased and its lease not lost, as far as is known without asking the
    /// file system.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.open.load(Ordering::Acquire) && !self.lease.is_over()
    }

    /// How the lease was lost, if it was.
    #[must_use]
    pub fn loss(&self) -> Option<Arc<Loss>> {
        self.lease.loss().filter(|_| !self.left.load(Ordering::Acquire))
    }

    /// Whether the lock is ours as far as the last heartbeat knows, without asking the file system.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] or [`LockError::Released`].
    pub fn believe(&self) -> Result<(), LockError> {
        if self.is_held() { Ok(()) } else { Err(self.loss().map_or_else(|| self.released(), LockError::from)) }
    }

    fn released(&self) -> LockError {
        LockError::Released { lock_path: self.lease.target.lock_path().into() }
    }

    /// Asks the file system whether the lock is still ours.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] when it is not, which is also reported like any other loss;
    /// [`LockError::Io`] when the file system could not tell.
    pub fn check(&self) -> Result<(), LockError> {
        let standing = {
            let mut file = self.lease.file.lock();
            self.believe()?;
            let Some(sidecar) = &mut *file else { return Err(self.released()) };
            sidecar.standing()
        };
        let standing = standing.map_err(|error| LockError::io("inspect", self.lease.target.lock_path(), error))?;
        let Some(reason) = LossReason::seen(standing) else { return Ok(()) };
        endings::lose(&self.lease, reason);
        self.believe()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release(|_| {});
    }
}

/// The error of a release whose lock file stayed behind.
pub(super) fn leftover_error(leftover: &Leftover) -> LockError {
    let source = std::io::Error::new(leftover.error.kind(), leftover.error.to_string());
    LockError::NotRemoved { lock_path: leftover.target().lock_path().into(), source }
}
