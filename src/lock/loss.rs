//! A lease that was taken away: why, and how its holder is told.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::sidecar::Standing;
use super::terms::LeaseId;

/// A lease that was taken away, as its holder is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which lease.
    pub lease: LeaseId,
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
    /// Somebody put another lock file in its place: a native peer because the lease did not
    /// beat, or a JS peer because it thought the lock stale.
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
    /// The loss that a look at the lock file shows, if any.
    pub(super) fn seen(standing: Standing) -> Option<Self> {
        match standing {
            Standing::Ours => None,
            Standing::Gone => Some(Self::Removed),
            Standing::Replaced => Some(Self::Replaced),
        }
    }

    /// Its stable name.
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
            LossReason::UnhandledRejection => "a promise inside its work rejected, and nobody handled it",
            LossReason::Forced => "it was released by force",
        };
        write!(f, "lock lost: {}, held for {} ms", self.lock_path.display(), self.held_for.as_millis())?;
        if let Some(label) = &self.label {
            write!(f, " by {label:?}")?;
        }
        write!(f, ": {what}; stop writing, others may hold it now")
    }
}

impl std::error::Error for Loss {}
