//! What can go wrong, in words a person can act on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::inspect::Owner;
use super::loss::Loss;
use super::sys::FileKind;
use super::terms::Api;
use super::verdict::Cause;

/// Why a lock could not be acquired, kept or released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The path cannot be locked, whatever is on disk.
    #[error("cannot lock {path:?}: {problem}", path = path.to_string_lossy())]
    InvalidPath {
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// Somebody held the lock for as long as the caller would wait.
    #[error("{}", timeout_text(*.api, target, lock_path, *.timeout, owner))]
    Timeout {
        /// Which function was called; it decides how the message begins.
        api: Api,
        /// The protected file.
        target: PathBuf,
        /// Its lock file.
        lock_path: Arc<Path>,
        /// How long the caller was willing to wait.
        timeout: Duration,
        /// Who held it when the time was up.
        owner: Box<Owner>,
    },

    /// The lock is stale, and the caller asked to be told instead of recovering it.
    #[error(
        "file lock stale for {}{evidence}: {} ({}); staleRecovery does not allow taking it over: remove {} once you \
         are sure that nobody uses it", target.display(), owner, cause.name(), lock_path.display()
    )]
    Stale {
        /// Which function was called.
        api: Api,
        /// The protected file.
        target: PathBuf,
        /// Its lock file.
        lock_path: Arc<Path>,
        /// Why it counts as stale.
        cause: Cause,
        /// The evidence for that, in OpenClaw's words; empty when there is no proof.
        evidence: Box<str>,
        /// Whose lock it is.
        owner: Box<Owner>,
    },

    /// Waiting could only end in a timeout, because the holder waits for the waiter.
    #[error(
        "file lock deadlock for {}: {problem}; release the outer lock first, or pass the outer handle along",
        lock_path.display()
    )]
    Deadlock {
        /// The lock file.
        lock_path: Arc<Path>,
        /// Who waits for whom.
        problem: &'static str,
    },

    /// Something other than a lock file stands at the lock path.
    #[error(
        "cannot use {} as a lock file: it is {found}, and was left as it is; remove it to make the lock usable",
        lock_path.display()
    )]
    NotALockFile {
        /// The lock path.
        lock_path: Arc<Path>,
        /// What is there.
        found: FileKind,
    },

    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The lock was taken away earlier.
    #[error(transparent)]
    Lost(#[from] Arc<Loss>),

    /// The handle was released earlier.
    #[error("lock already released: {}; this handle no longer guards anything", lock_path.display())]
    Released {
        /// The lock file.
        lock_path: Arc<Path>,
    },

    /// The lock was released, but its file is still there.
    #[error(
        "cannot remove {}: {source}; the lock itself is free, and the removal is tried again in the background",
        lock_path.display()
    )]
    NotRemoved {
        /// The lock file.
        lock_path: Arc<Path>,
        /// What the system said.
        source: io::Error,
    },

    /// The waiter gave up: its signal was aborted or its environment is ending.
    #[error("waiting for {} was cancelled", lock_path.display())]
    Cancelled {
        /// The lock file.
        lock_path: Arc<Path>,
    },
}

impl LockError {
    /// A [`LockError::Io`].
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Whether there was no room for a new file.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// The stable code of this kind of error; `None` for a [`LockError::Io`], whose code is the
    /// system's own (`EACCES` and so on).
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::InvalidPath { .. } => Some("ERR_INVALID_ARG_VALUE"),
            Self::Timeout { api: Api::File, .. } => Some("file_lock_timeout"),
            Self::Timeout { api: Api::Session, .. } => Some("OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT"),
            Self::Stale { api: Api::File, .. } => Some("file_lock_stale"),
            Self::Stale { api: Api::Session, .. } => Some("OPENCLAW_SESSION_WRITE_LOCK_STALE"),
            Self::Deadlock { .. } => Some("file_lock_deadlock"),
            Self::NotALockFile { .. } => Some("file_lock_not_a_file"),
            Self::Lost(_) => Some("file_lock_lost"),
            Self::Released { .. } => Some("file_lock_released"),
            Self::NotRemoved { .. } => Some("file_lock_not_removed"),
            Self::Cancelled { .. } => Some("file_lock_cancelled"),
            Self::Io { .. } => None,
        }
    }
}

fn timeout_text(api: Api, target: &Path, lock_path: &Path, timeout: Duration, owner: &Owner) -> String {
    let remedy = owner.remedy();
    match api {
        Api::File => {
            format!(
                "file lock timeout for {}: waited {} ms for {}, held by {owner}; {remedy}",
                target.display(),
                timeout.as_millis(),
                lock_path.display()
            )
        }
        Api::Session => format!(
            "session file locked (timeout {}ms): {} {}; held by {owner}; {remedy}",
            timeout.as_millis(),
            owner.short(),
            lock_path.display()
        ),
    }
}
