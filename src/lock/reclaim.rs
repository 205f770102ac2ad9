//! Removing lock files that nobody will come back for, without wanting the lock.
//!
//! A lock file is removed by taking the lock and giving it up again, with the same exclusion as
//! anybody who wants it: there is no moment between the last look and the removal in which somebody
//! else could take it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::contender::{Contender, Look, Outcome};
use super::error::LockError;
use super::identity::Distance;
use super::lease::leftover_error;
use super::record::{Contents, JsRecord, NativeRecord, parse_iso};
use super::sidecar::Standing;
use super::sys::{self, Life, OsLock};
use super::target::Target;
use super::terms::{OwnPid, Recovery, Terms};
use super::verdict::{Cause, Sighting, UNREADABLE_GRACE, Verdict, owner_is_gone, predates, verdict};

/// How often a lock file that is busy or changing is looked at before it is left alone.
const TRIES: u32 = 16;
/// How long a look at a lock file, or a takeover, takes.
const MOMENT: Duration = Duration::from_millis(2);

/// What became of a lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaimed {
    /// There was none.
    Missing,
    /// It is gone.
    Removed,
    /// It stays: somebody has the lock, or may have it.
    Retained,
}

impl Reclaimed {
    /// OpenClaw's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Removed => "removed",
            Self::Retained => "retained",
        }
    }
}

/// Removes the lock file at `lock_path` if its owner is certainly gone. Its age proves nothing.
///
/// # Errors
///
/// [`LockError::InvalidPath`], [`LockError::NotRemoved`], or [`LockError::Io`] when it cannot be looked at.
///
/// # Examples
///
/// ```
/// use leasehold::lock::reclaim::{Reclaimed, reclaim_definitely_stale};
///
/// # let directory = tempfile::tempdir().unwrap();
/// let lock_path = directory.path().join("old.lock");
/// // No Linux pid is that large, so its owner is dead.
/// std::fs::write(&lock_path, r#"{"pid":4194305,"createdAt":"2026-11-23T00:00:00.000Z"}"#).unwrap();
/// assert_eq!(reclaim_definitely_stale(&lock_path).unwrap(), Reclaimed::Removed);
/// assert_eq!(reclaim_definitely_stale(&lock_path).unwrap(), Reclaimed::Missing);
/// ```
pub fn reclaim_definitely_stale(lock_path: &Path) -> Result<Reclaimed, LockError> {
    let terms = Terms { recovery: Recovery::RemoveIfDefinitelyStale, ..Terms::default() };
    let reclaimed = reclaim(&Arc::new(Target::of_lock_file(lock_path)?), |seen| {
        match verdict(seen, &terms, sys::process_life) {
            // A released lock file is nobody's, but was kept on purpose.
            Verdict::Adopt(cause) if cause != Cause::Released => Some(cause),
            _ => None,
        }
    });
    match reclaimed {
        Err(LockError::NotALockFile { .. }) => Ok(Reclaimed::Retained),
        reclaimed => reclaimed,
    }
}

/// Removes a lock file that `judge` calls abandoned. `judge` is asked again on each try.
fn reclaim(target: &Target, mut judge: impl FnMut(&Sighting<'_>) -> Option<Cause>) -> Result<Reclaimed, LockError> {
    let mut contender = Contender::new(target.clone());
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(MOMENT);
        }
        if !contender.open()? {
            return Ok(Reclaimed::Missing);
        }
        let Some((sighting, meta)) = contender.examine(None)? else { continue };
        let os_lock = sighting.os_lock;
        let is_native = matches!(sighting.contents, Contents::Native(_));
        let Some(cause) = judge(&sighting) else { return Ok(Reclaimed::Retained) };
        if os_lock == OsLock::Busy {
            if is_native {
                return Ok(Reclaimed::Retained);
            }
            // Somebody is looking at it at this moment.
            continue;
        }
        let terms = Terms::default();
        if let Outcome::Done(Look::Taken { sidecar, .. }) = contender.take(&terms, cause, os_lock, &meta)? {
            return match sidecar.release(&terms.claim).map(|given_up| given_up.standing) {
                Ok(Standing::Ours | Standing::Gone) => Ok(Reclaimed::Removed),
                Ok(Standing::Replaced) => Ok(Reclaimed::Retained),
                Err(leftover) => {
                    let error = leftover_error(&leftover);
                    leftover.clear_away();
                    Err(error)
                }
            };
        }
    }
    Ok(Reclaimed::Retained)
}

/// How a directory is to be swept.
#[derive(Clone, Debug)]
pub struct SweepTerms {
    /// From what age, in milliseconds, a JS peer's lock counts as stale although its process lives.
    pub stale_ms: f64,
    /// The time to judge by, in milliseconds since the epoch.
    pub now_ms: f64,
    /// Whether to remove what is stale, or only to report it.
    pub remove: bool,
    /// The names of lock files that OpenClaw's JavaScript may hold in this process; `None` when it may hold any.
    pub claimed: Option<Vec<String>>,
    /// When it was asked what it holds.
    pub asked: SystemTime,
}

/// A lock file as a sweep found it, by the rules of JS peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Swept {
    /// Its name.
    pub name: OsString,
    /// The recorded process.
    pub pid: Option<u32>,
    /// Whether it lives, as far as is known.
    pub pid_alive: bool,
    /// When its owner says it created the lock, in the owner's words.
    pub created_at: Option<String>,
    /// How long ago that was, in milliseconds.
    pub age_ms: Option<f64>,
    /// Why it counts as stale; empty when it does not.
    pub reasons: Vec<&'static str>,
    /// Whether it is gone.
    pub removed: bool,
}

/// Looks at every `*.jsonl.lock` in `directory`, in no particular order, and removes stale ones if `terms` say so.
///
/// A native peer's live lease is never stale. A JS peer's own rules decide about its lock, but one that says
/// too little may be in the making, and is kept for a while.
///
/// # Errors
///
/// [`LockError::Io`] when the directory exists but cannot be read.
pub fn sweep(directory: &Path, terms: &SweepTerms) -> Result<Vec<Swept>, LockError> {
    let io = |action, error| LockError::io(action, directory, error);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("read", error)),
    };
    let real = sys::real_path(directory).map_err(|error| io("resolve", error))?;
    let class = sys::fs_class(&real).map_err(|error| io("inspect", error))?;
    let mut swept = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| io("read", error))?.file_name();
        if name.as_encoded_bytes().ends_with(b".jsonl.lock") {
            let target = Arc::new(Target::guarded_by(&real, &name, class));
            swept.extend(sweep_one(&target, name, terms));
        }
    }
    Ok(swept)
}

/// `None` when it vanished before it could be looked at.
fn sweep_one(target: &Target, name: OsString, terms: &SweepTerms) -> Option<Swept> {
    // Regardless of case, which some file systems do not tell apart: to keep a stale one does no harm.
    let own_pid = match &terms.claimed {
        Some(claimed) if !claimed.iter().any(|claimed| name.eq_ignore_ascii_case(claimed)) => {
            OwnPid::Unlisted { asked: terms.asked }
        }
        _ => OwnPid::Claimed,
    };
    let mut report = None;
    let reclaimed = reclaim(target, |seen| {
        let found = judge(seen, terms, own_pid, sys::process_life);
        report = Some(found.report);
        found.removable.filter(|_| terms.remove)
    });
    match (report, reclaimed) {
        (Some(report), reclaimed) => {
            Some(Swept { name, removed: matches!(reclaimed, Ok(Reclaimed::Removed)), ..report })
        }
        (None, Ok(_)) => None,
        // Something that cannot be read, or is no file: it is reported, and left as it is.
        (None, Err(_)) => Some(Swept { name, ..reported(&JsRecord::default(), terms, &|_| Life::Dead) }),
    }
}

struct Found {
    report: Swept,
    /// Why it may be removed, if it may.
    removable: Option<Cause>,
}

fn judge(seen: &Sighting<'_>, terms: &SweepTerms, own_pid: OwnPid, life: impl Fn(u32) -> Life) -> Found {
    match seen.contents {
        Contents::Native(record) => judge_native(seen, record, terms, life),
        Contents::Js(record) => judge_js(seen, record, terms, own_pid, life),
        Contents::Unreadable => judge_js(seen, &JsRecord::default(), terms, own_pid, life),
    }
}

/// The kernel's lock decides, as for any other taker; the reasons are those that JS peers would name.
fn judge_native(seen: &Sighting<'_>, record: &NativeRecord, terms: &SweepTerms, life: impl Fn(u32) -> Life) -> Found {
    let is_here = seen.us.distance(record) == Distance::SameNamespace;
    let as_js = JsRecord {
        pid: Some(record.pid),
        created_at: parse_iso(&record.created_at),
        created_text: Some(record.created_at.clone()),
        start: record.starttime.filter(|_| is_here),
    };
    let there = |_| Life::Alive { start: None };
    let mut report = reported(&as_js, terms, if is_here { &life } else { &there });
    match verdict(seen, &Terms::default(), &life) {
        // Kept on purpose, or left behind: as stale as its date and its process make it.
        Verdict::Adopt(Cause::Released) => {
            let removable = (!report.reasons.is_empty()).then_some(Cause::TooOld);
            Found { report, removable }
        }
        Verdict::Adopt(cause) => {
            let is_told = report.reasons.iter().any(|reason| ["dead-pid", "recycled-pid"].contains(reason));
            if !is_told {
                report.reasons.insert(0, cause.name());
                report.pid_alive &= is_here;
            }
            Found { report, removable: Some(cause) }
        }
        Verdict::Supersede(_) | Verdict::Wait { .. } | Verdict::Refuse(_) => {
            report.reasons.clear();
            report.pid_alive = true;
            Found { report, removable: None }
        }
    }
}

fn judge_js(
    seen: &Sighting<'_>,
    record: &JsRecord,
    terms: &SweepTerms,
    own_pid: OwnPid,
    life: impl Fn(u32) -> Life,
) -> Found {
    let mut report = reported(record, terms, &life);
    let is_ours = record.pid == Some(seen.us.pid) && record.start.is_some() && record.start == seen.us.start;
    if is_ours && matches!(own_pid, OwnPid::Unlisted { asked } if predates(seen, asked)) {
        report.reasons.push(Cause::OrphanSelfPid.name());
    }
    let says_too_little =
        report.reasons.iter().all(|reason| [Cause::MissingPid.name(), Cause::InvalidCreatedAt.name()].contains(reason));
    let grace = terms.stale_ms.min(UNREADABLE_GRACE.as_secs_f64() * 1000.0);
    let is_young = terms.now_ms - epoch_ms(seen.modified) <= grace;
    let is_kept = report.reasons.is_empty() || (says_too_little && is_young);
    // Any cause but `Released` will do: we have the lock for a moment only.
    let removable = (!is_kept).then_some(Cause::TooOld);
    Found { report, removable }
}

/// What JS peers see in a record, and why they would call it stale.
fn reported(record: &JsRecord, terms: &SweepTerms, life: &dyn Fn(u32) -> Life) -> Swept {
    let gone = record.pid.map(|pid| owner_is_gone(pid, record.start, life));
    let age_ms = record.created_at.map(|created| (terms.now_ms - epoch_ms(created)).max(0.0));
    let about_pid = match gone {
        None => Some(Cause::MissingPid),
        Some(gone) => gone,
    };
    let about_age = match age_ms {
        None => Some(Cause::InvalidCreatedAt),
        Some(age) => (age > terms.stale_ms).then_some(Cause::TooOld),
    };
    Swept {
        name: OsString::new(),
        pid: record.pid,
        pid_alive: gone.is_some_and(|gone| gone != Some(Cause::DeadPid)),
        created_at: record.created_text.clone(),
        age_ms,
        reasons: about_pid.into_iter().chain(about_age).map(Cause::name).collect(),
        removed: false,
    }
}

fn epoch_ms(time: SystemTime) -> f64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64() * 1000.0,
        Err(before) => -before.duration().as_secs_f64() * 1000.0,
    }
}
