//! The decision: given what was seen, whose lock is it?
//!
//! This is the whole judgement of the protocol in one pure function, so that it can be read,
//! tested and model-checked without a file system.

use std::time::{Duration, SystemTime};

use super::identity::{Distance, Identity};
use super::record::{Contents, JsRecord, NativeRecord};
use super::sys::{Life, OsLock, age};
use super::terms::{LEASE_DEFAULT, OwnPid, Recovery, Terms};

/// An unreadable record is believed to be in the making for this long at most.
pub(super) const UNREADABLE_GRACE: Duration = Duration::from_secs(30);

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

/// Why a lock that was not released may be taken all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its owner released it and kept the file.
    Released,
    /// Its native owner died: the kernel gave its lock back.
    OwnerDied,
    /// The machine was rebooted since.
    Rebooted,
    /// Its lease was watched without a beat until it expired.
    LeaseExpired,
    /// The recorded process does not exist.
    DeadPid,
    /// The recorded pid belongs to a younger process by now.
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
    /// Somebody owns it. `recheck` is when the answer can change without any event.
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
/// assert_eq!(verdict(&sighting, &Terms::default(), leasehold::lock::sys::process_life), Verdict::Adopt(Cause::DeadPid));
/// ```
#[must_use]
pub fn verdict(seen: &Sighting<'_>, terms: &Terms, life: impl Fn(u32) -> Life) -> Verdict {
    match seen.contents {
        Contents::Native(record) => native(seen, record, life),
        Contents::Js(record) => foreign(seen, terms, js_staleness(seen, terms, record, life)),
        Contents::Unreadable => foreign(seen, terms, unreadable_staleness(seen, terms)),
    }
}

/// The kernel lock decides, except where it cannot be shared between us and the owner.
fn native(seen: &Sighting<'_>, record: &NativeRecord, life: impl Fn(u32) -> Life) -> Verdict {
    let expired = seen.unmoved >= record.expiry();
    let until_expired = Verdict::Wait { recheck: Some(record.expiry().saturating_sub(seen.unmoved)) };
    if seen.os_lock == OsLock::Busy {
        // Whatever the record says: who releases a file that stays, or looks at a released one, may freeze too.
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

/// JS peers and unreadable files: their own rules say whether it is stale, and the operating-system
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
        // Its own date counts where it has one, however young the file is.
        return match record.created_at {
            Some(created) if age(seen.now, created) > terms.stale => Ok(Cause::TooOld),
            _ => unmoved_since(seen, terms, Cause::MissingPid),
        };
    };
    if let Some(cause) = owner_is_gone(pid, record.start, &life) {
        return Ok(cause);
    }
    if pid == seen.us.pid && terms.own_pid == OwnPid::Unclaimed {
        return Ok(Cause::OrphanSelfPid);
    }
    let Some(created) = record.created_at else {
        return unmoved_since(seen, terms, Cause::InvalidCreatedAt);
    };
    match terms.stale.checked_sub(age(seen.now, created)) {
        None => Ok(Cause::TooOld),
        Some(left) => Err(Some(left)),
    }
}

fn unreadable_staleness(seen: &Sighting<'_>, terms: &Terms) -> Result<Cause, Option<Duration>> {
    unmoved_since(seen, terms, Cause::MissingPid)
}

/// A file that says too little is in the making until it has not changed for a while, by its own
/// date or, where that lies (in the future, say), by our own watching.
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
mod tests {
    use super::*;
    use crate::lock::record::Claim;

    const NOW: Duration = Duration::from_hours(500_000);

    struct Case {
        os_lock: OsLock,
        contents: Contents,
        modified_ago: Duration,
        unmoved: Duration,
        terms: Terms,
        life: Life,
    }

    fn us() -> Identity {
        Identity {
            pid: 10,
            start: Some(5),
            host: "here".into(),
            machine_id: Some("machine".into()),
            boot_id: Some("boot".into()),
            pid_namespace: Some(1),
        }
    }

    fn native_record(change: impl FnOnce(&mut NativeRecord)) -> Contents {
        let claim = Claim { lease: LEASE_DEFAULT, max_hold: None, label: None };
        let owner = Identity { pid: 20, start: Some(6), ..us() };
        let mut record = NativeRecord::new(&owner, &claim, 1, true, SystemTime::UNIX_EPOCH + NOW);
        change(&mut record);
        Contents::Native(Box::new(record))
    }

    fn js_record(pid: u32, start: Option<u64>, age: Duration) -> Contents {
        let created_at = Some(SystemTime::UNIX_EPOCH + NOW - age);
        Contents::Js(JsRecord { pid: Some(pid), created_at, start, created_text: None })
    }

    impl Case {
        fn new(os_lock: OsLock, contents: Contents) -> Self {
            Self {
                os_lock,
                contents,
                modified_ago: Duration::ZERO,
                unmoved: Duration::ZERO,
                terms: Terms::default(),
                life: Life::Alive { start: Some(6) },
            }
        }

        fn judge(&self) -> Verdict {
            let sighting = Sighting {
                os_lock: self.os_lock,
                contents: &self.contents,
                modified: SystemTime::UNIX_EPOCH + NOW - self.modified_ago,
                unmoved: self.unmoved,
                now: SystemTime::UNIX_EPOCH + NOW,
                us: &us(),
            };
            verdict(&sighting, &self.terms, |_| self.life)
        }
    }

    fn waits(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Wait { .. })
    }

    #[test]
    fn a_free_kernel_lock_proves_a_native_owner_dead_across_pid_namespaces() {
        let died = Verdict::Adopt(Cause::OwnerDied);
        assert_eq!(Case::new(OsLock::Acquired, native_record(|_| {})).judge(), died);
        let elsewhere = native_record(|record| record.leasehold.pid_namespace = Some(2));
        assert_eq!(Case::new(OsLock::Acquired, elsewhere).judge(), died);
    }

    #[test]
    fn a_live_native_lease_is_never_stale_however_old() {
        let mut case =
            Case::new(OsLock::Busy, native_record(|record| record.created_at = "1970-01-01T00:00:00.000Z".into()));
        case.modified_ago = Duration::from_secs(1_000_000);
        case.unmoved = Duration::from_secs(33);
        assert!(waits(case.judge()));
    }

    #[test]
    fn a_frozen_native_owner_is_superseded_only_after_lease_and_two_beats() {
        let mut case = Case::new(OsLock::Busy, native_record(|_| {}));
        case.unmoved = Duration::from_millis(33_999);
        assert!(waits(case.judge()));
        case.unmoved = Duration::from_secs(34);
        assert_eq!(case.judge(), Verdict::Supersede(Cause::LeaseExpired));
    }

    #[test]
    fn another_hosts_free_lock_proves_nothing_until_its_lease_expired() {
        let there = native_record(|record| {
            record.leasehold.host = "there".into();
            record.leasehold.boot_id = Some("other".into());
        });
        let mut case = Case::new(OsLock::Acquired, there);
        assert!(waits(case.judge()));
        case.unmoved = Duration::from_secs(34);
        assert_eq!(case.judge(), Verdict::Supersede(Cause::LeaseExpired));
    }

    #[test]
    fn the_same_host_name_on_another_machine_is_another_host() {
        let twin = native_record(|record| {
            record.leasehold.machine_id = Some("twin".into());
            record.leasehold.boot_id = Some("other".into());
        });
        assert!(waits(Case::new(OsLock::Acquired, twin).judge()));
    }

    #[test]
    fn after_a_reboot_nobody_is_left() {
        let before = native_record(|record| record.leasehold.boot_id = Some("before".into()));
        assert_eq!(Case::new(OsLock::Acquired, before).judge(), Verdict::Adopt(Cause::Rebooted));
    }

    #[test]
    fn a_released_record_is_free() {
        let released = native_record(|record| record.leasehold.held = false);
        assert_eq!(Case::new(OsLock::Acquired, released).judge(), Verdict::Adopt(Cause::Released));
    }

    #[test]
    fn who_freezes_with_a_released_file_keeps_it_no_longer_than_a_lease() {
        let mut case = Case::new(OsLock::Busy, native_record(|record| record.leasehold.held = false));
        assert!(waits(case.judge()), "somebody releases it or looks at it this very moment");
        case.unmoved = Duration::from_secs(34);
        assert_eq!(case.judge(), Verdict::Supersede(Cause::LeaseExpired));
    }

    #[test]
    fn without_kernel_locks_the_pid_counts_at_home_and_the_lease_everywhere() {
        let mut case = Case::new(OsLock::Unsupported, native_record(|record| record.leasehold.os_lock = false));
        assert!(waits(case.judge()));
        case.life = Life::Alive { start: Some(7) };
        assert_eq!(case.judge(), Verdict::Adopt(Cause::OwnerDied), "a recycled pid");
        case.contents = native_record(|record| record.leasehold.pid_namespace = Some(2));
        case.life = Life::Dead;
        assert!(waits(case.judge()), "a pid of another namespace is never probed");
        case.unmoved = Duration::from_secs(34);
        assert_eq!(case.judge(), Verdict::Supersede(Cause::LeaseExpired));
    }

    #[test]
    fn a_js_lock_goes_by_javascripts_rules() {
        let young = Duration::from_secs(1);
        let judge = |contents, life| {
            let mut case = Case::new(OsLock::Acquired, contents);
            case.life = life;
            case.judge()
        };
        let alive = Life::Alive { start: Some(6) };
        assert!(waits(judge(js_record(20, Some(6), young), alive)));
        assert!(waits(judge(js_record(20, None, young), alive)), "no start time, so no proof of recycling");
        assert_eq!(judge(js_record(20, Some(4), young), alive), Verdict::Adopt(Cause::RecycledPid));
        assert_eq!(judge(js_record(20, Some(6), young), Life::Dead), Verdict::Adopt(Cause::DeadPid));
        assert_eq!(judge(js_record(20, Some(6), Duration::from_secs(31)), alive), Verdict::Adopt(Cause::TooOld));
    }

    #[test]
    fn our_own_pid_held_by_nobody_here_is_taken_at_once() {
        let mut case = Case::new(OsLock::Acquired, js_record(10, Some(6), Duration::from_secs(1)));
        assert_eq!(case.judge(), Verdict::Adopt(Cause::OrphanSelfPid));
        case.terms.own_pid = OwnPid::Claimed;
        assert!(waits(case.judge()), "OpenClaw's JavaScript in this process holds it");
        case.terms.own_pid = OwnPid::Unclaimed;
        for recovery in [Recovery::RemoveIfDefinitelyStale, Recovery::FailClosed] {
            case.terms.recovery = recovery;
            assert!(waits(case.judge()), "a process that lives is not certainly gone");
        }
    }

    #[test]
    fn without_a_pid_a_record_is_as_old_as_it_says() {
        let says = |age| {
            let created_at = Some(SystemTime::UNIX_EPOCH + NOW - age);
            Case::new(OsLock::Acquired, Contents::Js(JsRecord { created_at, ..JsRecord::default() }))
        };
        assert_eq!(says(Duration::from_secs(31)).judge(), Verdict::Adopt(Cause::TooOld));
        assert!(waits(says(Duration::from_secs(29)).judge()));
        let mut cautious = says(Duration::from_hours(1));
        cautious.terms.recovery = Recovery::RemoveIfDefinitelyStale;
        assert!(waits(cautious.judge()));
    }

    #[test]
    fn age_is_no_proof_for_a_cautious_caller() {
        let mut case = Case::new(OsLock::Acquired, js_record(20, Some(6), Duration::from_hours(1)));
        case.terms.recovery = Recovery::RemoveIfDefinitelyStale;
        assert!(waits(case.judge()));
        case.life = Life::Dead;
        assert_eq!(case.judge(), Verdict::Adopt(Cause::DeadPid));
        case.terms.recovery = Recovery::FailClosed;
        assert_eq!(case.judge(), Verdict::Refuse(Cause::DeadPid));
    }

    #[test]
    fn an_unreadable_record_is_held_while_it_is_young() {
        let mut case = Case::new(OsLock::Acquired, Contents::Unreadable);
        case.terms.stale = Duration::from_mins(30);
        case.modified_ago = Duration::from_secs(29);
        assert_eq!(case.judge(), Verdict::Wait { recheck: Some(Duration::from_secs(1)) });
        case.modified_ago = Duration::from_secs(30);
        assert_eq!(case.judge(), Verdict::Adopt(Cause::MissingPid));
        case.terms.stale = Duration::from_secs(5);
        case.modified_ago = Duration::from_secs(6);
        assert_eq!(case.judge(), Verdict::Adopt(Cause::MissingPid), "a shorter stale wins");
        case.modified_ago = Duration::ZERO;
        case.unmoved = Duration::from_secs(6);
        assert_eq!(case.judge(), Verdict::Adopt(Cause::MissingPid), "our own watching counts too");
    }

    #[test]
    fn a_busy_lock_on_a_js_record_is_somebody_looking() {
        let mut case = Case::new(OsLock::Busy, js_record(20, Some(4), Duration::ZERO));
        assert_eq!(case.judge(), Verdict::Wait { recheck: Some(Duration::from_millis(2)) });
        case.unmoved = Duration::from_secs(34);
        assert_eq!(case.judge(), Verdict::Supersede(Cause::RecycledPid), "somebody froze while looking");
        case.contents = js_record(20, Some(6), Duration::ZERO);
        assert!(waits(case.judge()), "the JS owner itself is alive");
    }
}
