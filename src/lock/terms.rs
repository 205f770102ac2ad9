//! What a caller asks for when it wants a lock.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::record::Claim;
use super::sys::NewDirectories;

/// The shortest lease a holder may ask for.
pub const LEASE_MIN: Duration = Duration::from_millis(200);
/// The longest lease a holder may ask for.
pub const LEASE_MAX: Duration = Duration::from_hours(1);
/// The lease if the caller does not say.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(30);
/// The longest hold if the caller does not say.
pub const MAX_HOLD_DEFAULT: Duration = Duration::from_mins(5);

/// An environment: one JavaScript main thread or worker.
pub type EnvId = u64;
/// One ownership.
pub type LeaseId = u64;
/// One handle on it.
pub type HoldId = u64;

/// One level of an async call chain: the lease that its work holds, and by which handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What the work holds.
    pub lease: LeaseId,
    /// Its own handle on that.
    pub hold: HoldId,
}

/// Which lock function asked. The two have different error texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `withFileLock`, `acquireFileLock` and their synchronous forms.
    File,
    /// `acquireSessionWriteLock`.
    Session,
}

/// What to do about a JS peer's lock that looks stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Take it over: its process is gone, or it is older than `stale`.
    #[default]
    RemoveIfUnchanged,
    /// Take it over only when its process is certainly gone; age alone proves nothing.
    RemoveIfDefinitelyStale,
    /// Never take it over; report it.
    FailClosed,
}

/// With whom a lease may be shared instead of queueing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// With its own async call chain only. All others but `Nobody` include that chain, too.
    #[default]
    Chain,
    /// With every caller in this process that names the same owner.
    Owner(Box<str>),
    /// With every session caller in this process that allows it.
    Process,
    /// With nobody at all.
    Nobody,
}

/// The terms of one request for a lock.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who asks.
    pub api: Api,
    /// How long to wait; `None` for as long as it takes, zero for not at all.
    pub timeout: Option<Duration>,
    /// How old a JS peer's record may grow.
    pub stale: Duration,
    /// What to do about a stale one.
    pub recovery: Recovery,
    /// Whether to refuse instead of taking over, so that the caller can be asked.
    pub asks: bool,
    /// Whether a JS record with our own pid is known to be held by OpenClaw's JavaScript here.
    pub own_pid: OwnPid,
    /// The async call chain that asks, innermost last.
    pub chain: Vec<Scope>,
    /// The environment that asks.
    pub env: EnvId,
    /// Whether the caller blocks its environment's thread while it waits.
    pub blocking: bool,
    /// Whether the lock file stays when the lock is given up.
    pub keep_file: bool,
    /// Who may use directories that are created for the lock.
    pub new_directories: NewDirectories,
    /// What the caller says about the lease that it wants.
    pub claim: Arc<Claim>,
}

/// What is known about a JS record that carries this process's own pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnPid {
    /// Nothing in this process locks with OpenClaw's JavaScript, so it can be taken at once.
    Unclaimed,
    /// OpenClaw's JavaScript did not say that it held it when it was asked. It says so a moment after it has the lock, and
    /// for the last time a moment before it removes the file.
    Unlisted {
        /// When it was asked.
        asked: SystemTime,
    },
    /// OpenClaw's JavaScript in this process holds it, or we cannot know (in a worker).
    Claimed,
}

impl Terms {
    /// Whether it waits for nobody, and only takes the lock if it is free.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        self.timeout == Some(Duration::ZERO)
    }
}

impl Default for Terms {
    /// What `acquireFileLock(path)` asks for.
    fn default() -> Self {
        Self {
            api: Api::File,
            timeout: Some(Duration::from_secs(10)),
            stale: Duration::from_secs(30),
            recovery: Recovery::default(),
            asks: false,
            own_pid: OwnPid::Unclaimed,
            chain: Vec::new(),
            env: 0,
            blocking: false,
            keep_file: false,
            new_directories: NewDirectories::default(),
            claim: Claim { max_hold: Some(MAX_HOLD_DEFAULT), ..Claim::default() }.into(),
        }
    }
}
