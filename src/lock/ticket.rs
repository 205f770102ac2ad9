//! A request that waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::acquire::{owner_on_disk, timeout};
use super::error::LockError;
use super::inspect::Owner;
use super::lease::Hold;
use super::post::Post;
use super::registry::{Phase, table, unique_id};
use super::sync::{Mutex, OnceLock};
use super::sys::{FsClass, Instant};
use super::target::Target;
use super::terms::Terms;

/// How long a file system may take to resolve a path, however short the caller's patience is.
const RESOLUTION: Duration = Duration::from_secs(5);

/// Called once with the outcome of a request that had to wait, on any thread.
pub type Settle = Box<dyn FnOnce(Result<Hold, LockError>) + Send>;

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
    pub(super) path: PathBuf,
    /// What `path` led to, once that is known.
    pub(super) target: OnceLock<Target>,
    pub(super) terms: Terms,
    pub(super) requested: Instant,
    /// Taken by whoever settles the request: exactly one.
    settle: Mutex<Option<Settle>>,
}

impl Ticket {
    pub(super) fn new(path: &Path, terms: Terms, settle: Settle) -> Self {
        Self {
            sequence: unique_id(),
            path: path.to_owned(),
            target: OnceLock::new(),
            terms,
            requested: Instant::now(),
            settle: Mutex::new(Some(settle)),
        }
    }

    /// Its place in the queue: in the order of asking. One that does not wait joined when nobody waited, so it is in
    /// nobody's way, and the next look has to answer it.
    pub(super) fn place(&self) -> u64 {
        if self.is_at_once() { self.sequence } else { self.sequence | 1 << 63 }
    }

    pub(super) fn is_at_once(&self) -> bool {
        self.terms.is_at_once()
    }

    /// Bounds the time that the file system may take to say where the path leads. It is not counted
    /// against a caller that would not wait for the lock itself.
    pub(super) fn expect_resolution(self: &Arc<Self>) {
        self.expect_within(RESOLUTION);
    }

    /// Registers the deadline, which lies no earlier than `least` after the request.
    pub(super) fn expect_within(self: &Arc<Self>, least: Duration) {
        let limit = self.terms.timeout.map(|timeout| timeout.max(least));
        if let Some(deadline) = limit.and_then(|limit| self.requested.checked_add(limit)) {
            // Deadlines are kept by the local lookout, which never hangs.
            Post::of(FsClass::Local).lookout.expect(deadline, self);
        }
    }

    /// Lets it expire soon, on the lookout's thread.
    pub(super) fn expire_soon(self: &Arc<Self>) {
        Post::of(FsClass::Local).lookout.expect(Instant::now(), self);
    }

    /// Delivers the outcome, unless somebody else has. An outcome that comes too late is dropped,
    /// which releases a lock in it.
    pub(super) fn settle(&self, outcome: Result<Hold, LockError>) {
        let settle = self.settle.lock().take();
        if let Some(settle) = settle {
            settle(outcome);
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
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
            Some(target) => {
                let ask = || match target.class() {
                    FsClass::Local => owner_on_disk(target),
                    // It may hang, and then no other deadline would be kept.
                    FsClass::Remote { .. } => Owner::unknown(),
                };
                timeout(target, &self.terms, owner.unwrap_or_else(ask))
            }
            None => {
                let target = Target::unresolved(&self.path);
                timeout(&target, &self.terms, Owner::unknown())
            }
        };
        settle(Err(error));
    }

    /// Leaves the queue; returns the owner of the lock it waited for, if that is known without another look.
    fn withdraw(&self) -> Option<Owner> {
        let target = self.target.get()?;
        let mut table = table();
        let entry = table.entry_mut(target)?;
        entry.queue.remove(self);
        if let Phase::Held(lease) = &entry.phase {
            return Some(lease.owner());
        }
        let owner = entry.queue.owner().cloned();
        drop(table);
        // If the lookout is busy with the lock file, it learns that perhaps nobody waits any more.
        Post::of(target.class()).lookout.revisit(target);
        owner
    }
}

/// What a request is answered.
#[cfg(test)]
pub(super) type Answers = std::sync::mpsc::Receiver<Result<Hold, LockError>>;

#[cfg(test)]
impl Ticket {
    /// A request for `target` that is yet to be made.
    pub(super) fn yet_to_ask(target: &Target, terms: Terms) -> (Arc<Self>, Answers) {
        let (sender, answers) = std::sync::mpsc::channel();
        let settle = Box::new(move |settled| drop(sender.send(settled)));
        (Arc::new(Self::new(target.path(), terms, settle)), answers)
    }
}
