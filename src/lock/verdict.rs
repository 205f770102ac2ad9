//! The decision: given what was seen, whose lock is it?
//!
//! This is the whole judgement of the protocol in one pure function, so that it can be read,
//! tested and model-checked without a file system.

use std::time::{Duration, SystemTime};

use super::identity::{Distance, Identity};
use super::record::{Contents, JsRecord, NativeRecord};
use super::sys::{Life, OsLock, age};
use super::terms::{LEASE_DEFAULT, OwnPid, Recovery, Terms};

/// An unreadable record is taken for one in the making for this long at most.
pub(super) const UNREADABLE_GRACE: Duration = Duration::from_secs(30);

/// How long OpenClaw's JavaScript may take to list a lock once its file is written.
const LISTING: Duration = Duration::from_secs(2);
/// How long it may take to remove the file of a lock that it has struck off its list.
const LETTING_GO: Duration = Duration::from_secs(1);

/// Everything a verdict rests on.
#[derive(Clone, Debug)]
pub struct Sighting<'a> {
    /// The answer to our own request for the operating-system lock. `Acquired` means that we have
    /// it now, so nobody else did.
    pub os_lock: OsLock,
    /// What the lock file says.
    pub contents: &'a Contents,
    /// When the lock file last changed, by the file system's clock.
    pub modified: SystemTime,
    /// For how long we ourselves have watched it not change, by our own monotonic clock.
    pub unmoved: Duration,
    /// The wall clock.
    pub now: SystemTime,
    /// Who we are.
    pub us: &'a Identity,
}

/// Why a lock may be taken although its file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its owner released it and kept the file.
    Released,
    /// Its native owner died: the kernel released its lock.
    OwnerDied,
    /// The machine has been rebooted since.
    Rebooted,
    /// Its lease was watched without a beat until it expired.
    LeaseExpired,
    /// The recorded process does not exist.
    DeadPid,
    /// The recorded pid belongs to a younger process now.
    RecycledPid,
    /// It carries our own pid, and nobody here holds it.
    OrphanSelfPid,
    /// A JS peer's record is older than `stale`.
    TooOld,
    /// It names no process and has not changed for too long.
    MissingPid,
    /// It has no valid date and has not changed for too long.
    InvalidCreatedAt,
}

impl Cause {
    /// The name OpenClaw's reports use for it, or ours where they have none.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::OwnerDied => "owner-died",
            Self::Rebooted => "rebooted",
            Self::LeaseExpired => "lease-expired",
            Self::DeadPid => "dead-pid",
            Self::RecycledPid => "recycled-pid",
            Self::OrphanSelfPid => "orphan-self-pid",
            Self::TooOld => "too-old",
            Self::MissingPid => "missing-pid",
            Self::InvalidCreatedAt => "invalid-createdAt",
        }
    }

    /// Whether it proves that the recorded process is gone, rather than making it likely.
    #[must_use]
    pub fn is_definite(self) -> bool {
        !matches!(self, Self::OrphanSelfPid | Self::TooOld | Self::MissingPid | Self::InvalidCreatedAt)
    }
}

/// What proves that the owner is gone, as OpenClaw's errors put it; empty when nothing does.
#[must_use]
pub fn evidence(cause: Cause, contents: &Contents, life: impl Fn(u32) -> Life) -> Box<str> {
    let reason = match cause {
        Cause::DeadPid | Cause::OwnerDied => "owner-process-exited",
        Cause::RecycledPid => "owner-starttime-changed",
        _ => return "".into(),
    };
    let (pid, recorded) = match contents {
        Contents::Native(record) => (Some(record.pid), record.starttime),
        Contents::Js(record) => (record.pid, record.start),
        Contents::Unreadable => (None, None),
    };
    let Some(pid) = pid else { return "".into() };
    let observed = match life(pid) {
        Life::Alive { start } => start,
        Life::Dead => None,
    };
    let text = |start: Option<u64>| start.map_or("unknown".to_owned(), |start| start.to_string());
    format!(" [{reason} pid={pid} recorded-start={} observed-start={}]", text(recorded), text(observed)).into()
}

/// The judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody owns it and we have its operating-system lock (or there are none): write our record
    /// over the old one.
    Adopt(Cause),
    /// Its owner cannot act, but its operating-system lock is not ours to take: put a complete new
    /// file in its place.
    Supersede(Cause),
    /// Somebody owns it. `recheck` is how long until the answer can change without any event.
    Wait {
        /// See above; `None` when only an event or the backstop can tell.
        recheck: Option<Duration>,
    },
    /// It is stale, and the caller asked not to touch stale locks.
    Refuse(Cause),
}

/// Judges a sighting under the asker's terms.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use leasehold::lock::{Terms, identity::Identity, record::Contents, sys::OsLock};
/// use leasehold::lock::verdict::{Cause, Sighting, Verdict, verdict};
///
/// let contents = Contents::parse(br#"{"pid":4194305,"createdAt":"2026-11-23T00:00:00.000Z"}"#);
/// let sighting = Sighting {
///     os_lock: OsLock::Acquired,
///     contents: &contents,
///     modified: SystemTime::now(),
///     unmoved: Duration::ZERO,
///     now: SystemTime::now(),
///     us: Identity::of_this_process(),
/// };
/// // No Linux pid is that large, so its owner is dead.
/// let judged = verdict(&sighting, &Terms::default(), leasehold::lock::sys::process_life);
/// assert_eq!(judged, Verdict::Adopt(Cause::DeadPid));
/// ```
#[must_use]
pub fn verdict(seen: &Sighting<'_>, terms: &Terms, life: impl Fn(u32) -> Life) -> Verdict {
    match seen.contents {
        Contents::Native(record) => native(seen, record, life),
        Contents::Js(record) => foreign(seen, terms, js_staleness(seen, terms, record, life)),
        Contents::Unreadable => foreign(seen, terms, unreadable_staleness(seen, terms)),
    }
}

/// The kernel lock decides, except where we and the owner may not see the same one.
fn native(seen: &Sighting<'_>, record: &NativeRecord, life: impl Fn(u32) -> Life) -> Verdict {
    let expired = seen.unmoved >= record.expiry();
    // And now and then until then: a longer gap between two looks would not count as watched.
    let recheck = record.expiry().saturating_sub(seen.unmoved).min(record.expiry() / 4);
    let until_expired = Verdict::Wait { recheck: Some(recheck) };
    if seen.os_lock == OsLock::Busy {
        // Whatever the record says: a process may freeze releasing a file that stays, or looking at a released one.
        return if expired { Verdict::Supersede(Cause::LeaseExpired) } else { until_expired };
    }
    if !record.leasehold.held {
        return Verdict::Adopt(Cause::Released);
    }
    let distance = seen.us.distance(record);
    let lock_proves_death = seen.os_lock == OsLock::Acquired && record.leasehold.os_lock;
    match distance {
        Distance::EarlierBoot => Verdict::Adopt(Cause::Rebooted),
        Distance::SameNamespace | Distance::SameKernel if lock_proves_death => Verdict::Adopt(Cause::OwnerDied),
        Distance::SameNamespace if owner_is_gone(record.pid, record.starttime, &life).is_some() => {
            Verdict::Adopt(Cause::OwnerDied)
        }
        _ if expired => Verdict::Supersede(Cause::LeaseExpired),
        _ => until_expired,
    }
}

/// JS peers and unreadable files: the JS peers' rules say whether it is stale, and the operating-system
/// lock only keeps two native takers apart.
fn foreign(seen: &Sighting<'_>, terms: &Terms, staleness: Result<Cause, Option<Duration>>) -> Verdict {
    match staleness {
        Err(recheck) => Verdict::Wait { recheck },
        Ok(cause) => match (terms.recovery, seen.os_lock) {
            (Recovery::FailClosed | Recovery::RemoveIfDefinitelyStale, _) if !cause.is_definite() => {
                Verdict::Wait { recheck: None }
            }
            (Recovery::FailClosed, _) => Verdict::Refuse(cause),
            (_, OsLock::Acquired | OsLock::Unsupported) => Verdict::Adopt(cause),
            // A native peer is looking at it or taking it over this very moment, or froze doing so.
            (_, OsLock::Busy) if seen.unmoved >= LEASE_DEFAULT + Duration::from_secs(4) => Verdict::Supersede(cause),
            (_, OsLock::Busy) => Verdict::Wait { recheck: Some(Duration::from_millis(2)) },
        },
    }
}

/// Whether a JS peer's lock is stale, or when it may become so.
fn js_staleness(
    seen: &Sighting<'_>,
    terms: &Terms,
    record: &JsRecord,
    life: impl Fn(u32) -> Life,
) -> Result<Cause, Option<Duration>> {
    let Some(pid) = record.pid else {
        // Its own date counts if it has one, however young the file is.
        return match record.created_at {
            Some(created) if age(seen.now, created) > terms.stale => Ok(Cause::TooOld),
            _ => unmoved_since(seen, terms, Cause::MissingPid),
        };
    };
    if let Some(cause) = owner_is_gone(pid, record.start, &life) {
        return Ok(cause);
    }
    if pid == seen.us.pid {
        match terms.own_pid {
            OwnPid::Unclaimed => return Ok(Cause::OrphanSelfPid),
            OwnPid::Unlisted { asked } if predates(seen, asked) => {
                return match LETTING_GO.checked_sub(seen.unmoved) {
                    None | Some(Duration::ZERO) => Ok(Cause::OrphanSelfPid),
                    Some(left) => Err(Some(left)),
                };
            }
            OwnPid::Unlisted { .. } | OwnPid::Claimed => {}
        }
    }
    let Some(created) = record.created_at else {
        return unmoved_since(seen, terms, Cause::InvalidCreatedAt);
    };
    match terms.stale.checked_sub(age(seen.now, created)) {
        None => Ok(Cause::TooOld),
        Some(left) => Err(Some(left)),
    }
}

/// Whether a JS lock of this process was had long enough before JavaScript was asked for it to be listed then.
pub(super) fn predates(seen: &Sighting<'_>, asked: SystemTime) -> bool {
    age(asked, seen.modified) >= LISTING
}

fn unreadable_staleness(seen: &Sighting<'_>, terms: &Terms) -> Result<Cause, Option<Duration>> {
    unmoved_since(seen, terms, Cause::MissingPid)
}

/// A file that says too little counts as in the making until it has not changed for a while, by its own
/// date or, where that is wrong (in the future, say), by our own watching.
fn unmoved_since(seen: &Sighting<'_>, terms: &Terms, cause: Cause) -> Result<Cause, Option<Duration>> {
    let grace = terms.stale.min(UNREADABLE_GRACE);
    let unmoved = age(seen.now, seen.modified).max(seen.unmoved);
    match grace.checked_sub(unmoved) {
        None | Some(Duration::ZERO) => Ok(cause),
        Some(left) => Err(Some(left)),
    }
}

pub(super) fn owner_is_gone(pid: u32, start: Option<u64>, life: impl Fn(u32) -> Life) -> Option<Cause> {
    match life(pid) {
        Life::Dead => Some(Cause::DeadPid),
        Life::Alive { start: Some(now) } if start.is_some_and(|then| then != now) => Some(Cause::RecycledPid),
        Life::Alive { .. } => None,
    }
}

#[cfg(test)]
mod tests;
