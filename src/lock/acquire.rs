//! Asking for a lock: the way from a path to a lease, a place in the queue or an error.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::contender::{Contender, Look};
use super::error::LockError;
use super::inspect::{self, Owner};
use super::lease::{Hold, Lease};
use super::post::Post;
use super::registry::{Entry, Phase, deliver, table};
use super::sync::{Condvar, Mutex, global};
use super::sys::{self, FsClass};
use super::target::Target;
use super::terms::{Sharing, Terms};
use super::ticket::{Acquired, Settle, Ticket};
use super::watchdog::PATIENCE;

global! {
    /// Requests for directories that are being resolved, in the order they were made.
    static RESOLVING: Mutex<Option<HashMap<PathBuf, Vec<Arc<Ticket>>>>> = Mutex::new(None);
}

/// Asks for the lock of `path`. Never waits: if the lock is not free now, `settle` gets the outcome.
///
/// # Errors
///
/// [`LockError`] when the request fails immediately; `settle` is then not called.
///
/// # Examples
///
/// ```
/// use leasehold::lock::{Terms, acquire_blocking};
///
/// # let directory = tempfile::tempdir().unwrap();
/// let path = directory.path().join("session.jsonl");
/// let hold = acquire_blocking(&path, Terms::default()).unwrap();
/// assert!(directory.path().join("session.jsonl.lock").exists());
/// drop(hold);
/// assert!(!directory.path().join("session.jsonl.lock").exists());
/// ```
pub fn acquire(path: &Path, terms: Terms, settle: Settle) -> Result<Acquired, LockError> {
    if let Some(target) = Target::recent(path) {
        return enter_now(&target, Ticket::new(path, terms, settle));
    }
    // Split now: the working directory may have changed by the time the path is resolved.
    let (parent, name) = &Target::split(path)?;
    let ticket = Ticket::new(&parent.join(name), terms, settle);
    // While a directory is being resolved, requests for it stay in order.
    let mut resolving = RESOLVING.lock();
    if let Some(waiting) = resolving.as_mut().and_then(|resolving| resolving.get_mut(parent)) {
        let ticket = Arc::new(ticket);
        waiting.push(ticket.clone());
        drop(resolving);
        ticket.expect_resolution();
        return Ok(Acquired::Later(ticket));
    }
    drop(resolving);
    if let Some(target) = Target::known(path, parent, name) {
        return enter_now(&target, ticket);
    }
    let ticket = Arc::new(ticket);
    resolve_elsewhere(parent, &ticket)?;
    ticket.expect_resolution();
    Ok(Acquired::Later(ticket))
}

fn enter_now(target: &Target, ticket: Ticket) -> Result<Acquired, LockError> {
    let ticket = Arc::new(ticket);
    Ok(match enter(target, &ticket)? {
        Some(hold) => Acquired::Now(hold),
        None => Acquired::Later(ticket),
    })
}

/// Asks for the lock of `path` and blocks this thread until it has the lock or the terms' timeout is over.
///
/// # Errors
///
/// Any [`LockError`].
pub fn acquire_blocking(path: &Path, terms: Terms) -> Result<Hold, LockError> {
    let reply = Arc::new(Reply::default());
    let promise = Promise(reply.clone());
    let settle = Box::new(move |settled| promise.0.outcome.lock().answer = Some(settled));
    match acquire(path, terms, settle)? {
        Acquired::Now(hold) => Ok(hold),
        Acquired::Later(_ticket) => {
            reply.wait().unwrap_or_else(|| Err(LockError::Cancelled { lock_path: path.into() }))
        }
    }
}

/// What a blocked thread waits for. (A std channel does far more, and is as large as this whole module.)
#[derive(Default)]
struct Reply {
    outcome: Mutex<Outcome>,
    is_final: Condvar,
}

#[derive(Default)]
struct Outcome {
    answer: Option<Result<Hold, LockError>>,
    is_final: bool,
}

impl Reply {
    /// Waits for the answer; `None` once nobody can give one any more.
    fn wait(&self) -> Option<Result<Hold, LockError>> {
        let mut outcome = self.outcome.lock();
        while !outcome.is_final {
            self.is_final.wait(&mut outcome);
        }
        outcome.answer.take()
    }
}

/// Ends the wait for a reply when dropped, whether it was kept or not.
struct Promise(Arc<Reply>);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.outcome.lock().is_final = true;
        self.0.is_final.notify_one();
    }
}

/// Resolves the first request for a directory on a thread of its own: touching a directory is the only
/// way to learn whether that hangs.
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

/// Serves the requests for `directory` one by one until none are left.
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
            match Target::resolve_with(&ticket.path, Some(ticket.terms.new_directories))
                .and_then(|target| enter(&target, &ticket))
            {
                Ok(Some(hold)) => ticket.settle(Ok(hold)),
                Ok(None) => {}
                Err(error) => ticket.settle(Err(error)),
            }
        }
    }
}

/// Enters a request for a resolved target: it joins a lease, takes the lock, queues or is refused.
pub(super) fn enter(target: &Target, ticket: &Arc<Ticket>) -> Result<Option<Hold>, LockError> {
    let terms = &ticket.terms;
    // A ticket is entered only once, so this cannot fail.
    let _ = ticket.target.set(target.clone());
    let at_once = ticket.is_at_once();
    {
        let mut table = table();
        let courtesy = if at_once { None } else { table.courtesy(target) };
        match table.locks.entry(target.clone()) {
            Vacant(vacancy) => {
                let entry = vacancy.insert(Entry::moving());
                if let Some(pause) = courtesy {
                    entry.queue_up(ticket);
                    drop(table);
                    Post::of(target.class()).lookout.contend(Contender::new(target.clone()), pause);
                    return Ok(None);
                }
            }
            Occupied(entry) => {
                let entry = entry.into_mut();
                if let Phase::Held(lease) = &entry.phase {
                    if joins(lease, terms) {
                        return Ok(Some(lease.share(terms)));
                    }
                    refuse_deadlock(lease, terms)?;
                    if at_once {
                        return Err(timeout(target, terms, lease.owner()));
                    }
                    Post::of(target.class()).heart.hurry(lease, ticket.requested + PATIENCE);
                } else if at_once && !entry.queue.is_empty() {
                    drop(table);
                    return Err(timeout(target, terms, owner_on_disk(target)));
                } else if at_once {
                    // Somebody has just released it or stopped waiting for it: one look will tell.
                    entry.queue.insert(ticket);
                    ticket.expect_resolution();
                    drop(table);
                    Post::of(target.class()).lookout.revisit(target);
                    return Ok(None);
                }
                entry.queue_up(ticket);
                return Ok(None);
            }
        }
    }
    let contender = Contender::new(target.clone());
    if target.class() != FsClass::Local && !at_once {
        if let Some(entry) = table().entry_mut(target) {
            entry.queue_up(ticket);
        }
        Post::of(target.class()).lookout.contend(contender, Duration::ZERO);
        return Ok(None);
    }
    first_look(contender, ticket)
}

/// The first look, made on the asking thread, which may find the lock free at once.
fn first_look(mut contender: Contender, ticket: &Arc<Ticket>) -> Result<Option<Hold>, LockError> {
    let target = contender.target().clone();
    let terms = &ticket.terms;
    let looked = contender.look(terms, None);
    let mut table = table();
    match looked {
        Ok(Look::Taken { sidecar, from }) => {
            let (hold, joined) = table.settle_in(&target, sidecar, terms, from);
            drop(table);
            deliver(joined);
            Ok(Some(hold))
        }
        Ok(Look::Held { .. }) if !ticket.is_at_once() => {
            if let Some(entry) = table.entry_mut(&target) {
                entry.queue_up(ticket);
            }
            drop(table);
            Post::of(target.class()).lookout.contend(contender, Duration::ZERO);
            Ok(None)
        }
        other => {
            let error = match other {
                Err(error) => error,
                Ok(_) => timeout(&target, terms, contender.owner()),
            };
            // Others may have queued up behind us meanwhile.
            if table.leave_if_deserted(&target) {
                return Err(error);
            }
            drop(table);
            Post::of(target.class()).lookout.contend(contender, Duration::ZERO);
            Err(error)
        }
    }
}

pub(super) fn joins(lease: &Lease, terms: &Terms) -> bool {
    match (&terms.claim.sharing, &lease.claim.sharing) {
        (Sharing::Nobody, _) => false,
        (Sharing::Process, Sharing::Process) => true,
        (Sharing::Owner(theirs), Sharing::Owner(ours)) if theirs == ours => true,
        _ => lease.is_around(&terms.chain),
    }
}

fn refuse_deadlock(lease: &Lease, terms: &Terms) -> Result<(), LockError> {
    let problem = if lease.is_around(&terms.chain) {
        "the call that holds it is waiting for this one"
    } else if terms.blocking && lease.envs().contains(&terms.env) {
        "it is held by a task of this thread, which could never finish while this call blocks the thread"
    } else {
        return Ok(());
    };
    Err(LockError::Deadlock { lock_path: lease.target.lock_path().into(), problem })
}

pub(super) fn timeout(target: &Target, terms: &Terms, owner: Owner) -> LockError {
    LockError::Timeout {
        api: terms.api,
        target: target.path().to_owned(),
        lock_path: target.lock_path().into(),
        timeout: terms.timeout.unwrap_or(Duration::MAX),
        owner: Box::new(owner),
    }
}

pub(super) fn owner_on_disk(target: &Target) -> Owner {
    inspect::inspect(target.path()).ok().and_then(|found| found.owner).unwrap_or_else(Owner::unknown)
}
