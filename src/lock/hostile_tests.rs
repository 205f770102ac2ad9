//! Whatever a lock file contains and whatever a path looks like, it is parsed into something sensible, judged with
//! care, and never causes a panic. `corpus/` holds lock files as somebody may leave them; inputs that once made a
//! generated test fail are kept in `proptest-regressions/`.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::identity::Identity;
use super::record::{Claim, Contents, JsRecord, MAX_LEN, NativeRecord, OwnRecord, iso, parse_iso};
use super::sys::{Life, OsLock};
use super::target::Target;
use super::terms::{LEASE_MIN, Recovery, Terms};
use super::verdict::{Sighting, Verdict, verdict};

fn a_date() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u64..253_402_300_800).prop_map(|seconds| iso(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))),
        Just("+275760-09-13T00:00:00.000Z".to_owned()),
        Just("9999-12-31T23:59:59.999Z".to_owned()),
        Just("-000001-01-01T00:00:00Z".to_owned()),
        "[0-9T:.Z+-]{0,30}",
        any::<String>(),
    ]
}

fn a_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u32>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        Just("1e999".to_owned()),
        Just("-0".to_owned()),
        Just("null".to_owned()),
        Just("{}".to_owned()),
    ]
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is plain data")
}

fn a_js_record() -> impl Strategy<Value = String> {
    (a_number(), a_date(), a_number()).prop_map(|(pid, date, start)| {
        format!("{{\"pid\":{pid},\"createdAt\":{},\"starttime\":{start}}}", quoted(&date))
    })
}

prop_compose! {
    fn a_native_record()(
        pid: u32,
        start: Option<u64>,
        host: String,
        ids: (Option<String>, Option<String>, Option<u64>),
        label: Option<String>,
        times: (u64, u64),
        token in 0_u64..=8_000_000_000_000_000_000,
        flags: (bool, bool),
        dates in (a_date(), a_date()),
    ) -> NativeRecord {
        let (machine_id, boot_id, pid_namespace) = ids;
        let (machine_id, boot_id) = (machine_id.map(Into::into), boot_id.map(Into::into));
        let owner = Identity { pid, start, host: host.into(), machine_id, boot_id, pid_namespace };
        let claim = Claim { lease: Duration::from_millis(1), label, ..Claim::default() }.into();
        let long_ago = SystemTime::UNIX_EPOCH;
        let mut record = NativeRecord::new(&owner, &OwnRecord::new(&claim, token, flags.0, long_ago), long_ago);
        record.leasehold.held = flags.1;
        (record.leasehold.lease_ms, record.leasehold.beat_ms) = times;
        (record.created_at, record.leasehold.acquired_at) = dates;
        record
    }
}

fn any_contents() -> impl Strategy<Value = Contents> {
    prop_oneof![
        Just(Contents::Unreadable),
        a_js_record().prop_map(|text| Contents::parse(text.as_bytes())),
        a_native_record().prop_map(|record| Contents::Native(Box::new(record))),
    ]
}

fn any_recovery() -> impl Strategy<Value = Recovery> {
    prop_oneof![Just(Recovery::RemoveIfUnchanged), Just(Recovery::RemoveIfDefinitelyStale), Just(Recovery::FailClosed)]
}

fn any_lock() -> impl Strategy<Value = OsLock> {
    prop_oneof![Just(OsLock::Acquired), Just(OsLock::Busy), Just(OsLock::Unsupported)]
}

fn any_life() -> impl Strategy<Value = Life> {
    prop_oneof![Just(Life::Dead), any::<Option<u64>>().prop_map(|start| Life::Alive { start })]
}

fn any_time() -> impl Strategy<Value = SystemTime> {
    any::<(bool, u32)>().prop_map(|(later, seconds)| {
        let since = Duration::from_secs(u64::from(seconds) * 60);
        let time = SystemTime::UNIX_EPOCH;
        // The clock of Windows begins in 1601.
        if later { time + since } else { time.checked_sub(since).unwrap_or(time) }
    })
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0_u64..100_000).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_secs)
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_something(bytes: Vec<u8>) {
        let _ = Contents::parse(&bytes);
    }

    #[test]
    fn a_js_record_has_a_pid_that_can_exist_or_none(text in a_js_record()) {
        if let Contents::Js(JsRecord { pid, .. }) = Contents::parse(text.as_bytes()) {
            prop_assert_ne!(pid, Some(0));
        }
    }

    #[test]
    fn a_native_record_reads_back_as_it_was_written(record in a_native_record(), padding in 0..MAX_LEN) {
        prop_assert_eq!(Contents::parse(&record.render(padding)), Contents::Native(Box::new(record)));
    }

    #[test]
    fn a_damaged_native_record_is_never_another_owners(
        record in a_native_record(),
        at: prop::sample::Index,
        by in prop::collection::vec(any::<u8>(), 0..40),
        cut: bool,
    ) {
        let mut bytes = record.render(0);
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        }
        let end = bytes.len().min(at + by.len());
        bytes.splice(at.min(end)..end, by);
        if let Contents::Native(read) = Contents::parse(&bytes) {
            prop_assert!(read.leasehold.token <= 8_000_000_000_000_000_000);
        }
    }

    #[test]
    fn a_verdict_keeps_to_the_rules(
        contents in any_contents(),
        os_lock in any_lock(),
        modified in any_time(),
        now in any_time(),
        unmoved in any_duration(),
        stale in any_duration(),
        recovery in any_recovery(),
        life in any_life(),
        at_home: bool,
    ) {
        let boot_id = match &contents {
            Contents::Native(record) if at_home => record.leasehold.boot_id.clone(),
            _ => Some("boot".into()),
        };
        let us = Identity {
            pid: 10,
            start: Some(5),
            host: "here".into(),
            machine_id: None,
            boot_id,
            pid_namespace: Some(1),
        };
        let terms = Terms { stale, recovery, ..Terms::default() };
        let sighting = Sighting { os_lock, contents: &contents, modified, unmoved, now, us: &us };
        let verdict = verdict(&sighting, &terms, |_| life);
        let takes = matches!(verdict, Verdict::Adopt(_) | Verdict::Supersede(_));
        prop_assert!(
            !(os_lock == OsLock::Busy && matches!(verdict, Verdict::Adopt(_))),
            "what others have locked is not adopted"
        );
        prop_assert!(
            !(matches!(verdict, Verdict::Supersede(_)) && unmoved < LEASE_MIN),
            "nothing is superseded that was not watched for the shortest lease"
        );
        if let Contents::Native(record) = &contents {
            let expired = unmoved >= record.expiry();
            prop_assert!(!(takes && os_lock == OsLock::Busy && !expired), "a live lease is left alone");
            prop_assert!(!matches!(verdict, Verdict::Refuse(_)));
        } else {
            prop_assert!(!(takes && recovery == Recovery::FailClosed), "fail-closed takes no JS lock");
        }
    }

    #[test]
    fn a_date_reads_back_as_it_was_written(milliseconds in 0_u64..253_402_300_800_000) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        prop_assert_eq!(iso(time).len(), 24);
        prop_assert_eq!(parse_iso(&iso(time)), Some(time));
    }

    #[test]
    fn every_time_has_a_date_of_the_same_length(seconds: u32, more: u64) {
        if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(Duration::new(more >> 8, seconds % 1_000_000_000)) {
            prop_assert_eq!(iso(time).len(), 24);
        }
    }

    #[test]
    fn any_text_is_a_date_or_not(text in a_date()) {
        let _ = parse_iso(&text);
    }

    #[test]
    fn a_path_is_split_into_what_leads_to_the_same_file(
        parts in prop::collection::vec(prop_oneof![Just("..".to_owned()), Just(".".to_owned()), "[^/]{0,8}"], 0..8),
        absolute: bool,
    ) {
        let path = PathBuf::from(format!("{}{}", if absolute { "/" } else { "" }, parts.join("/")));
        if let Ok((directory, name)) = Target::split(&path) {
            prop_assert!(directory.is_absolute());
            prop_assert!(!directory.join(&name).iter().any(|part| part == ".." || part == "."));
            prop_assert_eq!(Target::split(&directory.join(&name)).ok(), Some((directory, name)));
        }
    }
}

/// Files in the corpus are named for what they are: `js-…`, `native-…` or `unreadable-…`.
#[test]
fn every_file_of_the_corpus_is_what_its_name_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lock/corpus");
    let mut seen = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let kind = match Contents::parse(&std::fs::read(&path).unwrap()) {
            Contents::Native(_) => "native",
            Contents::Js(_) => "js",
            Contents::Unreadable => "unreadable",
        };
        assert_eq!(name.split('-').next(), Some(kind), "{name}");
        seen += 1;
    }
    assert!(seen >= 20, "the corpus is there");
}

#[test]
fn depth_costs_no_stack() {
    let depth = 100_000;
    let texts = [
        "[".repeat(depth),
        format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        format!("{}1{}", "{\"leasehold\":".repeat(depth), "}".repeat(depth)),
        format!("{{\"pid\":{}{}}}", "[".repeat(depth), "]".repeat(depth)),
    ];
    // As little stack as the background threads have.
    let parsed = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || texts.map(|text| Contents::parse(text.as_bytes())))
        .unwrap()
        .join()
        .unwrap();
    assert!(parsed.iter().all(|contents| *contents == Contents::Unreadable));
}
