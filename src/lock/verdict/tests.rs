use super::*;
use crate::lock::record::{Claim, OwnRecord};

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
    let claim = Claim::default().into();
    let owner = Identity { pid: 20, start: Some(6), ..us() };
    let now = SystemTime::UNIX_EPOCH + NOW;
    let mut record = NativeRecord::new(&owner, &OwnRecord::new(&claim, 1, true, now), now);
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
fn without_machine_ids_an_equal_host_name_proves_nothing() {
    let us = Identity { machine_id: None, ..us() };
    let theirs = native_record(|record| {
        record.leasehold.machine_id = None;
        record.leasehold.boot_id = Some("other".into());
    });
    let Contents::Native(record) = theirs else { panic!("it is a native record") };
    assert_eq!(us.distance(&record), Distance::OtherHost);
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
fn our_own_pid_that_javascript_does_not_list_is_taken_unless_it_comes_or_goes_just_now() {
    let mut case = Case::new(OsLock::Acquired, js_record(10, Some(6), Duration::from_secs(20)));
    let asked = SystemTime::UNIX_EPOCH + NOW - Duration::from_secs(10);
    case.terms.own_pid = OwnPid::Unlisted { asked };
    for (written_before, unmoved, verdict) in [
        (5, 5, Some(Verdict::Adopt(Cause::OrphanSelfPid))),
        (5, 0, None),  // it may be about to be removed
        (1, 5, None),  // it was not listed yet
        (-5, 5, None), // it was taken since
    ] {
        case.modified_ago = Duration::from_secs(u64::try_from(10 + written_before).unwrap());
        case.unmoved = Duration::from_secs(unmoved);
        let judged = case.judge();
        assert!(verdict.map_or(waits(judged), |verdict| judged == verdict), "{written_before} {unmoved}: {judged:?}");
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
