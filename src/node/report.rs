//! What the engine reports, as plain objects from which `lib/` makes errors and events.

use std::path::Path;
use std::time::{Duration, SystemTime};

use napi_derive::napi;

use crate::json_store::StoreError;
use crate::lock::error::LockError;
use crate::lock::inspect::{Inspection, Owner};
use crate::lock::lease::Lease;
use crate::lock::loss::Loss;
use crate::lock::reclaim::Swept;
use crate::lock::record::{Contents, iso};
use crate::lock::sys;
use crate::lock::terms::Api;

/// The description of an error.
#[napi(object, object_from_js = false)]
pub struct Fault {
    /// Which class of error it becomes: `timeout`, `stale`, `deadlock`, `not-a-file`, `lost`, `io`, `invalid`, `json` or
    /// `other`.
    pub kind: &'static str,
    /// Its message.
    pub message: String,
    /// Its stable code; absent where `errno` determines it.
    pub code: Option<String>,
    /// The system's error number.
    pub errno: Option<i32>,
    /// What was tried, for system errors.
    pub syscall: Option<String>,
    /// The path concerned, for system errors.
    pub path: Option<String>,
    /// The lock file.
    pub lock_path: Option<String>,
    /// The protected file.
    pub target_path: Option<String>,
    /// Whether `acquireSessionWriteLock` asked.
    pub session: Option<bool>,
    /// How long the caller was ready to wait.
    pub timeout_ms: Option<f64>,
    /// Who held the lock.
    pub owner: Option<OwnerReport>,
    /// The owner in OpenClaw's words.
    pub owner_text: Option<String>,
    /// Why a lock is stale, or why a lease was lost.
    pub reason: Option<String>,
    /// The lost lease.
    pub loss: Option<LossReport>,
}

/// Who holds a lock.
#[napi(object, object_from_js = false)]
pub struct OwnerReport {
    /// The recorded process.
    pub pid: Option<u32>,
    /// Whether it lives; absent when that cannot be known.
    pub alive: Option<bool>,
    /// Where it lives.
    pub place: &'static str,
    /// When it took the lock.
    pub since: Option<String>,
    /// How long it has had it.
    pub age_ms: Option<f64>,
    /// Whether it is a leasehold process.
    pub native: bool,
    /// The label it gave its work.
    pub label: Option<String>,
    /// Its host name.
    pub host: Option<String>,
    /// Its fencing token.
    pub token: Option<napi::bindgen_prelude::BigInt>,
}

/// A lost lease.
#[napi(object, object_from_js = false)]
pub struct LossReport {
    /// Its number in this process.
    pub lease: f64,
    /// Why it was lost.
    pub reason: &'static str,
    /// Its lock file.
    pub lock_path: String,
    /// How long it was held.
    pub held_for_ms: f64,
    /// The label of its work.
    pub label: Option<String>,
    /// Its fencing token.
    pub token: napi::bindgen_prelude::BigInt,
    /// The message.
    pub message: String,
}

/// One lease of this process.
#[napi(object, object_from_js = false)]
pub struct HeldReport {
    /// Its number in this process.
    pub lease: f64,
    /// The lock file.
    pub lock_path: String,
    /// The protected file.
    pub target_path: String,
    /// The fencing token.
    pub token: napi::bindgen_prelude::BigInt,
    /// When it began.
    pub since: String,
    /// How long it has been held.
    pub held_for_ms: f64,
    /// The longest it may be held; absent for no limit.
    pub max_hold_ms: Option<f64>,
    /// The label of its work.
    pub label: Option<String>,
    /// How many handles share it.
    pub handles: u32,
    /// Whether it belongs to the calling environment (main thread or worker).
    pub in_this_thread: bool,
    /// Which function acquired it: one for a `file` or one for a `session`.
    pub kind: &'static str,
}

/// What is at a lock path.
#[napi(object, object_from_js = false)]
pub struct InspectionReport {
    /// The lock file.
    pub lock_path: String,
    /// The protected file.
    pub target_path: String,
    /// Whether there is a lock file.
    pub exists: bool,
    /// Whether its record says that somebody holds it.
    pub held: bool,
    /// Who, as far as the record tells.
    pub owner: Option<OwnerReport>,
    /// Whether an operating-system lock backs it; absent for other kinds of lock.
    pub os_lock: Option<bool>,
    /// When the lock file last changed.
    pub last_beat: Option<String>,
    /// How long ago that was.
    pub last_beat_age_ms: Option<f64>,
    /// How long its lease lasts without a beat; absent for other kinds of lock.
    pub lease_ms: Option<f64>,
    /// Whether it is on a network, FUSE or unknown file system.
    pub remote: bool,
}

/// A session lock file, as a sweep found it.
#[napi(object, object_from_js = false)]
pub struct SweptReport {
    /// Its name.
    pub name: String,
    /// The recorded process.
    pub pid: Option<u32>,
    /// Whether it lives.
    pub pid_alive: bool,
    /// When its owner says it created the lock.
    pub created_at: Option<String>,
    /// How long ago that was.
    pub age_ms: Option<f64>,
    /// Why it counts as stale.
    pub stale_reasons: Vec<&'static str>,
    /// Whether it is gone.
    pub removed: bool,
}

/// One of our numbers, for JavaScript.
#[expect(clippy::cast_precision_loss, reason = "they count from one")]
pub(super) fn js_number(id: u64) -> f64 {
    id as f64
}

/// One of our numbers that went to JavaScript and came back.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they were whole when they left")]
pub(super) fn number(id: f64) -> u64 {
    id as u64
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl From<&Owner> for OwnerReport {
    fn from(owner: &Owner) -> Self {
        Self {
            pid: owner.pid,
            alive: owner.alive,
            place: owner.place.name(),
            since: owner.since.map(iso),
            age_ms: owner.age.map(millis),
            native: owner.native,
            label: owner.label.clone(),
            host: owner.host.clone(),
            token: owner.token.map(Into::into),
        }
    }
}

impl From<&Loss> for LossReport {
    fn from(loss: &Loss) -> Self {
        Self {
            lease: js_number(loss.lease),
            reason: loss.reason.name(),
            lock_path: text(&loss.lock_path),
            held_for_ms: millis(loss.held_for),
            label: loss.label.clone(),
            token: loss.token.into(),
            message: loss.to_string(),
        }
    }
}

impl HeldReport {
    pub(super) fn new(lease: &Lease, env: u64) -> Self {
        Self {
            lease: js_number(lease.id),
            lock_path: text(lease.target.lock_path()),
            target_path: text(lease.target.path()),
            token: lease.token.into(),
            since: iso(lease.began_at()),
            held_for_ms: millis(lease.began.elapsed()),
            max_hold_ms: lease.claim.max_hold.map(millis),
            label: lease.claim.label.clone(),
            handles: lease.handles().try_into().unwrap_or(u32::MAX),
            in_this_thread: lease.envs().contains(&env),
            kind: match lease.api {
                Api::File => "file",
                Api::Session => "session",
            },
        }
    }
}

impl From<Swept> for SweptReport {
    fn from(swept: Swept) -> Self {
        Self {
            name: swept.name.to_string_lossy().into_owned(),
            pid: swept.pid,
            pid_alive: swept.pid_alive,
            created_at: swept.created_at,
            age_ms: swept.age_ms,
            stale_reasons: swept.reasons,
            removed: swept.removed,
        }
    }
}

impl From<&Inspection> for InspectionReport {
    fn from(seen: &Inspection) -> Self {
        let native = match &seen.contents {
            Some(Contents::Native(record)) => Some(record),
            _ => None,
        };
        let age = seen.modified.map(|modified| crate::lock::sys::age(SystemTime::now(), modified));
        Self {
            lock_path: text(seen.target.lock_path()),
            target_path: text(seen.target.path()),
            exists: seen.contents.is_some(),
            held: seen.owner.is_some(),
            owner: seen.owner.as_ref().map(Into::into),
            os_lock: native.map(|record| record.leasehold.os_lock),
            last_beat: seen.modified.map(iso),
            last_beat_age_ms: age.map(millis),
            lease_ms: native.map(|record| millis(record.lease())),
            remote: seen.is_remote(),
        }
    }
}

impl Fault {
    fn of(kind: &'static str, message: String, code: Option<&str>) -> Self {
        Self {
            kind,
            message,
            code: code.map(ToOwned::to_owned),
            errno: None,
            syscall: None,
            path: None,
            lock_path: None,
            target_path: None,
            session: None,
            timeout_ms: None,
            owner: None,
            owner_text: None,
            reason: None,
            loss: None,
        }
    }
}

impl From<&LockError> for Fault {
    fn from(error: &LockError) -> Self {
        let kind = match error {
            LockError::Timeout { .. } => "timeout",
            LockError::Stale { .. } => "stale",
            LockError::Deadlock { .. } => "deadlock",
            LockError::NotALockFile { .. } => "not-a-file",
            LockError::Lost(_) => "lost",
            LockError::Io { .. } => "io",
            LockError::InvalidPath { .. } => "invalid",
            LockError::Released { .. } | LockError::NotRemoved { .. } | LockError::Cancelled { .. } => "other",
        };
        let mut fault = Self::of(kind, error.to_string(), error.code());
        match error {
            LockError::Timeout { api, target, lock_path, owner, .. }
            | LockError::Stale { api, target, lock_path, owner, .. } => {
                fault.lock_path = Some(text(lock_path));
                fault.target_path = Some(text(target));
                fault.session = Some(*api == Api::Session);
                fault.owner = Some((&**owner).into());
                fault.owner_text = Some(owner.short());
            }
            LockError::Lost(loss) => {
                fault.lock_path = Some(text(&loss.lock_path));
                fault.loss = Some((&**loss).into());
            }
            LockError::Io { path, .. } | LockError::InvalidPath { path, .. } => fault.path = Some(text(path)),
            LockError::Deadlock { lock_path, .. }
            | LockError::NotALockFile { lock_path, .. }
            | LockError::Released { lock_path }
            | LockError::NotRemoved { lock_path, .. }
            | LockError::Cancelled { lock_path } => fault.lock_path = Some(text(lock_path)),
        }
        match error {
            LockError::Timeout { timeout, .. } => fault.timeout_ms = Some(millis(*timeout)),
            LockError::Stale { cause, .. } => fault.reason = Some(cause.name().to_owned()),
            LockError::Lost(loss) => fault.reason = Some(loss.reason.name().to_owned()),
            LockError::Io { action, source, .. } => {
                fault.errno = sys::errno(source);
                fault.syscall = Some((*action).to_owned());
            }
            _ => {}
        }
        fault
    }
}

impl From<&StoreError> for Fault {
    fn from(error: &StoreError) -> Self {
        let (kind, path) = match error {
            StoreError::Lock(error) => return error.into(),
            StoreError::InvalidPath { path, .. } => ("invalid", path),
            StoreError::NotAFile { path, .. } | StoreError::TooLarge { path, .. } => ("json", path),
        };
        Self { path: Some(text(path)), ..Self::of(kind, error.to_string(), error.code()) }
    }
}
