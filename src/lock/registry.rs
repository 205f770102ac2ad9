//! The process-wide table: who holds what, who waits for it, and who gets it next.
//!
//! Each lock is in one of two phases. `Held`: a lease of this process has it. `Moving`: one thread
//! is busy with the lock file (looking, waiting for another process, releasing), and whoever that
//! is serves the queue when it is done. The table's lock is never held during disk work, and is
//! always taken before a lease's own.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::acquire::{joins, timeout};
use super::contender::{Contender, Pace};
use super::error::LockError;
use super::inspect::Owner;
use super::lease::{Hold, Lease, leftover_error};
use super::loss::{Loss, LossReason};
use super::post::Post;
use super::sidecar::{Leftover, Sidecar};
use super::sync::{AtomicBool, MappedMutexGuard, Mutex, MutexGuard, global};
use super::sys::{self, FsClass, Instant};
use super::target::Target;
use super::terms::{Api, EnvId, HoldId, LeaseId, Sharing, Terms};
use super::ticket::Ticket;
use super::verdict::Cause;

/// How many tasks of this process may follow each other before another process that waits gets a
/// chance.
const TURNS: u64 = 64;
/// For how long they may.
const TURN_TIME: Duration = Duration::from_millis(100);
/// How long this process stands back for another one that waits: until that one has looked again.
const COURTESY: Duration = Duration::from_millis(if sys::EVENTS { 2 } else { 30 });

type Done = Box<dyn FnOnce(Result<(), LockError>) + Send>;
/// A lock for a request that waited for it.
type Delivery = (Arc<Ticket>, Hold);

/// Hands out locks, outside the table's lock.
pub(super) fn deliver(locks: Vec<Delivery>) {
    for (ticket, hold) in locks {
        ticket.settle(Ok(hold));
    }
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
pub(super) struct Table {
    pub(super) locks: HashMap<Arc<Path>, Entry>,
    observers: HashMap<EnvId, Arc<dyn Observer>>,
}

pub(super) struct Entry {
    pub(super) phase: Phase,
    /// By sequence; sequences are unique in the process.
    pub(super) queue: BTreeMap<u64, Arc<Ticket>>,
    /// Since when this process has had the lock file, and how many leases followed each other on it.
    since: Instant,
    turns: u64,
}

pub(super) enum Phase {
    Held(Arc<Lease>),
    Moving,
}

global! { static TABLE: Mutex<Option<Table>> = Mutex::new(None); }
global! {
    /// Set when the process is past the point where a new lease would be released again.
    static ENDING: AtomicBool = AtomicBool::new(false);
}
global! {
    /// How many session leases were held too long since the last `check_overdue`. Locked while one is taken away,
    /// and before the table.
    static OVERDUE: Mutex<usize> = Mutex::new(0);
}
static IDS: AtomicU64 = AtomicU64::new(1);

pub(super) fn table() -> MappedMutexGuard<'static, Table> {
    MutexGuard::map(TABLE.lock(), |table| table.get_or_insert_default())
}

/// A number that is unique in this process.
#[must_use]
pub fn unique_id() -> u64 {
    IDS.fetch_add(1, Ordering::Relaxed)
}

impl Entry {
    pub(super) fn moving() -> Self {
        Self { phase: Phase::Moving, queue: BTreeMap::new(), since: Instant::now(), turns: 0 }
    }

    pub(super) fn queue_up(&mut self, ticket: &Arc<Ticket>) {
        self.queue.insert(ticket.place(), ticket.clone());
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
    pub(super) fn settle_in(
        &mut self,
        target: &Arc<Target>,
        sidecar: Sidecar,
        terms: &Terms,
        from: Option<Cause>,
    ) -> (Hold, Vec<Delivery>) {
        let entry = self.locks.entry(target.lock_path.clone()).or_insert_with(Entry::moving);
        entry.since = Instant::now();
        entry.turns = 0;
        entry.begin(sidecar, terms, from)
    }

    /// Removes a lock that nobody waits for. `false` when somebody does.
    pub(super) fn leave_if_deserted(&mut self, lock_path: &Path) -> bool {
        let deserted = self.locks.get_mut(lock_path).is_none_or(|entry| {
            while let Some(first) = entry.queue.first_entry()
                && !first.get().is_waiting()
            {
                first.remove();
            }
            entry.queue.is_empty()
        });
        if deserted {
            self.locks.remove(lock_path);
        }
        deserted
    }
}

impl Entry {
    /// Makes a lease for whoever asked with `terms`, and for all in the queue who may share it.
    fn begin(&mut self, sidecar: Sidecar, terms: &Terms, from: Option<Cause>) -> (Hold, Vec<Delivery>) {
        let class = sidecar.target().class;
        let lease = Arc::new(Lease::new(unique_id(), sidecar, terms, from));
        self.phase = Phase::Held(lease.clone());
        Post::of(class).heart.watch(lease.clone());
        let hold = lease.share(terms);
        let joining = match lease.sharing {
            // Only a call made inside the work could join, and that has not begun.
            Sharing::Chain | Sharing::Nobody => Vec::new(),
            Sharing::Owner(_) | Sharing::Process => self
                .queue
                .extract_if(.., |_, ticket| joins(&lease, &ticket.terms))
                .map(|(_, ticket)| {
                    let shared = lease.share(&ticket.terms);
                    (ticket, shared)
                })
                .collect(),
        };
        (hold, joining)
    }

    /// Whether tasks of this process have had the lock file for so long that others should be asked.
    fn is_greedy(&self) -> bool {
        self.turns + 1 >= TURNS || self.since.elapsed() >= TURN_TIME
    }
}

/// Releases one handle of a lease; the last one ends it. Whether others go on holding it.
pub(super) fn give_up(lease: &Arc<Lease>, hold: HoldId, done: Done) -> bool {
    let mut table = table();
    if !lease.unshare(hold) {
        let goes_on = !lease.is_over();
        drop(table);
        // Those who are left may all be past their time.
        hurry_to_limit(lease);
        done(Ok(()));
        return goes_on;
    }
    let moved = table.move_on(lease, Lease::end);
    drop(table);
    match moved {
        Some(moved) => moved.finish(lease, done),
        None => done(Ok(())),
    }
    false
}

/// Takes a lease away from its holder and tells it.
pub(super) fn lose(lease: &Arc<Lease>, reason: LossReason) {
    let is_counted = reason == LossReason::MaxHold && lease.api == Api::Session;
    let mut overdue = is_counted.then(|| OVERDUE.lock());
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
        if let Some(overdue) = &mut overdue {
            **overdue += 1;
        }
        tell(lease, &loss);
    }
}

/// What is left to do after a lease ended, outside the table's lock.
enum Moved {
    /// The next task of this process has it.
    HandedOver(Vec<Delivery>),
    /// The lock file is to be released, then the queue served.
    Release(Sidecar),
    /// This process has had it for long: the next task may only have it if no other process waits.
    Yield(Sidecar),
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
        let may_hand_over = leaves_file && lease.has_tokens_left();
        let greedy = entry.is_greedy();
        let next = if may_hand_over && !greedy { entry.next() } else { None };
        let mut sidecar = end(lease)?;
        Post::of(lease.target.class).heart.forget(lease.id);
        Some(match next {
            Some(ticket) => {
                sidecar.hand_over(&ticket.terms.claim, ticket.terms.keep_file);
                entry.turns += 1;
                let (hold, mut locks) = entry.begin(sidecar, &ticket.terms, None);
                locks.insert(0, (ticket, hold));
                Moved::HandedOver(locks)
            }
            None => {
                entry.phase = Phase::Moving;
                match leaves_file {
                    true if may_hand_over && greedy && !entry.queue.is_empty() => Moved::Yield(sidecar),
                    true => Moved::Release(sidecar),
                    false => Moved::Gone(sidecar),
                }
            }
        })
    }
}

impl Moved {
    fn finish(self, lease: &Arc<Lease>, done: Done) {
        let target = lease.target.clone();
        match self {
            Self::HandedOver(locks) => {
                deliver(locks);
                done(Ok(()));
            }
            Self::Release(sidecar) => {
                let lease = lease.clone();
                where_it_may_take_time(target.class, move || release(&lease, sidecar, Duration::ZERO, done));
            }
            Self::Yield(sidecar) => {
                let lease = lease.clone();
                where_it_may_take_time(target.class, move || {
                    if sidecar.has_foreign_interest() {
                        release(&lease, sidecar, COURTESY, done);
                    } else {
                        carry_on(&target, sidecar);
                        done(Ok(()));
                    }
                });
            }
            Self::Gone(sidecar) => {
                drop(sidecar);
                serve_queue(&target, Duration::ZERO);
                done(Ok(()));
            }
        }
    }
}

/// Does something here and now, or on a thread of its own where the file system may hang.
fn where_it_may_take_time(class: FsClass, job: impl FnOnce() + Send + 'static) {
    match class {
        FsClass::Local => job(),
        remote @ FsClass::Remote { .. } => Post::of(remote).hands.run(job),
    }
}

/// Releases the lock file of a lease that ended, and serves the queue after `pause`.
fn release(lease: &Arc<Lease>, sidecar: Sidecar, pause: Duration, done: Done) {
    let released = sidecar.release();
    serve_queue(&lease.target, pause);
    done(match released {
        Ok(standing) => {
            if let Some(reason) = LossReason::seen(standing) {
                tell(lease, &lease.lost_before(reason));
            }
            Ok(())
        }
        // Somebody takes it over this very moment: it is theirs, or will be removed a little later.
        Err(leftover) if leftover.error.kind() == std::io::ErrorKind::ResourceBusy => {
            leftover.clear_away();
            Ok(())
        }
        Err(leftover) => Err(report(lease, leftover)),
    });
}

/// Nobody else waits: the next task of this process has the lock file, as after a fresh acquire.
fn carry_on(target: &Arc<Target>, mut sidecar: Sidecar) {
    let mut table = table();
    let next = table.locks.get_mut(&target.lock_path).and_then(Entry::next);
    match next {
        Some(ticket) => {
            sidecar.hand_over(&ticket.terms.claim, ticket.terms.keep_file);
            let (hold, mut locks) = table.settle_in(target, sidecar, &ticket.terms, None);
            drop(table);
            locks.insert(0, (ticket, hold));
            deliver(locks);
        }
        None => {
            drop(table);
            discard(target, sidecar);
        }
    }
}

/// Releases a lock file that nobody turned out to want.
fn discard(target: &Arc<Target>, sidecar: Sidecar) {
    if let Err(leftover) = sidecar.release() {
        leftover.clear_away();
    }
    serve_queue(target, Duration::ZERO);
}

/// A lock file that could not be removed: tells, and keeps trying.
fn report(lease: &Lease, leftover: Box<Leftover>) -> LockError {
    let error = leftover_error(&leftover);
    if let Some(observer) = observers(lease).first() {
        observer.not_removed(&error);
    }
    leftover.clear_away();
    error
}

/// Tells everybody who shares a lease that it was lost.
fn tell(lease: &Lease, loss: &Arc<Loss>) {
    for observer in observers(lease) {
        observer.lost(loss);
    }
}

/// The observers of all environments that share a lease.
fn observers(lease: &Lease) -> Vec<Arc<dyn Observer>> {
    let table = table();
    lease.envs().iter().filter_map(|env| table.observers.get(env).cloned()).collect()
}

/// After the lock file was released: looks for those who queued up meanwhile.
fn serve_queue(target: &Arc<Target>, pause: Duration) {
    if !table().leave_if_deserted(&target.lock_path) {
        Post::of(target.class).lookout.contend(Contender::new(target.clone(), Pace::Careful), pause);
    }
}

/// Since when somebody in this process has waited for `lease`.
pub(super) fn wanted_since(lease: &Lease) -> Option<Instant> {
    let table = table();
    let queue = &table.locks.get(&lease.target.lock_path)?.queue;
    queue.values().filter(|ticket| ticket.is_waiting()).map(|ticket| ticket.requested).min()
}

/// Tells the environment of a lease that somebody waits for it.
pub(super) fn suspect(lease: &Lease) {
    for observer in observers(lease) {
        observer.suspected();
    }
}

/// Gives the work that holds `lease` by `hold` no longer than `grace`: then the lease is taken away, unless
/// others share it whose time is not over.
pub fn limit(lease: LeaseId, hold: HoldId, grace: Duration, reason: LossReason) {
    if let Some(lease) = find(lease)
        && let Some(at) = Instant::now().checked_add(grace)
    {
        lease.limit(hold, at, reason);
        hurry_to_limit(&lease);
    }
}

fn hurry_to_limit(lease: &Lease) {
    if let Some((at, _)) = lease.work_limit() {
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
    let ending = ENDING.load(Ordering::Acquire);
    let Some(ticket) = next.filter(|_| !ending) else {
        drop(table);
        return if ending { drop(sidecar.release()) } else { discard(target, sidecar) };
    };
    let (hold, joined) = table.settle_in(target, sidecar, &ticket.terms, from);
    drop(table);
    ticket.settle(Ok(hold));
    deliver(joined);
}

/// A look on behalf of a queue found the lock held: who would not wait at all has to know.
pub(super) fn still_held(target: &Arc<Target>, owner: impl FnOnce() -> Owner) {
    let impatient = {
        let mut table = table();
        let Some(entry) = table.locks.get_mut(&target.lock_path) else { return };
        let first = entry.queue.first_entry().filter(|first| first.get().terms.timeout == Some(Duration::ZERO));
        first.map(std::collections::btree_map::OccupiedEntry::remove)
    };
    if let Some(ticket) = impatient {
        let error = timeout(target, &ticket.terms, owner());
        ticket.settle(Err(error));
    }
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
    for lease in held() {
        // What others share stays theirs.
        if lease.envs().contains(&env) && lease.desert(env) {
            lose(&lease, LossReason::Forced);
        }
    }
}

/// Takes away every lease of `env` (`None`: of all), and says how many there were. Their holders
/// are told as of any other loss.
#[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
pub fn release_all(env: Option<EnvId>) -> usize {
    let leases: Vec<_> = held().into_iter().filter(|lease| env.is_none_or(|env| lease.envs().contains(&env))).collect();
    for lease in &leases {
        lose(lease, LossReason::Forced);
    }
    leases.len()
}

/// Takes away every lease of `env` (`None`: of all) that functions of this kind acquired, and tells whoever waits
/// for such a lock that its time is over. For test suites, which must not see the locks of the last one.
pub fn reset(env: Option<EnvId>, api: Api) {
    let waiting: Vec<_> = {
        let table = table();
        let queued = table.locks.values().flat_map(|entry| entry.queue.values());
        queued
            .filter(|ticket| ticket.terms.api == api && env.is_none_or(|env| ticket.terms.env == env))
            .cloned()
            .collect()
    };
    for ticket in waiting {
        ticket.expire();
    }
    for lease in held() {
        if lease.api == api && env.is_none_or(|env| lease.envs().contains(&env)) {
            lose(&lease, LossReason::Forced);
        }
    }
    if api == Api::Session {
        *OVERDUE.lock() = 0;
    }
}

/// Takes away the session leases that are held for longer than they may be by `now`. How many the watchdog has taken
/// away since the last call, those included.
#[must_use]
pub fn check_overdue(now: SystemTime) -> usize {
    for lease in held() {
        let is_overdue = lease.max_hold.is_some_and(|limit| super::sys::age(now, lease.began_at) > limit);
        if lease.api == Api::Session && is_overdue {
            lose(&lease, LossReason::MaxHold);
        }
    }
    std::mem::take(&mut *OVERDUE.lock())
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
    table.get_or_insert_default().locks.retain(|_, entry| {
        // Nobody is served any more.
        entry.queue.clear();
        // Remote file systems may hang, and nothing may hang an exit: the kernel frees those.
        if let Phase::Held(lease) = &entry.phase
            && lease.target.class == FsClass::Local
            && let Some(sidecar) = lease.end_at_exit()
        {
            let _ = sidecar.release();
            return false;
        }
        // What another thread is busy with stays in its hands, and so must the entry: it would take that of
        // whoever came next for its own.
        true
    });
}
