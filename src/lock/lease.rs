//! Ownership: a [`Lease`] is one ownership of one lock file, a [`Hold`] one of its handles.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::error::LockError;
use super::identity::Identity;
use super::inspect::{Owner, Place};
use super::record::beat_interval;
use super::registry;
use super::sidecar::{Leftover, Sidecar, Standing};
use super::target::Target;
use super::terms::{Api, EnvId, LeaseId, Sharing, Terms};
use super::verdict::Cause;

/// A lease held for less is not suspected of having lost its owner.
pub(super) const WANTED_AGE: Duration = Duration::from_secs(1);
/// The first pause between two requests to collect garbage; it doubles.
const REQUEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const REQUEST_PAUSE_MAX: Duration = Duration::from_secs(30);

/// One ownership of one lock file. It ends when its last [`Hold`] does, or when it is lost.
pub struct Lease {
    /// Unique in this process.
    pub id: LeaseId,
    /// What it protects.
    pub target: Arc<Target>,
    /// The fencing token.
    pub token: u64,
    /// Which function acquired it.
    pub api: Api,
    /// The environment its work runs in.
    pub env: EnvId,
    /// With whom it may be shared.
    pub sharing: Sharing,
    /// What the caller named the work.
    pub label: Option<String>,
    /// The longest it may be held.
    pub max_hold: Option<Duration>,
    /// When it began, on the monotonic clock.
    pub began: Instant,
    /// When it began, on the wall clock.
    pub began_at: SystemTime,
    /// Why the lock could be taken although nobody had released it.
    pub taken_from: Option<Cause>,
    beat: Duration,
    state: Mutex<State>,
    watchdog: Mutex<Watchdog>,
    /// How many handles share it. Changed under the registry's lock only.
    pub(super) holds: AtomicUsize,
}

enum State {
    Held(Sidecar),
    Lost(Arc<Loss>),
    Released,
}

/// What a lease is watched for besides its beats.
struct Watchdog {
    /// When it is to be taken away at the latest, and why then.
    limit: Option<(Instant, LossReason)>,
    /// When its environment may next be asked to collect garbage, and the pause after that.
    next_request: Instant,
    pause: Duration,
}

/// A lease that was taken away, as its holder is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which lease.
    pub lease: LeaseId,
    /// Its environment.
    pub env: EnvId,
    /// Its lock file.
    pub lock_path: Arc<Path>,
    /// Its token.
    pub token: u64,
    /// What the caller named the work.
    pub label: Option<String>,
    /// For how long it was held.
    pub held_for: Duration,
    /// Why it was taken away.
    pub reason: LossReason,
}

/// Why a lease was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// It was held longer than `maxHoldMs`.
    MaxHold,
    /// Somebody put another lock file in its place: a native peer because it did not beat, or a JS
    /// peer because it thought it stale.
    Replaced,
    /// Somebody removed its lock file.
    Removed,
    /// The work was aborted and did not settle within its grace.
    Aborted,
    /// A promise inside the work rejected and nobody handled it, while the work went on.
    UnhandledRejection,
    /// `releaseAllLocksSync` or the end of its environment released it over the holder's head.
    Forced,
}

impl LossReason {
    /// The loss that a look at the lock file shows, if it shows one.
    pub(super) fn seen(standing: Standing) -> Option<Self> {
        match standing {
            Standing::Ours => None,
            Standing::Gone => Some(Self::Removed),
            Standing::Replaced => Some(Self::Replaced),
        }
    }

    /// The stable name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxHold => "max-hold",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Aborted => "aborted",
            Self::UnhandledRejection => "unhandled-rejection",
            Self::Forced => "forced",
        }
    }

    /// Whether the lock file is still ours to pass on or remove.
    #[must_use]
    pub(super) fn leaves_file(self) -> bool {
        !matches!(self, Self::Replaced | Self::Removed)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reason {
            LossReason::MaxHold => "it was held longer than maxHoldMs allows",
            LossReason::Replaced => "another process put its own lock file in place of ours",
            LossReason::Removed => "somebody removed the lock file",
            LossReason::Aborted => "its work was aborted and did not end within abortGraceMs",
            LossReason::UnhandledRejection => "a promise inside its work rejected and nobody handled that",
            LossReason::Forced => "it was released by force",
        };
        write!(f, "lock lost: {} after {} ms", self.lock_path.display(), self.held_for.as_millis())?;
        if let Some(label) = &self.label {
            write!(f, " by {label:?}")?;
        }
        write!(f, ": {what}; stop writing, others may hold it now")
    }
}

impl std::error::Error for Loss {}

/// What a look after a lease showed.
pub(super) enum Tended {
    /// All is well until then. `orphan` says that somebody waits for it and that its environment
    /// should find out whether anybody can still release it.
    Until {
        /// See above.
        next: Instant,
        /// See above.
        orphan: bool,
    },
    /// It is to be taken away.
    Lose(LossReason),
    /// It ended meanwhile.
    Over,
}

impl Lease {
    /// A lease on `sidecar` under the terms of whoever asked for it.
    pub(super) fn new(id: LeaseId, sidecar: Sidecar, token: u64, terms: &Terms, taken_from: Option<Cause>) -> Self {
        let began = Instant::now();
        Self {
            id,
            target: sidecar.target().clone(),
            token,
            api: terms.api,
            env: terms.env,
            sharing: terms.sharing.clone(),
            label: terms.claim.label.clone(),
            max_hold: terms.claim.max_hold,
            began,
            began_at: SystemTime::now(),
            taken_from,
            beat: beat_interval(terms.claim.lease),
            state: Mutex::new(State::Held(sidecar)),
            watchdog: Mutex::new(Watchdog {
                limit: terms.claim.max_hold.and_then(|limit| Some((began.checked_add(limit)?, LossReason::MaxHold))),
                next_request: began + WANTED_AGE,
                pause: REQUEST_PAUSE,
            }),
            holds: AtomicUsize::new(1),
        }
    }

    /// When the heart has to look after it next.
    pub(super) fn next_due(&self, now: Instant) -> Instant {
        let beat = now + self.beat;
        self.watchdog.lock().limit.map_or(beat, |(limit, _)| beat.min(limit))
    }

    /// Takes the lease away at `limit`, if it is still held then.
    pub(super) fn limit(&self, limit: Instant, reason: LossReason) {
        let mut watchdog = self.watchdog.lock();
        if watchdog.limit.is_none_or(|(earlier, _)| limit < earlier) {
            watchdog.limit = Some((limit, reason));
        }
    }

    /// One beat, and one look at the watchdog's clock. `wanted` says that somebody in this process
    /// waits.
    pub(super) fn tend(&self, now: Instant, wanted: bool) -> Tended {
        if let Some((limit, reason)) = self.watchdog.lock().limit
            && now >= limit
        {
            return Tended::Lose(reason);
        }
        let beat = match &mut *self.state.lock() {
            State::Held(sidecar) => sidecar.beat(),
            State::Lost(_) | State::Released => return Tended::Over,
        };
        let interest = match beat {
            Ok(beat) => match LossReason::seen(beat.standing) {
                Some(reason) => return Tended::Lose(reason),
                None => beat.interest,
            },
            // A file system that cannot tell right now is no loss: ask again with the next beat.
            Err(_) => false,
        };
        let next = self.next_due(now);
        if !(wanted || interest) {
            return Tended::Until { next, orphan: false };
        }
        let mut watchdog = self.watchdog.lock();
        let orphan = now >= watchdog.next_request;
        if orphan {
            watchdog.next_request = now + watchdog.pause;
            watchdog.pause = (watchdog.pause * 2).min(REQUEST_PAUSE_MAX);
        }
        Tended::Until { next: next.min(watchdog.next_request), orphan }
    }

    /// The lock file, out of a lease that ends. `None` when it ended before.
    pub(super) fn end(&self) -> Option<Sidecar> {
        self.leave(State::Released)
    }

    /// As `end`, but gives up when another thread is busy with the lease: it may never run again.
    pub(super) fn end_at_exit(&self) -> Option<Sidecar> {
        let mut state = self.state.try_lock_for(Duration::from_millis(50))?;
        match std::mem::replace(&mut *state, State::Released) {
            State::Held(sidecar) => Some(sidecar),
            State::Lost(_) | State::Released => None,
        }
    }

    /// The lock file, out of a lease that is taken away, and what to tell about it.
    pub(super) fn lose(&self, reason: LossReason) -> Option<(Sidecar, Arc<Loss>)> {
        let loss = self.loss(reason);
        self.leave(State::Lost(loss.clone())).map(|sidecar| (sidecar, loss))
    }

    /// Notes that a lease had been lost before it was released: nobody had noticed until then.
    pub(super) fn lost_before(&self, reason: LossReason) -> Arc<Loss> {
        let loss = self.loss(reason);
        *self.state.lock() = State::Lost(loss.clone());
        loss
    }

    fn loss(&self, reason: LossReason) -> Arc<Loss> {
        Arc::new(Loss {
            lease: self.id,
            env: self.env,
            lock_path: self.target.lock_path.clone(),
            token: self.token,
            label: self.label.clone(),
            held_for: self.began.elapsed(),
            reason,
        })
    }

    fn leave(&self, state: State) -> Option<Sidecar> {
        let mut current = self.state.lock();
        if !matches!(*current, State::Held(_)) {
            return None;
        }
        match std::mem::replace(&mut *current, state) {
            State::Held(sidecar) => Some(sidecar),
            State::Lost(_) | State::Released => None,
        }
    }

    /// Whether somebody in another process has looked at the lock file lately.
    pub(super) fn has_foreign_interest(&self) -> bool {
        match &*self.state.lock() {
            State::Held(sidecar) => sidecar.has_foreign_interest(),
            State::Lost(_) | State::Released => false,
        }
    }

    /// Whether an operating-system lock backs it.
    #[must_use]
    pub fn has_os_lock(&self) -> bool {
        matches!(&*self.state.lock(), State::Held(sidecar) if sidecar.has_os_lock())
    }

    /// How many handles share it.
    #[must_use]
    pub fn handles(&self) -> usize {
        self.holds.load(Ordering::Acquire)
    }

    /// Its owner, as others would describe it.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let us = Identity::of_this_process();
        Owner {
            pid: Some(us.pid),
            alive: Some(true),
            place: Place::Here,
            since: Some(self.began_at),
            age: Some(self.began.elapsed()),
            native: true,
            label: self.label.clone(),
            host: Some(us.host.clone()),
            token: Some(self.token),
        }
    }
}

/// One handle on a lease. Dropping it releases it.
#[must_use = "dropping a hold releases the lock"]
pub struct Hold {
    lease: Arc<Lease>,
    open: AtomicBool,
}

impl Hold {
    /// A handle that is already counted in `lease.holds`.
    pub(super) fn new(lease: Arc<Lease>) -> Self {
        Self { lease, open: AtomicBool::new(true) }
    }

    /// The lease behind it.
    #[must_use]
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Gives this handle up; the last one of a lease gives the lock up. The first call counts, on
    /// however many threads it is made.
    ///
    /// `done` is called when the lock file is dealt with, before this returns on local file
    /// systems. Its error is a lock file that could not be removed: the lock is free all the same,
    /// and the removal is tried again in the background.
    pub fn release(&self, done: impl FnOnce(Result<(), LockError>) + Send + 'static) {
        if self.open.swap(false, Ordering::AcqRel) {
            registry::give_up(&self.lease, Box::new(done));
        } else {
            done(Ok(()));
        }
    }

    /// Whether this handle was not released and its lease not lost, as far as is known without
    /// asking the file system.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.open.load(Ordering::Acquire) && matches!(&*self.lease.state.lock(), State::Held(_))
    }

    /// How the lease was lost, if it was.
    #[must_use]
    pub fn loss(&self) -> Option<Arc<Loss>> {
        match &*self.lease.state.lock() {
            State::Lost(loss) => Some(loss.clone()),
            State::Held(_) | State::Released => None,
        }
    }

    /// Whether the lock is ours as far as the last heartbeat knows, without asking the file system.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] or [`LockError::Released`].
    pub fn believe(&self) -> Result<(), LockError> {
        match &*self.lease.state.lock() {
            State::Lost(loss) => Err(loss.clone().into()),
            State::Held(_) if self.open.load(Ordering::Acquire) => Ok(()),
            State::Held(_) | State::Released => Err(self.released()),
        }
    }

    fn released(&self) -> LockError {
        LockError::Released { lock_path: self.lease.target.lock_path.clone() }
    }

    /// Asks the file system whether the lock is still ours.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] when it is not, which is also told as any other loss;
    /// [`LockError::Io`] when the file system could not tell.
    pub fn check(&self) -> Result<(), LockError> {
        let standing = {
            let mut state = self.lease.state.lock();
            match &mut *state {
                State::Lost(loss) => return Err(loss.clone().into()),
                State::Held(sidecar) if self.open.load(Ordering::Acquire) => sidecar.standing(),
                State::Held(_) | State::Released => return Err(self.released()),
            }
        };
        let standing = standing.map_err(|error| LockError::io("inspect", &self.lease.target.lock_path, error))?;
        let Some(reason) = LossReason::seen(standing) else { return Ok(()) };
        registry::lose(&self.lease, reason);
        Err(self.loss().map_or_else(|| self.released(), LockError::from))
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
    LockError::NotRemoved { lock_path: leftover.target().lock_path.clone(), source }
}
