//! The process-wide table: who holds what, who waits for it, and who gets it next.
//!
//! Each lock is in one of two phases. `Held`: a lease of this process has it. `Moving`: one thread
//! is busy with the lock file (looking, waiting for another process, releasing), and that thread
//! serves the queue when it is done. The table's lock is never held during disk work, and is
//! always taken before a lease's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::acquire::{joins, timeout};
use super::endings;
use super::error::LockError;
use super::handover::{Passing, discard};
use super::inspect::Owner;
use super::lease::{Hold, Lease};
use super::loss::Loss;
use super::post::Post;
use super::queue::{Queue, Turns};
use super::sidecar::Sidecar;
use super::sync::{MappedMutexGuard, Mutex, MutexGuard, global};
use super::sys::{FsClass, Instant};
use super::target::Target;
use super::terms::{EnvId, LeaseId, Sharing, Terms};
use super::ticket::Ticket;
use super::verdict::Cause;

/// A lock for a request that waited for it.
pub(super) type Delivery = (Arc<Ticket>, Hold);

/// Hands out locks, outside the table's lock.
pub(super) fn deliver(locks: Vec<Delivery>) {
    for (ticket, hold) in locks {
        ticket.settle(Ok(hold));
    }
}

/// Is told what happens to the leases of an environment without its asking.
pub trait Observer: Send + Sync {
    /// A lease was taken away.
    fn lost(&self, loss: &Arc<Loss>);
    /// Somebody waits for a lease that has been held for a while: time to find out whether anything
    /// can still release it. One call is for all leases, and comes twice a second at most.
    fn suspected(&self);
    /// A lock file could not be removed and is tried again.
    fn not_removed(&self, error: &LockError);
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) locks: HashMap<Target, Entry>,
    /// One for each JavaScript thread.
    pub(super) observers: Vec<(EnvId, Observed)>,
    /// Locks that were released in the last milliseconds while other processes waited for them.
    pub(super) passings: Vec<(Target, Passing)>,
}

/// An environment, as the engine knows it.
pub(super) struct Observed {
    observer: Arc<dyn Observer>,
    /// When it was last told that a lease may have lost its owner.
    suspected: Option<Instant>,
}

pub(super) struct Entry {
    pub(super) phase: Phase,
    pub(super) queue: Queue,
}

pub(super) enum Phase {
    Held(Arc<Lease>),
    Moving,
}

global! { static TABLE: Mutex<Option<Table>> = Mutex::new(None); }
static IDS: AtomicU64 = AtomicU64::new(1);

pub(super) fn table() -> MappedMutexGuard<'static, Table> {
    MutexGuard::map(TABLE.lock(), |table| table.get_or_insert_default())
}

/// The table, unless others keep it locked for all of `time`.
pub(super) fn table_within(time: Duration) -> Option<MappedMutexGuard<'static, Table>> {
    let table = TABLE.try_lock_for(time)?;
    Some(MutexGuard::map(table, |table| table.get_or_insert_default()))
}

/// A number that is unique in this process.
#[must_use]
pub fn unique_id() -> u64 {
    IDS.fetch_add(1, Ordering::Relaxed)
}

impl Entry {
    pub(super) fn moving() -> Self {
        Self { phase: Phase::Moving, queue: Queue::default() }
    }

    pub(super) fn queue_up(&mut self, ticket: &Arc<Ticket>) {
        self.queue.insert(ticket);
        ticket.expect_within(Duration::ZERO);
    }
}

impl Table {
    /// Makes a lease of a lock file that was just taken.
    pub(super) fn settle_in(
        &mut self,
        target: &Target,
        sidecar: Sidecar,
        terms: &Terms,
        from: Option<Cause>,
    ) -> (Hold, Vec<Delivery>) {
        let passing_since = self.passing_since(target);
        let entry = self.locks.entry(target.clone()).or_insert_with(Entry::moving);
        entry.queue.set_turns(Turns { passing_since, ..Turns::default() });
        entry.begin(sidecar, terms, from)
    }

    pub(super) fn entry(&self, target: &Target) -> Option<&Entry> {
        self.locks.get(target)
    }

    pub(super) fn entry_mut(&mut self, target: &Target) -> Option<&mut Entry> {
        self.locks.get_mut(target)
    }

    /// Removes a lock that nobody waits for. `false` when somebody does.
    pub(super) fn leave_if_deserted(&mut self, target: &Target) -> bool {
        let Some((target, mut entry)) = self.locks.remove_entry(target) else { return true };
        let deserted = entry.queue.first().is_none();
        if !deserted {
            self.locks.insert(target, entry);
        }
        deserted
    }
}

impl Entry {
    /// Makes a lease for whoever asked with `terms`, and for all in the queue who may share it. Whoever does not wait
    /// at all is refused.
    pub(super) fn begin(&mut self, sidecar: Sidecar, terms: &Terms, from: Option<Cause>) -> (Hold, Vec<Delivery>) {
        let (class, beaten) = (sidecar.target().class(), sidecar.beaten());
        let lease = Arc::new(Lease::new(unique_id(), sidecar, terms, from));
        self.phase = Phase::Held(lease.clone());
        self.queue.note_owner(None);
        Post::of(class).heart.watch(lease.clone(), beaten);
        let hold = lease.share(terms);
        let joining = match lease.claim.sharing {
            // Only a call made inside the work could join, and that has not begun.
            Sharing::Chain | Sharing::Nobody => Vec::new(),
            Sharing::Owner(_) | Sharing::Process => {
                let joining = self.queue.extract(|ticket| joins(&lease, &ticket.terms)).into_iter();
                joining.map(|ticket| (ticket.clone(), lease.share(&ticket.terms))).collect()
            }
        };
        if let Some(ticket) = self.queue.first().filter(|first| first.is_at_once()) {
            ticket.expire_soon();
        }
        (hold, joining)
    }
}

/// Starts telling `observer` about the leases of `env`.
pub fn observe(env: EnvId, observer: Arc<dyn Observer>) {
    table().observers.push((env, Observed { observer, suspected: None }));
}

/// Tells everybody who shares a lease that it was lost.
pub(super) fn tell(lease: &Lease, loss: &Arc<Loss>) {
    for observer in observers(lease) {
        observer.lost(loss);
    }
}

/// The observers of all environments that share a lease.
pub(super) fn observers(lease: &Lease) -> Vec<Arc<dyn Observer>> {
    let envs = lease.envs();
    let table = table();
    let ours = table.observers.iter().filter(|(env, _)| envs.contains(env));
    ours.map(|(_, observed)| observed.observer.clone()).collect()
}

/// Since when somebody in this process has waited for `lease`.
pub(super) fn wanted_since(lease: &Lease) -> Option<Instant> {
    let table = table();
    let queue = &table.entry(&lease.target)?.queue;
    queue.tickets().filter(|ticket| ticket.is_waiting()).map(|ticket| ticket.requested).min()
}

/// Tells the environments of a lease that somebody waits for it, unless they were told so of any lease within `lately`:
/// what they do about it serves all their leases, and takes long.
pub(super) fn suspect(lease: &Lease, lately: Duration) {
    let now = Instant::now();
    let envs = lease.envs();
    let mut table = table();
    let ours = table.observers.iter_mut().filter(|(env, _)| envs.contains(env));
    let observers: Vec<_> = ours.filter_map(|(_, observed)| observed.suspect(now, lately)).collect();
    drop(table);
    for observer in observers {
        observer.suspected();
    }
}

impl Observed {
    /// Notes that a lease is suspected. Whom to tell, unless that was done within `lately`.
    fn suspect(&mut self, now: Instant, lately: Duration) -> Option<Arc<dyn Observer>> {
        let is_due = self.suspected.is_none_or(|last| now.duration_since(last) >= lately);
        is_due.then(|| {
            self.suspected = Some(now);
            self.observer.clone()
        })
    }
}

/// The first in the queue for `target`, for a look on its behalf. `None` when nobody waits any more: the lock is
/// forgotten then.
pub(super) fn next_of(target: &Target) -> Option<Arc<Ticket>> {
    let mut table = table();
    let next = table.entry_mut(target)?.queue.first().cloned();
    if next.is_none() {
        table.locks.remove(target);
    }
    next
}

/// For how long the next in line for `target` waits at most.
pub(super) fn patience(target: &Target) -> Option<Duration> {
    table().entry_mut(target)?.queue.first()?.terms.timeout
}

/// A look on behalf of `ticket` took the lock. If that is not the next one any more, the lock is released: the next one may
/// have asked for it on other terms.
pub(super) fn taken(target: &Target, ticket: &Arc<Ticket>, sidecar: Sidecar, from: Option<Cause>) {
    let mut table = table();
    let entry = table.entry_mut(target);
    let is_next =
        entry.is_some_and(|entry| entry.queue.next_if(|first| std::ptr::eq(first, &raw const **ticket)).is_some());
    let ending = endings::is_ending();
    if ending || !is_next {
        drop(table);
        let claim = &ticket.terms.claim;
        return if ending { drop(sidecar.release(claim)) } else { discard(target, claim, sidecar) };
    }
    table.take_passing(target);
    let (hold, joined) = table.settle_in(target, sidecar, &ticket.terms, from);
    drop(table);
    ticket.settle(Ok(hold));
    deliver(joined);
}

/// A look with `terms` on behalf of a queue found the lock held: who would not wait at all has to know. On a remote file
/// system the others may have to know later, when it does not answer any more.
pub(super) fn still_held(target: &Target, terms: &Terms, owner: impl FnOnce() -> Owner) {
    let is_remote = target.class() != FsClass::Local;
    if !(terms.is_at_once() || is_remote) {
        return;
    }
    let owner = owner();
    let refused = {
        let mut table = table();
        let Some(entry) = table.entry_mut(target) else { return };
        if is_remote {
            entry.queue.note_owner(Some(owner.clone()));
        }
        if terms.is_at_once() { entry.queue.next_if(Ticket::is_at_once) } else { None }
    };
    if let Some(ticket) = refused {
        let error = timeout(target, &ticket.terms, owner);
        ticket.settle(Err(error));
    }
}

/// A look on behalf of `ticket` failed: that request fails with the error, and the next one tries.
pub(super) fn failed(target: &Target, ticket: &Ticket, error: LockError) {
    if let Some(entry) = table().entry_mut(target) {
        entry.queue.remove(ticket);
    }
    ticket.settle(Err(error));
}

/// Every lease of this process.
#[must_use]
pub fn held() -> Vec<Arc<Lease>> {
    table()
        .locks
        .values()
        .filter_map(|entry| match &entry.phase {
            Phase::Held(lease) => Some(lease.clone()),
            Phase::Moving => None,
        })
        .collect()
}

/// The lease of this process with this number.
#[must_use]
pub fn find(lease: LeaseId) -> Option<Arc<Lease>> {
    table().locks.values().find_map(|entry| match &entry.phase {
        Phase::Held(held) if held.id == lease => Some(held.clone()),
        Phase::Held(_) | Phase::Moving => None,
    })
}
