//! The heartbeat and watchdog: one thread for all leases of a file-system class.
//!
//! It needs no event loop: a process whose JavaScript is busy or stuck keeps its leases until
//! `maxHold`, and not a moment longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::endings;
use super::lease::{Lease, Tended};
use super::post::Post;
use super::registry;
use super::sync::{AtomicBool, Condvar, Mutex};
use super::sys::{self, Instant};

/// The first pause before a name that could not be removed is tried again; it doubles.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long the thread stays ready for new leases after the last one has ended. Shorter than a new lease usually
/// goes without being looked after, so that adding one need not wake the thread.
const DOZE: Duration = Duration::from_millis(500);

/// The shortest rest of the thread while there are more than `CROWD` leases: waking for each of them takes a third
/// of its time. A lease in a crowd may be looked after this much later.
const REST: Duration = Duration::from_millis(50);
/// See above.
const CROWD: usize = 1000;

/// How many leases are tended per reading of the agenda: the allocator would keep the memory of a list of ten thousand.
const BATCH: usize = 128;

/// Something to try until it succeeds; returns whether it did.
type Chore = Box<dyn FnMut() -> bool + Send>;

/// The heart of one file-system class.
#[derive(Default)]
pub struct Heart {
    agenda: Mutex<Agenda>,
    changed: Condvar,
    started: AtomicBool,
}

#[derive(Default)]
struct Agenda {
    /// In the order they are due.
    leases: BTreeSet<Due>,
    chores: Vec<(Instant, Duration, Chore)>,
    /// Until when the thread sleeps; `None` while it works or sleeps until called.
    asleep_until: Option<Instant>,
}

/// A lease, ordered by when it is due, which does not change while it is in the agenda.
struct Due(Arc<Lease>);

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |Self(lease): &Self| (lease.due.get(), lease.id);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl Heart {
    /// Starts looking after a lease, whose lock file had its last beat at `beaten`. Costs no system call if the thread is
    /// awake or will wake in time anyway.
    pub(super) fn watch(&'static self, lease: Arc<Lease>, beaten: Instant) {
        let due = lease.first_due(beaten);
        self.change(due, |agenda| agenda.insert(due, lease));
    }

    /// Stops looking after a lease.
    pub(super) fn forget(&self, lease: &Arc<Lease>) {
        let mut agenda = self.agenda.lock();
        agenda.take_out(lease);
        lease.due.set(None);
    }

    /// Looks after a lease no later than `at`.
    pub(super) fn hurry(&'static self, lease: &Arc<Lease>, at: Instant) {
        self.change(at, |agenda| {
            // Not if it is being looked after just now.
            if lease.due.get().is_some_and(|due| at < due) && agenda.take_out(lease) {
                agenda.insert(at, lease.clone());
            }
        });
    }

    /// Retries `chore` until it succeeds.
    pub(super) fn keep_trying(&'static self, chore: impl FnMut() -> bool + Send + 'static) {
        let due = Instant::now() + RETRY_MIN;
        self.change(due, |agenda| agenda.chores.push((due, RETRY_MIN, Box::new(chore))));
    }

    fn change(&'static self, due: Instant, change: impl FnOnce(&mut Agenda)) {
        let mut agenda = self.agenda.lock();
        change(&mut agenda);
        let must_wake = agenda.asleep_until.is_none_or(|until| due < until);
        drop(agenda);
        if !self.start() && must_wake {
            self.changed.notify_one();
        }
    }

    /// Starts the thread, unless it was started before. Waiters do so early: once they have the lock, time is short.
    pub(super) fn start(&'static self) -> bool {
        let is_first = !self.started.swap(true, Ordering::AcqRel);
        // Without the thread there are no beats, so this should not pass quietly; but a process
        // that cannot start one more thread is beyond our help: its leases expire.
        if is_first && sys::spawn("leasehold-heart", || self.beat_for_ever()).is_err() {
            self.started.store(false, Ordering::Release);
        }
        is_first
    }

    fn beat_for_ever(&self) {
        loop {
            let (leases, chores) = self.wait_for_work();
            let crowd = leases.len() + self.agenda.lock().leases.len();
            for (lease, due) in leases {
                self.tend(lease, due, crowd);
            }
            for (pause, mut chore) in chores {
                if !chore() {
                    let pause = (pause * 2).min(RETRY_MAX);
                    self.agenda.lock().chores.push((Instant::now() + pause, pause, chore));
                }
            }
        }
    }

    fn tend(&self, lease: Arc<Lease>, due: Instant, crowd: usize) {
        match lease.tend(Instant::now(), registry::wanted_since(&lease), crowd) {
            Tended::Held { next_beat, suspected } => {
                if let Some(lately) = suspected {
                    registry::suspect(&lease, lately);
                }
                self.put_back(lease, due, next_beat);
            }
            Tended::Lose(reason) => endings::lose(&lease, reason),
            Tended::Over => self.forget(&lease),
        }
    }

    fn put_back(&self, lease: Arc<Lease>, due: Instant, next_beat: Instant) {
        // From now on its file is watched: waiters and meddlers are noticed without waiting for a beat.
        Post::of(lease.target.class()).lookout.attend(&lease);
        let mut agenda = self.agenda.lock();
        // Not if it was given up while it was tended. Its clocks are read under the agenda's lock,
        // so that a limit set meanwhile is either seen here or finds the lease in the agenda.
        let is_ours = lease.due.get() == Some(due);
        if is_ours {
            agenda.insert(lease.next_due(next_beat), lease);
        }
    }

    #[expect(clippy::type_complexity, reason = "two lists that are read in one place")]
    fn wait_for_work(&self) -> (Vec<(Arc<Lease>, Instant)>, Vec<(Duration, Chore)>) {
        let mut agenda = self.agenda.lock();
        let mut dozed = false;
        loop {
            let now = Instant::now();
            let mut leases = Vec::new();
            while leases.len() < BATCH
                && let Some(due) = agenda.next_due()
                && due <= now
            {
                leases.extend(agenda.leases.pop_first().map(|Due(lease)| (lease, due)));
            }
            let chores: Vec<_> =
                agenda.chores.extract_if(.., |(due, ..)| *due <= now).map(|(_, pause, chore)| (pause, chore)).collect();
            if !(leases.is_empty() && chores.is_empty()) {
                return (leases, chores);
            }
            let next_lease = agenda.next_due();
            let next_chore = agenda.chores.iter().map(|(due, ..)| *due).min();
            let rest = if agenda.leases.len() > CROWD { REST } else { Duration::ZERO };
            let next = next_lease.into_iter().chain(next_chore).min().map(|next| next.max(now + rest));
            // With nothing to do it dozes before it sleeps: otherwise a program that locks and unlocks all
            // the time would have to wake it each time.
            agenda.asleep_until = next.or((!dozed).then(|| now + DOZE));
            dozed = match agenda.asleep_until {
                Some(until) => self.changed.wait_for(&mut agenda, until.saturating_duration_since(now)).timed_out(),
                None => {
                    self.changed.wait(&mut agenda);
                    false
                }
            };
            agenda.asleep_until = None;
        }
    }
}

impl Agenda {
    fn insert(&mut self, at: Instant, lease: Arc<Lease>) {
        lease.due.set(Some(at));
        self.leases.insert(Due(lease));
    }

    /// Returns whether it was there: one that is being looked after is not.
    fn take_out(&mut self, lease: &Arc<Lease>) -> bool {
        self.leases.remove(&Due(lease.clone()))
    }

    fn next_due(&self) -> Option<Instant> {
        self.leases.first()?.0.due.get()
    }
}
