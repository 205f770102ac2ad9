//! What happens to a lock file when its lease ends: the next task of this process gets it, or it is released.

use std::sync::Arc;
use std::time::Duration;

use super::contender::Contender;
use super::error::LockError;
use super::lease::{Lease, leftover_error};
use super::loss::LossReason;
use super::post::Post;
use super::queue::Turns;
use super::record::Claim;
use super::registry::{Delivery, Phase, Table, deliver, observers, table, tell};
use super::sidecar::{GivenUp, Leftover, Sidecar, Standing};
use super::sys::{self, FsClass, Instant};
use super::target::Target;
use super::ticket::Ticket;

/// How many tasks of this process may have the lock in a row before another process that waits gets a
/// chance.
const TURNS: u64 = 64;
/// How long they may have it in a row.
const TURN_TIME: Duration = Duration::from_millis(100);
/// How long this process stands back for another that waits: long enough for that one to look again.
const COURTESY: Duration = Duration::from_millis(if sys::EVENTS { 2 } else { 30 });
/// How long this process may keep retaking a lock that it releases while another waits, before it stands back.
const PASSING: Duration = Duration::from_millis(1);

/// A lock that was released while another process waited for it. A process that asks again at once is faster than
/// one that must first be woken.
pub(super) struct Passing {
    /// Since when this process may have been passing the other one over.
    since: Instant,
    released: Instant,
    /// Whether it had the lock so long that the other one has waited enough.
    was_long: bool,
}

/// What to do once the lock file is released, or somebody else's.
pub(super) type Done = Box<dyn FnOnce(Result<(), LockError>) + Send>;

/// What is left to do after a lease ended, outside the table's lock.
pub(super) enum Moved {
    /// The next task of this process has the lock file.
    HandedOver(Vec<Delivery>),
    /// The lock file must be released, then the queue served.
    Release,
    /// This process has had the lock file for long, its next task has another lease, or a beat is busy with the file: the
    /// task may have it only if it is still ours, and no other process waits.
    Yield,
    /// The lock file is not ours any more: only the queue must be served.
    Gone,
}

impl Table {
    /// Ends a lease by `end`, which says whether it did, and gives the lock to the next in line.
    pub(super) fn move_on(
        &mut self,
        lease: &Arc<Lease>,
        leaves_file: bool,
        end: &mut dyn FnMut(&Lease) -> bool,
    ) -> Option<Moved> {
        let entry = self.entry_mut(&lease.target)?;
        if !matches!(&entry.phase, Phase::Held(held) if Arc::ptr_eq(held, lease)) {
            return None;
        }
        let turns = entry.queue.turns();
        let since = turns.since.unwrap_or(lease.began);
        let is_wanted = leaves_file && entry.queue.first().is_some();
        // Whether tasks of this process have had the lock file so long that other processes must be considered.
        let greedy = is_wanted && (turns.count + 1 >= TURNS || since.elapsed() >= TURN_TIME);
        if !end(lease) {
            return None;
        }
        Post::of(lease.target.class()).heart.forget(lease);
        // Not while a beat is busy with the file: nobody waits for the disk with the table locked.
        let file = if is_wanted && !greedy { lease.file_at_once() } else { None };
        let file = file.filter(|file| file.as_ref().is_some_and(Sidecar::has_tokens_left));
        // Others judge by the lease in the record, and nothing is written here, either.
        let may_have = |next: &Ticket| next.is_waiting() && next.terms.claim.lease == lease.claim.lease;
        let passed_on = file.and_then(|mut file| Some((entry.queue.next_if(may_have)?, file.take()?)));
        Some(match passed_on {
            Some((ticket, mut sidecar)) => {
                sidecar.hand_over(ticket.terms.keep_file);
                entry.queue.set_turns(Turns { count: turns.count + 1, since: Some(since), ..turns });
                let (hold, mut locks) = entry.begin(sidecar, &ticket.terms, None);
                locks.insert(0, (ticket, hold));
                Moved::HandedOver(locks)
            }
            None => {
                entry.phase = Phase::Moving;
                match leaves_file {
                    true if is_wanted => Moved::Yield,
                    true => Moved::Release,
                    false => Moved::Gone,
                }
            }
        })
    }

    /// Since when this process has been passing another over, if it released the lock of `target` just before taking it
    /// again.
    pub(super) fn passing_since(&mut self, target: &Target) -> Option<Instant> {
        let Passing { since, released, .. } = self.take_passing(target)?;
        (released.elapsed() < COURTESY).then_some(since)
    }

    /// Takes out the passing of a lock that is held again.
    pub(super) fn take_passing(&mut self, target: &Target) -> Option<Passing> {
        let at = self.passings.iter().position(|(passed, _)| passed == target)?;
        Some(self.passings.swap_remove(at).1)
    }

    /// How long a new request stands back for another process that has waited for `target` throughout a long
    /// lease of ours: as long as that process may take to wake up.
    pub(super) fn courtesy(&self, target: &Target) -> Option<Duration> {
        let (_, passing) = self.passings.iter().find(|(passed, _)| passed == target)?;
        PASSING.checked_sub(passing.released.elapsed()).filter(|rest| passing.was_long && !rest.is_zero())
    }

    /// Notes the release of a lock that this process has held since `began` while another waited for it. Returns how
    /// long this process stands back.
    fn pass(&mut self, target: &Target, began: Instant) -> Duration {
        let released = Instant::now();
        let since = self.entry(target).and_then(|entry| entry.queue.turns().passing_since).unwrap_or(released);
        if released.duration_since(since) >= PASSING {
            return COURTESY;
        }
        self.passings.retain(|(_, passing)| released.duration_since(passing.released) < COURTESY);
        self.passings
            .push((target.clone(), Passing { since, released, was_long: released.duration_since(began) >= PASSING }));
        Duration::ZERO
    }
}

impl Moved {
    pub(super) fn finish(self, lease: &Arc<Lease>, done: Done) {
        match self {
            Self::HandedOver(locks) => {
                deliver(locks);
                done(Ok(()));
            }
            Self::Release => with_file_of(lease, done, |lease, sidecar, done| {
                release(lease, sidecar, Duration::ZERO, done);
            }),
            Self::Yield => with_file_of(lease, done, |lease, mut sidecar, done| match sidecar.pause() {
                Ok(GivenUp { standing: Standing::Ours, wanted: false }) if sidecar.has_tokens_left() => {
                    carry_on(lease, sidecar);
                    done(Ok(()));
                }
                Ok(GivenUp { wanted: true, .. }) => release(lease, sidecar, COURTESY, done),
                _ => release(lease, sidecar, Duration::ZERO, done),
            }),
            Self::Gone => with_file_of(lease, done, |lease, sidecar, done| {
                drop(sidecar);
                serve_queue(&lease.target, Duration::ZERO);
                done(Ok(()));
            }),
        }
    }
}

/// Deals with the lock file of a lease that ended, where that may take time.
fn with_file_of(lease: &Arc<Lease>, done: Done, job: fn(&Arc<Lease>, Sidecar, Done)) {
    let class = lease.target.class();
    let lease = lease.clone();
    where_it_may_take_time(class, move || match lease.take_file() {
        Some(sidecar) => job(&lease, sidecar, done),
        // The process ends, and has dealt with it.
        None => done(Ok(())),
    });
}

/// Runs `job` here and now, or on the hands where the file system may hang.
fn where_it_may_take_time(class: FsClass, job: impl FnOnce() + Send + 'static) {
    match class {
        FsClass::Local => job(),
        remote @ FsClass::Remote { .. } => Post::of(remote).hands.run(job),
    }
}

/// Releases the lock file of a lease that ended, and serves the queue after `pause`.
fn release(lease: &Arc<Lease>, sidecar: Sidecar, pause: Duration, done: Done) {
    let released = sidecar.release(&lease.claim);
    let wanted = matches!(released, Ok(GivenUp { wanted: true, .. }));
    let pause = if wanted && pause.is_zero() { table().pass(&lease.target, lease.began) } else { pause };
    serve_queue(&lease.target, pause);
    done(match released {
        Ok(GivenUp { standing, .. }) => {
            if let Some(loss) = LossReason::seen(standing).and_then(|reason| lease.lost_before(reason)) {
                tell(lease, &loss);
            }
            Ok(())
        }
        // Somebody is taking it over just now: it becomes theirs, or is removed a little later.
        Err(leftover) if leftover.error.kind() == std::io::ErrorKind::ResourceBusy => {
            leftover.clear_away();
            Ok(())
        }
        Err(leftover) => Err(report(lease, leftover)),
    });
}

/// No other process waits: the next task of this one gets the lock file of `lease`, as after a fresh acquire.
fn carry_on(lease: &Lease, mut sidecar: Sidecar) {
    let target = &lease.target;
    let next = table().entry_mut(target).and_then(|entry| entry.queue.next());
    let Some(ticket) = next else { return discard(target, &lease.claim, sidecar) };
    sidecar.hand_over(ticket.terms.keep_file);
    if sidecar.rewrite(&ticket.terms.claim).is_err() {
        if let Some(entry) = table().entry_mut(target) {
            entry.queue.insert(&ticket);
        }
        return discard(target, &lease.claim, sidecar);
    }
    let (hold, mut locks) = table().settle_in(target, sidecar, &ticket.terms, None);
    locks.insert(0, (ticket, hold));
    deliver(locks);
}

/// Releases a lock file that nobody wants after all.
pub(super) fn discard(target: &Target, claim: &Arc<Claim>, sidecar: Sidecar) {
    if let Err(leftover) = sidecar.release(claim) {
        leftover.clear_away();
    }
    serve_queue(target, Duration::ZERO);
}

/// Reports a lock file that could not be removed, and keeps trying.
fn report(lease: &Lease, leftover: Box<Leftover>) -> LockError {
    let error = leftover_error(&leftover);
    if let Some(observer) = observers(lease).first() {
        observer.not_removed(&error);
    }
    leftover.clear_away();
    error
}

/// After a release: has the lookout contend for requests that queued up meanwhile or do so during the `pause`.
fn serve_queue(target: &Target, pause: Duration) {
    if !pause.is_zero() || !table().leave_if_deserted(target) {
        Post::of(target.class()).lookout.contend(Contender::new(target.clone()), pause);
    }
}
