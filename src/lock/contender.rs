//! Trying to get a lock file: look at it, judge it, take it or say when to look again.

mod rivals;
mod sight;
mod taking;
#[cfg(test)]
pub(super) mod tests;

use std::fs::File;
use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use rivals::Rivals;
pub use sight::Sight;

use super::draft::Draft;
use super::error::LockError;
use super::identity::Identity;
use super::inspect::{Owner, read_contents};
use super::record::Contents;
use super::sidecar::Sidecar;
use super::sys::{self, FileId, FileKind, FsClass, Instant, Meta, OsLock, WatchId, Watcher};
use super::target::Target;
use super::terms::Terms;
use super::verdict::{Cause, Sighting, Verdict, evidence, verdict};

/// The longest sleep of a waiter that is woken by events.
const BACKSTOP: Duration = Duration::from_millis(500);
/// How long it sleeps while the lock is held by a JS peer, whose death raises no event.
const JS_POLL: Duration = Duration::from_millis(100);
/// How long it sleeps where events are not available.
const POLL: Duration = Duration::from_millis(25);
/// How long it sleeps on file systems where a look is expensive.
const REMOTE_POLL: Duration = Duration::from_millis(100);
/// How much of a gap between two looks counts as watched at most: a longer gap means that this
/// process itself was stopped or asleep, and perhaps the holder with it.
const WATCHED_GAP: Duration = Duration::from_secs(1);
/// An event may arrive just before what it announces: look again after this long, then after twice as long,
/// and so on.
const SOON: Duration = Duration::from_micros(100);
/// How many such looks there are.
const BURST: u32 = 10;
/// How many times the file may change during a single look before the look is postponed.
const ROUNDS: usize = 16;

/// One process's attempt to get one lock file.
pub struct Contender {
    target: Target,
    draft: Option<Draft>,
    seen: Option<Seen>,
    /// The file seen before, which has lost the name. Closing it takes as long as taking a lock, and comes after that.
    moved: Option<Seen>,
    /// What others have seen before.
    earlier: Option<Sight>,
    last_token: u64,
    burst: u32,
    rivals: Rivals,
}

/// The lock file as of the last look. It stays open between looks: reopening it each time would
/// wake every other waiter each time.
struct Seen {
    file: File,
    id: FileId,
    modified: SystemTime,
    contents: Contents,
    unmoved: Duration,
    looked: Instant,
    watch: Option<WatchId>,
}

/// What a look found.
pub enum Look {
    /// The lock is ours. `from` says why it could be taken although nobody had released it.
    Taken {
        /// The lock file.
        sidecar: Sidecar,
        /// See above; `None` when nobody held it.
        from: Option<Cause>,
    },
    /// Somebody has it; look again after `again`, or at an event.
    Held {
        /// See above.
        again: Duration,
    },
}

/// The result of judging an existing lock file.
pub(super) enum Outcome {
    /// Taken, or not available now.
    Done(Look),
    /// The file has changed, or the name leads elsewhere by now: start over.
    Moved,
}

impl Contender {
    /// A contender for `target` that has not looked yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            draft: None,
            seen: None,
            moved: None,
            earlier: None,
            last_token: 0,
            burst: 0,
            rivals: Rivals::default(),
        }
    }

    /// The lock file contended for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The watch on the file last looked at.
    #[must_use]
    pub fn watch(&self) -> Option<WatchId> {
        self.seen.as_ref().and_then(|seen| seen.watch)
    }

    /// Reacts to an event on the lock file: the next looks follow each other quickly. Returns how long to wait before
    /// the first: the fewer races a waiter has lost, the longer it lets others go first.
    pub fn stir(&mut self) -> Duration {
        self.burst = BURST;
        self.rivals.stir(self.seen.as_ref().map_or(Duration::ZERO, Seen::unmoved_for))
    }

    /// What an event announced has happened, and somebody else has the lock: one more look is enough, in case that one
    /// is gone already. In a crowd most looks would be such.
    fn calm_down(&mut self) {
        self.burst = self.burst.min(1);
    }

    /// This process has left a crowd alone, see [`Self::rest`], and contends again.
    pub const fn expect_crowd(&mut self) {
        self.rivals.expect_crowd();
    }

    /// For how long this process leaves the lock to others after this turn, if a crowd waits for it.
    #[must_use]
    pub fn rest(&self) -> Option<Duration> {
        self.rivals.rest()
    }

    /// Whether other processes are known to be waiting, too.
    #[must_use]
    pub const fn has_rivals(&self) -> bool {
        self.rivals.are_known()
    }

    /// Who had the lock at the last look.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let nothing = Contents::Unreadable;
        Owner::of(self.seen.as_ref().map_or(&nothing, |seen| &seen.contents), SystemTime::now())
    }

    /// Looks once, and takes the lock if it is available. Does not wait.
    ///
    /// # Errors
    ///
    /// [`LockError::NotALockFile`], [`LockError::Stale`] or [`LockError::Io`].
    pub fn look(&mut self, terms: &Terms, watcher: Option<&Watcher>) -> Result<Look, LockError> {
        let looked = self.try_look(terms, watcher);
        match &looked {
            Ok(Look::Taken { .. }) => {}
            Ok(Look::Held { .. }) => self.close_moved(watcher),
            // After an error we keep neither a descriptor of the file nor a lock on it.
            Err(_) => self.forget(watcher),
        }
        match looked {
            // Somebody uses the file in a way that prevents even a look: treat it as held.
            Err(LockError::Io { source, .. }) if sys::is_transient(&source) => Ok(self.again(None)),
            looked => looked,
        }
    }

    fn try_look(&mut self, terms: &Terms, watcher: Option<&Watcher>) -> Result<Look, LockError> {
        for _ in 0..ROUNDS {
            if self.seen.is_none() && terms.keep_file {
                if let Some(sidecar) = self.retake(terms) {
                    return Ok(Look::Taken { sidecar, from: None });
                }
                // The file usually exists already: making a new one first would be wasted work.
                self.open()?;
            }
            if self.seen.is_none() {
                let published = self.publish(terms);
                if let Ok(Some(sidecar)) = published {
                    return Ok(Look::Taken { sidecar, from: None });
                }
                if let (Some(moved), Ok(None)) = (&self.moved, &published)
                    && let Some(again) = self.rivals.lose_file(moved.unmoved_for(), self.last_token)
                {
                    self.burst = 0;
                    return Ok(Look::Held { again });
                }
                // A full disk does not matter if the file exists already.
                let failure = published.err();
                if failure.as_ref().is_none_or(LockError::is_full) {
                    self.open()?;
                }
                if let (None, Some(error)) = (&self.seen, failure) {
                    return Err(error);
                }
            }
            if self.seen.is_some() {
                match self.judge(terms, watcher)? {
                    Outcome::Done(look) => return Ok(look),
                    Outcome::Moved => {
                        self.calm_down();
                        self.close_moved(watcher);
                        self.moved = self.seen.take();
                    }
                }
            }
        }
        Ok(Look::Held { again: Duration::from_millis(1) })
    }

    /// Drops the draft prepared for the moment the lock is free, to save its descriptor.
    pub fn slim_down(&mut self) {
        self.draft = None;
    }

    /// Closes the file last seen and the one before it, and stops watching them.
    pub fn forget(&mut self, watcher: Option<&Watcher>) {
        close(self.seen.take(), watcher);
        close(self.moved.take(), watcher);
    }

    /// Closes the file seen before. If it is the one now seen, it is watched as that.
    fn close_moved(&mut self, watcher: Option<&Watcher>) {
        let moved = self.moved.take();
        let is_seen_again = moved.as_ref().is_some_and(|moved| moved.watch == self.watch());
        close(moved, watcher.filter(|_| !is_seen_again));
    }

    /// Opens the lock file at the path; `false` when there is none.
    pub(super) fn open(&mut self) -> Result<bool, LockError> {
        self.seen = self.try_open()?;
        Ok(self.seen.is_some())
    }

    fn try_open(&self) -> Result<Option<Seen>, LockError> {
        let not_a_lock = |found| LockError::NotALockFile { lock_path: self.target.lock_path().into(), found };
        let file = match sys::open_lock_file(self.target.lock_path()) {
            Ok(file) => file,
            Err(error) => {
                return match sys::stat_path(self.target.lock_path()) {
                    Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(None),
                    Ok(meta) if meta.kind != FileKind::Regular => Err(not_a_lock(meta.kind)),
                    _ if error.kind() == ErrorKind::NotFound => Ok(None),
                    _ => Err(self.io("open", error)),
                };
            }
        };
        let meta = sys::stat_file(&file).map_err(|error| self.io("inspect", error))?;
        if meta.kind != FileKind::Regular {
            return Err(not_a_lock(meta.kind));
        }
        Ok(Some(Seen {
            file,
            id: meta.id,
            modified: meta.modified,
            contents: Contents::Unreadable,
            unmoved: Duration::ZERO,
            looked: Instant::now(),
            watch: None,
        }))
    }

    /// Looks at the file that is open in `seen` and tries to get its operating-system lock. `None` when
    /// the path leads elsewhere by now.
    pub(super) fn examine(&mut self, watcher: Option<&Watcher>) -> Result<Option<(Sighting<'_>, Meta)>, LockError> {
        let target = self.target.clone();
        let io = |action, error| LockError::io(action, target.lock_path(), error);
        let Some(seen) = self.seen.as_mut() else { return Ok(None) };
        if seen.watch.is_none() {
            // Watch before looking, so that nothing goes unseen between the two.
            seen.watch = watcher.and_then(|watcher| watcher.watch(&seen.file));
        }
        let os_lock = sys::try_lock(&seen.file).map_err(|error| io("lock", error))?;
        let meta = match sys::stat_path(target.lock_path()) {
            Ok(meta) if meta.id == seen.id => meta,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("inspect", error)),
        };
        seen.look(&meta).map_err(|error| io("read", error))?;
        if let Some(earlier) = self.earlier.take() {
            seen.go_on_from(&earlier);
        }
        self.last_token = self.last_token.max(seen.contents.token());
        Ok(Some((seen.sighting(os_lock), meta)))
    }

    /// Looks at the file that is open in `seen` and acts on the verdict.
    fn judge(&mut self, terms: &Terms, watcher: Option<&Watcher>) -> Result<Outcome, LockError> {
        let target = self.target.clone();
        let io = |action, error| LockError::io(action, target.lock_path(), error);
        let before = self.last_token;
        let Some((sighting, meta)) = self.examine(watcher)? else { return Ok(Outcome::Moved) };
        let (os_lock, now) = (sighting.os_lock, sighting.now);
        let verdict = match verdict(&sighting, terms, sys::process_life) {
            Verdict::Adopt(cause) | Verdict::Supersede(cause) if terms.asks && cause != Cause::Released => {
                Verdict::Refuse(cause)
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Adopt(cause) => self.take(terms, cause, os_lock, &meta),
            Verdict::Supersede(cause) => self.supersede(terms, cause, os_lock, &meta),
            Verdict::Refuse(cause) => {
                let Some(seen) = self.seen.as_ref() else { return Ok(Outcome::Moved) };
                let owner = Box::new(Owner::of(&seen.contents, now));
                Err(LockError::Stale {
                    api: terms.api,
                    target: target.path().to_owned(),
                    lock_path: target.lock_path().into(),
                    cause,
                    evidence: evidence(cause, &seen.contents, sys::process_life),
                    owner,
                })
            }
            Verdict::Wait { recheck } => {
                let Some(seen) = self.seen.as_ref() else { return Ok(Outcome::Moved) };
                if os_lock == OsLock::Acquired {
                    sys::unlock(&seen.file).map_err(|error| io("unlock", error))?;
                } else if meta.accessed <= meta.modified {
                    // Show the holder that somebody waits. It is only a hint, so it may fail.
                    let _ = sys::mark(&seen.file);
                    self.rivals.mark(seen.id);
                    // It may have been released before the mark could be seen, and kept open, which wakes nobody.
                    if sys::try_lock(&seen.file).map_err(|error| io("lock", error))? == OsLock::Acquired {
                        return self.judge(terms, watcher);
                    }
                } else {
                    self.rivals.see_mark(seen.id);
                }
                // The same file has a new owner.
                if before > 0 && self.last_token > before {
                    self.calm_down();
                    self.rivals.lose();
                }
                Ok(Outcome::Done(self.again(recheck)))
            }
        }
    }

    fn again(&mut self, recheck: Option<Duration>) -> Look {
        let pace = match (self.target.class(), &self.seen) {
            (FsClass::Remote { .. }, _) => REMOTE_POLL,
            (FsClass::Local, Some(Seen { watch: Some(_), contents: Contents::Native(_), .. })) => BACKSTOP,
            (FsClass::Local, Some(Seen { watch: Some(_), .. })) => JS_POLL,
            (FsClass::Local, _) => POLL,
        };
        let mut again = recheck.map_or(pace, |recheck| recheck.min(pace)).max(Duration::from_millis(1));
        if self.burst > 0 {
            again = again.min(SOON * (1 << (BURST - self.burst)));
            self.burst -= 1;
        }
        Look::Held { again }
    }

    fn io(&self, action: &'static str, error: std::io::Error) -> LockError {
        LockError::io(action, self.target.lock_path(), error)
    }
}

fn close(seen: Option<Seen>, watcher: Option<&Watcher>) {
    if let (Some(watch), Some(watcher)) = (seen.and_then(|seen| seen.watch), watcher) {
        watcher.unwatch(watch);
    }
}

impl Seen {
    /// What was seen, with the answer to our own request for the operating-system lock.
    fn sighting(&self, os_lock: OsLock) -> Sighting<'_> {
        let Self { contents, modified, unmoved, .. } = self;
        let us = Identity::of_this_process();
        Sighting { os_lock, contents, modified: *modified, unmoved: *unmoved, now: SystemTime::now(), us }
    }

    /// How much of a gap between two looks counts as watched: a shorter lease needs more looks than one.
    fn longest_gap(&self) -> Duration {
        match &self.contents {
            Contents::Native(record) => WATCHED_GAP.min(record.expiry() / 4),
            _ => WATCHED_GAP,
        }
    }

    /// How long the file has not moved, as far as we have seen.
    fn unmoved_for(&self) -> Duration {
        self.unmoved + self.looked.elapsed()
    }

    /// Records what a look at the open file shows, and how long the file has not moved.
    fn look(&mut self, meta: &Meta) -> std::io::Result<()> {
        let now = Instant::now();
        let contents = read_contents(&self.file, meta)?;
        // Where a file system's times are coarse, only the record tells that its owner has beaten.
        if meta.modified == self.modified && contents == self.contents {
            self.unmoved += now.duration_since(self.looked).min(self.longest_gap());
        } else {
            self.unmoved = Duration::ZERO;
            self.modified = meta.modified;
        }
        self.looked = now;
        self.contents = contents;
        Ok(())
    }
}
