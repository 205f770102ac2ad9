//! The process-wide table: who holds what, who waits for it, and who gets it next.
//!
//! Each lock is in one of two phases. `Held`: a lease of this process has it. `Moving`: one thread
//! is busy with the lock file (looking, waiting for another process, releasing), and whoever that
//! is serves the queue when it is done. The table's lock is never held during disk work, and is
//! always taken before a lease's own.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::contender::{Contender, Look};
use super::error::LockError;
use super::inspect::{self, Owner};
use super::lease::{Hold, Lease, Loss, LossReason, WANTED_AGE, leftover_error};
use super::post::Post;
use super::record::TOKEN_STRIDE;
use super::sidecar::{Leftover, Sidecar};
use super::sys::{self, FsClass};
use super::target::Target;
use super::terms::{EnvId, LeaseId, Sharing, Terms};
use super::verdict::Cause;

/// How long a file system may take to resolve a path, however short the caller's patience is.
const RESOLUTION: Duration = Duration::from_secs(5);
/// Who has waited this long for a lease makes its holder look for lost owners.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many tasks of this process may follow each other before another process that waits gets a
/// chance.
const TURNS: u64 = 64;
/// For how long they may.
const TURN_TIME: Duration = Duration::from_millis(100);
/// How long this process stands back for another one that waits.
const COURTESY: Duration = Duration::from_millis(2);

/// Called once with the outcome of a request that had to wait, on any thread.
pub type Settle = Box<dyn FnOnce(Result<Hold, LockError>) + Send>;
type Done = Box<dyn FnOnce(Result<(), LockError>) + Send>;

/// The answer to a request.
pub enum Acquired {
    /// The lock was free.
    Now(Hold),
    /// It was not: `settle` will be called.
    Later(Arc<Ticket>),
}

/// One waiting request.
pub struct Ticket {
    sequence: u64,
    path: PathBuf,
    /// What `path` led to, once that is known.
    target: OnceLock<Arc<Target>>,
    terms: Terms,
    requested: Instant,
    /// Taken by whoever settles the request: exactly one.
    settle: Mutex<Option<Settle>>,
}

/// What happens to leases of an environment that nobody asked for.
pub trait Observer: Send + Sync {
    /// A lease was taken away.
    fn lost(&self, loss: &Arc<Loss>);
    /// Somebody waits for a lease that has been held for a while: high time to find out whether
    /// anything can still release it.
    fn suspected(&self);
    /// A lock file could not be removed and is tried again.
    fn not_removed(&self, error: &LockError);
}

#[derive(Default)]
struct Table {
    locks: HashMap<Arc<Path>, Entry>,
    observers: HashMap<EnvId, Arc<dyn Observer>>,
}

struct Entry {
    phase: Phase,
    /// By sequence; sequences are unique in the process.
    queue: BTreeMap<u64, Arc<Ticket>>,
    /// The token on disk, since when it stands there, and how many leases followed on it.
    disk_token: u64,
    since: Instant,
    turns: u64,
}

enum Phase {
    Held(Arc<Lease>),
    Moving,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);
/// Set when the process is past the point where a new lease would be released again.
static ENDING: AtomicBool = AtomicBool::new(false);
static IDS: AtomicU64 = AtomicU64::new(1);

/// Requests for directories that are being resolved, in the order they were made.
static RESOLVING: Mutex<Option<HashMap<PathBuf, Vec<Arc<Ticket>>>>> = Mutex::new(None);

fn table() -> parking_lot::MappedMutexGuard<'static, Table> {
    MutexGuard::map(TABLE.lock(), |table| table.get_or_insert_default())
}

/// A number that is unique in this process.
#[must_use]
pub fn unique_id() -> u64 {
    IDS.fetch_add(1, Ordering::Relaxed)
}

/// Asks for the lock of `path`. Never waits: a lock that is not free now is delivered to `settle`.
///
/// # Errors
///
/// [`LockError`] when the request fails at once; `settle` is not called then.
///
/// # Examples
///
/// ```
/// use leasehold::lock::{Terms, registry::acquire_blocking};
///
/// # let directory = tempfile::tempdir().unwrap();
/// let path = directory.path().join("session.jsonl");
/// let hold = acquire_blocking(&path, Terms::default()).unwrap();
/// assert!(directory.path().join("session.jsonl.lock").exists());
/// drop(hold);
/// assert!(!directory.path().join("session.jsonl.lock").exists());
/// ```
pub fn acquire(path: &Path, terms: Terms, settle: Settle) -> Result<Acquired, LockError> {
    let ticket = Arc::new(Ticket {
        sequence: unique_id(),
        path: path.to_owned(),
        target: OnceLock::new(),
        terms,
        requested: Instant::now(),
        settle: Mutex::new(Some(settle)),
    });
    // A directory that is being resolved keeps its requests in order.
    let parent = path.parent().unwrap_or(path);
    if let Some(waiting) = RESOLVING.lock().as_mut().and_then(|resolving| resolving.get_mut(parent)) {
        waiting.push(ticket.clone());
        ticket.expect_resolution();
        return Ok(Acquired::Later(ticket));
    }
    match Target::quick(path)? {
        Some(target) => Ok(match enter(&Arc::new(target), &ticket)? {
            Some(hold) => Acquired::Now(hold),
            None => Acquired::Later(ticket),
        }),
        None => {
            resolve_elsewhere(parent, &ticket)?;
            ticket.expect_resolution();
            Ok(Acquired::Later(ticket))
        }
    }
}

/// Asks for the lock of `path` and blocks this thread until it is had or the terms' time is over.
///
/// # Errors
///
/// Any [`LockError`].
pub fn acquire_blocking(path: &Path, terms: Terms) -> Result<Hold, LockError> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let settle = Box::new(move |settled| {
        // The receiver waits for as long as this closure exists.
        let _ = sender.send(settled);
    });
    match acquire(path, terms, settle)? {
        Acquired::Now(hold) => Ok(hold),
        Acquired::Later(ticket) => receiver.recv().unwrap_or_else(|_| {
            drop(ticket);
            Err(LockError::Cancelled { lock_path: path.into() })
        }),
    }
}

/// Resolves the first request for a directory on a thread of its own: only touching a directory
/// tells whether touching it hangs.
fn resolve_elsewhere(parent: &Path, ticket: &Arc<Ticket>) -> Result<(), LockError> {
    {
        let mut resolving = RESOLVING.lock();
        let waiting = resolving.get_or_insert_default().entry(parent.to_owned()).or_default();
        waiting.push(ticket.clone());
        if waiting.len() > 1 {
            return Ok(());
        }
    }
    let directory = parent.to_owned();
    let Err(error) = sys::spawn("leasehold-resolve", move || resolve_all(&directory)) else { return Ok(()) };
    let stranded = RESOLVING.lock().as_mut().and_then(|resolving| resolving.remove(parent)).unwrap_or_default();
    let failure =
        |path: &Path| LockError::io("start a thread for", path, std::io::Error::new(error.kind(), error.to_string()));
    for other in stranded.iter().filter(|other| !Arc::ptr_eq(other, ticket)) {
        other.settle(Err(failure(&other.path)));
    }
    Err(failure(&ticket.path))
}

/// Serves the requests for `directory`, one after the other, until there are no more.
fn resolve_all(directory: &Path) {
    let mut next = 0;
    loop {
        let ticket = {
            let mut resolving = RESOLVING.lock();
            let Some(waiting) = resolving.as_mut().and_then(|resolving| resolving.get_mut(directory)) else { return };
            match waiting.get(next) {
                Some(ticket) => ticket.clone(),
                None => {
                    resolving.as_mut().and_then(|resolving| resolving.remove(directory));
                    return;
                }
            }
        };
        next += 1;
        if ticket.is_waiting() {
            match Target::resolve(&ticket.path).and_then(|target| enter(&Arc::new(target), &ticket)) {
                Ok(Some(hold)) => ticket.settle(Ok(hold)),
                Ok(None) => {}
                Err(error) => ticket.settle(Err(error)),
            }
        }
    }
}

/// Enters a request for a resolved target: joins, takes, queues or refuses.
fn enter(target: &Arc<Target>, ticket: &Arc<Ticket>) -> Result<Option<Hold>, LockError> {
    let terms = &ticket.terms;
    // A ticket is entered once, so this cannot be refused.
    let _ = ticket.target.set(target.clone());
    let at_once = terms.timeout == Some(Duration::ZERO);
    {
        let mut table = table();
        if let Some(entry) = table.locks.get_mut(&target.lock_path) {
            if let Phase::Held(lease) = &entry.phase {
                if joins(lease, terms) {
                    lease.holds.fetch_add(1, Ordering::AcqRel);
                    return Ok(Some(Hold::new(lease.clone())));
                }
                refuse_deadlock(lease, terms)?;
                if at_once {
                    return Err(timeout(target, terms, lease.owner()));
                }
                let suspicious = (ticket.requested + PATIENCE).max(lease.began + WANTED_AGE);
                Post::of(target.class).heart.hurry(lease.id, suspicious);
            } else if at_once {
                drop(table);
                return Err(timeout(target, terms, owner_on_disk(target)));
            }
            entry.queue_up(ticket);
            return Ok(None);
        }
        table.locks.insert(target.lock_path.clone(), Entry::moving());
    }
    let contender = Contender::new(target.clone());
    if target.class != FsClass::Local && !at_once {
        if let Some(entry) = table().locks.get_mut(&target.lock_path) {
            entry.queue_up(ticket);
        }
        Post::of(target.class).lookout.contend(contender, Duration::ZERO);
        return Ok(None);
    }
    first_look(contender, ticket)
}

/// A thread that blocks its event loop goes before those that do not.
fn queue_key(ticket: &Ticket) -> u64 {
    if ticket.terms.blocking { ticket.sequence } else { ticket.sequence | 1 << 63 }
}

/// The look that may find the lock free at once, on the asking thread.
fn first_look(mut contender: Contender, ticket: &Arc<Ticket>) -> Result<Option<Hold>, LockError> {
    let target = contender.target().clone();
    let terms = &ticket.terms;
    let looked = contender.look(terms, None);
    let mut table = table();
    match looked {
        Ok(Look::Taken { sidecar, from }) => {
            let hold = table.settle_in(&target, sidecar, terms, from);
            Ok(Some(hold))
        }
        Ok(Look::Held { .. }) if terms.timeout != Some(Duration::ZERO) => {
            if let Some(entry) = table.locks.get_mut(&target.lock_path) {
                entry.queue_up(ticket);
            }
            drop(table);
            Post::of(target.class).lookout.contend(contender, Duration::ZERO);
            Ok(None)
        }
        other => {
            let error = match other {
                Err(error) => error,
                Ok(_) => timeout(&target, terms, contender.owner()),
            };
            // Others may have queued up behind us meanwhile.
            if table.leave_if_deserted(&target.lock_path) {
                return Err(error);
            }
            drop(table);
            Post::of(target.class).lookout.contend(contender, Duration::ZERO);
            Err(error)
        }
    }
}

fn joins(lease: &Lease, terms: &Terms) -> bool {
    match (&terms.sharing, &lease.sharing) {
        (Sharing::Nobody, _) => false,
        (Sharing::Process, Sharing::Process) => true,
        (Sharing::Owner(theirs), Sharing::Owner(ours)) if theirs == ours => true,
        _ => terms.chain.contains(&lease.id),
    }
}

fn refuse_deadlock(lease: &Lease, terms: &Terms) -> Result<(), LockError> {
    let problem = if terms.chain.contains(&lease.id) {
        "the call that holds it is waiting for this one"
    } else if terms.blocking && lease.env == terms.env {
        "it is held by a task of this thread, which could never finish while this call blocks the thread"
    } else {
        return Ok(());
    };
    Err(LockError::Deadlock { lock_path: lease.target.lock_path.clone(), problem })
}

fn timeout(target: &Target, terms: &Terms, owner: Owner) -> LockError {
    LockError::Timeout {
        api: terms.api,
        target: target.path.clone(),
        lock_path: target.lock_path.clone(),
        timeout: terms.timeout.unwrap_or(Duration::MAX),
        owner,
    }
}

fn owner_on_disk(target: &Target) -> Owner {
    inspect::inspect(&target.path).ok().and_then(|found| found.owner).unwrap_or_else(Owner::unknown)
}

impl Ticket {
    /// Bounds the time that the file system may take to say where the path leads. It is not counted
    /// against a caller that would not wait for the lock itself.
    fn expect_resolution(self: &Arc<Self>) {
        self.expect_within(RESOLUTION);
    }

    /// Registers the deadline, which lies no earlier than `least` after the request.
    fn expect_within(self: &Arc<Self>, least: Duration) {
        let limit = self.terms.timeout.map(|timeout| timeout.max(least));
        if let Some(deadline) = limit.and_then(|limit| self.requested.checked_add(limit)) {
            // Deadlines are kept by the local lookout, which never hangs.
            Post::of(FsClass::Local).lookout.expect(deadline, self);
        }
    }

    /// Delivers the outcome, unless somebody else did. An outcome that came too late is dropped,
    /// and a lock in it is released by that.
    fn settle(&self, outcome: Result<Hold, LockError>) {
        let settle = self.settle.lock().take();
        if let Some(settle) = settle {
            settle(outcome);
        }
    }

    fn is_waiting(&self) -> bool {
        self.settle.lock().is_some()
    }

    /// Gives the request up; `false` when it was settled before. `settle` is not called.
    pub fn cancel(&self) -> bool {
        let settle = self.settle.lock().take();
        let cancelled = settle.is_some();
        if cancelled {
            self.withdraw();
        }
        cancelled
    }

    /// The time is over: tells the waiter who kept it waiting.
    pub(super) fn expire(&self) {
        let Some(settle) = self.settle.lock().take() else { return };
        let owner = self.withdraw();
        let error = match self.target.get() {
            Some(target) => timeout(target, &self.terms, owner.unwrap_or_else(|| owner_on_disk(target))),
            None => {
                let target = Target::unresolved(&self.path);
                timeout(&target, &self.terms, Owner::unknown())
            }
        };
        settle(Err(error));
    }

    /// Leaves the queue; says which lease of this process it waited for, if it was one.
    fn withdraw(&self) -> Option<Owner> {
        let target = self.target.get()?;
        let mut table = table();
        let entry = table.locks.get_mut(&target.lock_path)?;
        entry.queue.remove(&queue_key(self));
        if let Phase::Held(lease) = &entry.phase {
            return Some(lease.owner());
        }
        drop(table);
        // Whoever is busy with the lock file learns that there may be nobody left to do it for.
        Post::of(target.class).lookout.revisit(&target.lock_path);
        None
    }
}

impl Entry {
    fn moving() -> Self {
        Self { phase: Phase::Moving, queue: BTreeMap::new(), disk_token: 0, since: Instant::now(), turns: 0 }
    }

    fn queue_up(&mut self, ticket: &Arc<Ticket>) {
        self.queue.insert(queue_key(ticket), ticket.clone());
        ticket.expect_within(Duration::ZERO);
    }

    /// The first ticket in the queue that still waits.
    fn next(&mut self) -> Option<Arc<Ticket>> {
        while let Some((_, ticket)) = self.queue.pop_first() {
            if ticket.is_waiting() {
                return Some(ticket);
            }
        }
        None
    }
}

impl Table {
    /// Makes a lease of a lock file that was just taken.
    fn settle_in(&mut self, target: &Arc<Target>, sidecar: Sidecar, terms: &Terms, from: Option<Cause>) -> Hold {
        let entry = self.locks.entry(target.lock_path.clone()).or_insert_with(Entry::moving);
        entry.disk_token = sidecar.token();
        entry.since = Instant::now();
        entry.turns = 0;
        entry.begin(sidecar, terms, from)
    }

    /// Removes a lock that nobody waits for. `false` when somebody does.
    fn leave_if_deserted(&mut self, lock_path: &Path) -> bool {
        let deserted = self.locks.get_mut(lock_path).is_none_or(|entry| {
            entry.queue.retain(|_, ticket| ticket.is_waiting());
            entry.queue.is_empty()
        });
        if deserted {
            self.locks.remove(lock_path);
        }
        deserted
    }
}

impl Entry {
    fn begin(&mut self, sidecar: Sidecar, terms: &Terms, from: Option<Cause>) -> Hold {
        let class = sidecar.target().class;
        let token = self.disk_token + self.turns;
        let lease = Arc::new(Lease::new(unique_id(), sidecar, token, terms, from));
        self.phase = Phase::Held(lease.clone());
        Post::of(class).heart.watch(lease.clone());
        Hold::new(lease)
    }

    /// Whether the next task of this process may have the lock file as it is.
    fn may_hand_over(&self, lease: &Lease) -> bool {
        let turns_left = self.turns + 1 < TOKEN_STRIDE;
        let greedy = self.turns + 1 >= TURNS || self.since.elapsed() >= TURN_TIME;
        turns_left && !(greedy && lease.has_foreign_interest())
    }
}

/// Releases one handle of a lease; the last one ends it.
pub(super) fn give_up(lease: &Arc<Lease>, done: Done) {
    let mut table = table();
    if lease.holds.fetch_sub(1, Ordering::AcqRel) > 1 {
        drop(table);
        return done(Ok(()));
    }
    let moved = table.move_on(lease, |lease| lease.end());
    drop(table);
    match moved {
        Some(moved) => moved.finish(lease, done),
        None => done(Ok(())),
    }
}

/// Takes a lease away from its holder and tells it.
pub(super) fn lose(lease: &Arc<Lease>, reason: LossReason) {
    let mut loss = None;
    let mut table = table();
    let moved = table.move_on_if(lease, reason.leaves_file(), |lease| {
        let (sidecar, told) = lease.lose(reason)?;
        loss = Some(told);
        Some(sidecar)
    });
    drop(table);
    if let Some(moved) = moved {
        moved.finish(lease, Box::new(|_| {}));
    }
    if let Some(loss) = loss {
        tell(&loss);
    }
}

/// What is left to do after a lease ended, outside the table's lock.
enum Moved {
    /// The next task of this process has it.
    HandedOver(Arc<Ticket>, Hold),
    /// The lock file is to be released, then the queue served.
    Release { sidecar: Sidecar, interest: bool },
    /// The lock file is not ours any more: only the queue is to be served.
    Gone(Sidecar),
}

impl Table {
    fn move_on(&mut self, lease: &Arc<Lease>, end: impl FnOnce(&Lease) -> Option<Sidecar>) -> Option<Moved> {
        self.move_on_if(lease, true, end)
    }

    fn move_on_if(
        &mut self,
        lease: &Arc<Lease>,
        leaves_file: bool,
        end: impl FnOnce(&Lease) -> Option<Sidecar>,
    ) -> Option<Moved> {
        let entry = self.locks.get_mut(&lease.target.lock_path)?;
        if !matches!(&entry.phase, Phase::Held(held) if Arc::ptr_eq(held, lease)) {
            return None;
        }
        let next = if leaves_file && entry.may_hand_over(lease) { entry.next() } else { None };
        let interest = leaves_file && !entry.queue.is_empty() && lease.has_foreign_interest();
        let mut sidecar = end(lease)?;
        Post::of(lease.target.class).heart.forget(lease.id);
        Some(match next {
            Some(ticket) => {
                sidecar.hand_over(&ticket.terms.claim, ticket.terms.keep_file);
                entry.turns += 1;
                let hold = entry.begin(sidecar, &ticket.terms, None);
                Moved::HandedOver(ticket, hold)
            }
            None => {
                entry.phase = Phase::Moving;
                if leaves_file { Moved::Release { sidecar, interest } } else { Moved::Gone(sidecar) }
            }
        })
    }
}

impl Moved {
    fn finish(self, lease: &Arc<Lease>, done: Done) {
        let target = lease.target.clone();
        match self {
            Self::HandedOver(ticket, hold) => {
                ticket.settle(Ok(hold));
                done(Ok(()));
            }
            Self::Release { sidecar, interest } => {
                let lease = lease.clone();
                let class = target.class;
                let release = move || {
                    let released = sidecar.release();
                    serve_queue(&target, if interest { COURTESY } else { Duration::ZERO });
                    done(match released {
                        Ok(standing) => {
                            if let Some(reason) = LossReason::seen(standing) {
                                tell(&lease.lost_before(reason));
                            }
                            Ok(())
                        }
                        Err(leftover) => Err(report(&lease, leftover)),
                    });
                };
                match class {
                    FsClass::Local => release(),
                    remote @ FsClass::Remote { .. } => Post::of(remote).hands.run(release),
                }
            }
            Self::Gone(sidecar) => {
                drop(sidecar);
                serve_queue(&target, Duration::ZERO);
                done(Ok(()));
            }
        }
    }
}

/// A lock file that could not be removed: tells, and keeps trying.
fn report(lease: &Lease, leftover: Leftover) -> LockError {
    let error = leftover_error(&leftover);
    let observer = table().observers.get(&lease.env).cloned();
    if let Some(observer) = observer {
        observer.not_removed(&error);
    }
    Post::of(lease.target.class).heart.clear_away(leftover);
    error
}

/// Tells the environment of a lease that it was lost.
fn tell(loss: &Arc<Loss>) {
    let observer = table().observers.get(&loss.env).cloned();
    if let Some(observer) = observer {
        observer.lost(loss);
    }
}

/// After the lock file was released: looks for those who queued up meanwhile.
fn serve_queue(target: &Arc<Target>, pause: Duration) {
    if !table().leave_if_deserted(&target.lock_path) {
        Post::of(target.class).lookout.contend(Contender::new(target.clone()), pause);
    }
}

/// Whether somebody in this process has waited for `lease` for a while.
pub(super) fn is_wanted(lease: &Lease) -> bool {
    let table = table();
    table.locks.get(&lease.target.lock_path).is_some_and(|entry| {
        entry.queue.values().any(|ticket| ticket.requested.elapsed() >= PATIENCE && ticket.is_waiting())
    })
}

/// Tells the environment of a lease that somebody waits for it.
pub(super) fn suspect(lease: &Lease) {
    let observer = table().observers.get(&lease.env).cloned();
    if let Some(observer) = observer {
        observer.suspected();
    }
}

/// Takes the lease with this number away after `grace`, unless it ends by itself before.
pub fn limit(lease: LeaseId, grace: Duration, reason: LossReason) {
    if let Some(lease) = find(lease)
        && let Some(at) = Instant::now().checked_add(grace)
    {
        lease.limit(at, reason);
        Post::of(lease.target.class).heart.hurry(lease.id, at);
    }
}

/// The terms of the first in the queue of `lock_path`, for a look on its behalf. `None` when nobody
/// waits any more: the lock is forgotten then.
pub(super) fn terms_of_next(lock_path: &Path) -> Option<Terms> {
    let mut table = table();
    if table.leave_if_deserted(lock_path) {
        return None;
    }
    table.locks.get(lock_path)?.queue.values().next().map(|ticket| ticket.terms.clone())
}

/// A look on behalf of a queue took the lock.
pub(super) fn taken(target: &Arc<Target>, sidecar: Sidecar, from: Option<Cause>) {
    let mut table = table();
    let next = table.locks.get_mut(&target.lock_path).and_then(Entry::next);
    let Some(ticket) = next.filter(|_| !ENDING.load(Ordering::Acquire)) else {
        drop(table);
        if let Err(leftover) = sidecar.release() {
            Post::of(target.class).heart.clear_away(leftover);
        }
        return serve_queue(target, Duration::ZERO);
    };
    let hold = table.settle_in(target, sidecar, &ticket.terms, from);
    drop(table);
    ticket.settle(Ok(hold));
}

/// A look on behalf of a queue failed: its first request fails with it, and the next one tries.
pub(super) fn failed(target: &Arc<Target>, error: LockError) {
    let next = table().locks.get_mut(&target.lock_path).and_then(Entry::next);
    if let Some(ticket) = next {
        ticket.settle(Err(error));
    }
}

/// Starts telling `observer` about the leases of `env`.
pub fn observe(env: EnvId, observer: Arc<dyn Observer>) {
    table().observers.insert(env, observer);
}

/// Ends an environment: its leases are released, its requests dropped.
pub fn close(env: EnvId) {
    let waiting: Vec<_> = {
        let mut table = table();
        table.observers.remove(&env);
        let queued = table.locks.values().flat_map(|entry| entry.queue.values());
        queued.filter(|ticket| ticket.terms.env == env).cloned().collect()
    };
    for ticket in waiting {
        ticket.cancel();
    }
    release_all(Some(env));
}

/// Takes away every lease of `env` (`None`: of all), and says how many there were. Their holders
/// are told as of any other loss.
pub fn release_all(env: Option<EnvId>) -> usize {
    let leases: Vec<_> = held().into_iter().filter(|lease| env.is_none_or(|env| lease.env == env)).collect();
    for lease in &leases {
        lose(lease, LossReason::Forced);
    }
    leases.len()
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
    held().into_iter().find(|held| held.id == lease)
}

/// As `release_at_exit`, when nothing can be acquired any more.
pub fn release_at_end() {
    ENDING.store(true, Ordering::Release);
    release_at_exit();
}

/// What an ending process does: removes the lock files of all leases that can be reached
/// without waiting for a thread that may never run again.
pub fn release_at_exit() {
    let Some(mut table) = TABLE.try_lock_for(Duration::from_millis(200)) else { return };
    let leases = table.get_or_insert_default().locks.drain();
    for (_, entry) in leases {
        // Remote file systems may hang, and nothing may hang an exit: the kernel frees those.
        if let Phase::Held(lease) = entry.phase
            && lease.target.class == FsClass::Local
            && let Some(sidecar) = lease.end_at_exit()
        {
            let _ = sidecar.release();
        }
    }
}
