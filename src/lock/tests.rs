//! The protocol between this process and lock files it does not control. Other processes are played
//! by descriptors of our own: flock and byte locks treat them as strangers.

#![expect(clippy::disallowed_methods, reason = "a stranger keeps to no rules")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use super::lease::Tended;
use super::loss::LossReason;
use super::record::{Claim, Contents, OwnRecord, TOKEN_STRIDE, beat_interval};
use super::sys::{self, Instant, OsLock};
use super::terms::{LEASE_MIN, Sharing};
use super::verdict::Cause;
use super::{Acquired, Hold, LockError, Terms, acquire, acquire_blocking, endings};

mod turns;
#[cfg(windows)]
mod windows;

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
    lock_path: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let real = sys::real_path(directory.path()).unwrap();
    Place { path: real.join("file"), lock_path: real.join("file.lock"), _directory: directory }
}

fn patient() -> Terms {
    Terms { timeout: Some(Duration::from_secs(30)), ..Terms::default() }
}

fn at_once() -> Terms {
    Terms { timeout: Some(Duration::ZERO), ..Terms::default() }
}

/// Creates a native peer's lock file with the shortest lease; returns the descriptor that holds its lock.
fn stranger(lock_path: &Path, token: u64) -> File {
    let claim = Claim { lease: LEASE_MIN, label: Some("stranger".into()), ..Claim::default() }.into();
    let record = OwnRecord::new(&claim, token, true, SystemTime::now()).renewed_at(SystemTime::now());
    fs::write(lock_path, record.render(0)).unwrap();
    let file = sys::open_lock_file(lock_path).unwrap();
    assert_eq!(sys::try_lock(&file).unwrap(), OsLock::Acquired);
    file
}

fn entries(place: &Place) -> usize {
    fs::read_dir(place.path.parent().unwrap()).unwrap().count()
}

fn disk_token(place: &Place) -> u64 {
    Contents::parse(&fs::read(&place.lock_path).unwrap()).token()
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks for the lock on this thread; the answer comes through a channel.
fn ask(path: &Path, terms: Terms) -> mpsc::Receiver<Result<Hold, LockError>> {
    let (sender, receiver) = mpsc::channel();
    let settle = sender.clone();
    match acquire(path, terms, Box::new(move |settled| settle.send(settled).unwrap())) {
        Ok(Acquired::Now(hold)) => sender.send(Ok(hold)).unwrap(),
        Ok(Acquired::Later(_)) => {}
        Err(error) => sender.send(Err(error)).unwrap(),
    }
    receiver
}

#[test]
fn a_hold_is_a_complete_file_and_its_end_leaves_nothing() {
    let place = place();
    let hold = acquire_blocking(&place.path, at_once_first(&place)).unwrap();
    eventually("the record says the token", || disk_token(&place) == hold.lease().token);
    hold.check().unwrap();
    drop(hold);
    assert_eq!(entries(&place), 0);
}

/// The first request for a directory resolves it on another thread, which takes a moment.
fn at_once_first(place: &Place) -> Terms {
    drop(acquire_blocking(&place.path, patient()).unwrap());
    at_once()
}

#[test]
fn tasks_follow_each_other_in_order_with_growing_tokens() {
    let place = place();
    let first = acquire_blocking(&place.path, patient()).unwrap();
    let mut last = first.lease().token;
    let answers: Vec<_> = (0..20).map(|_| ask(&place.path, patient())).collect();
    drop(first);
    for answer in answers {
        let hold = answer.recv().unwrap().unwrap();
        assert!(hold.lease().token > last);
        last = hold.lease().token;
    }
    assert_eq!(entries(&place), 0);
}

#[test]
fn a_timeout_says_who_was_in_the_way() {
    let place = place();
    let holder = Terms {
        claim: Claim { label: Some("importer".into()), ..(*Terms::default().claim).clone() }.into(),
        ..patient()
    };
    let _held = acquire_blocking(&place.path, holder).unwrap();
    let error = acquire_blocking(&place.path, at_once()).err().unwrap();
    let text = error.to_string();
    assert!(text.starts_with(&format!("file lock timeout for {}", place.path.display())), "{text}");
    assert!(text.contains("importer") && text.contains("this process"), "{text}");
    assert_eq!(error.code(), Some("file_lock_timeout"));
}

#[test]
fn a_dead_strangers_file_is_adopted_in_place_with_a_larger_token() {
    let place = place();
    let token = 7_000_000_000_000_000_000;
    drop(stranger(&place.lock_path, token));
    // Its record was longer than ours will be.
    let padded = [fs::read(&place.lock_path).unwrap(), b" ".repeat(500), b"\n".to_vec()].concat();
    fs::write(&place.lock_path, padded).unwrap();
    let before = sys::stat_path(&place.lock_path).unwrap();
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    assert_eq!(hold.lease().taken_from, Some(Cause::OwnerDied));
    assert!(hold.lease().token >= token + TOKEN_STRIDE);
    let after = sys::stat_path(&place.lock_path).unwrap();
    assert_eq!(before.id, after.id, "the name never disappears");
    assert!(after.len >= before.len, "nothing is truncated");
    assert_eq!(disk_token(&place), hold.lease().token, "and nothing of the old record shows");
    drop(hold);
    assert_eq!(entries(&place), 0);
}

#[test]
fn a_living_strangers_lock_is_left_alone() {
    let place = place();
    let stranger = stranger(&place.lock_path, 1);
    let quick = Terms { timeout: Some(Duration::from_millis(100)), ..patient() };
    assert!(matches!(acquire_blocking(&place.path, quick), Err(LockError::Timeout { .. })));
    assert_eq!(disk_token(&place), 1);
    drop(stranger);
}

#[test]
fn a_frozen_stranger_is_superseded_and_its_release_spares_the_successor() {
    let place = place();
    let frozen = stranger(&place.lock_path, 5);
    let before = sys::stat_path(&place.lock_path).unwrap().id;
    let asked = Instant::now();
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    assert!(asked.elapsed() >= LEASE_MIN, "never before its lease was watched to its end");
    assert_eq!(hold.lease().taken_from, Some(Cause::LeaseExpired));
    assert!(hold.lease().token > 5);
    assert_ne!(sys::stat_path(&place.lock_path).unwrap().id, before);
    if sys::LINKS_TELL {
        assert_eq!(sys::stat_file(&frozen).unwrap().links, 0, "the thawed holder can see what happened");
    }
    drop(frozen);
    hold.check().unwrap();
    drop(hold);
    assert_eq!(entries(&place), 0, "no private name stays behind");
}

#[test]
fn a_beating_stranger_is_never_superseded() {
    let place = place();
    let file = stranger(&place.lock_path, 5);
    let answer = ask(&place.path, Terms { timeout: Some(5 * LEASE_MIN), ..patient() });
    let outcome = loop {
        sys::touch(&file).unwrap();
        if let Ok(outcome) = answer.recv_timeout(LEASE_MIN / 8) {
            break outcome;
        }
    };
    assert!(matches!(outcome, Err(LockError::Timeout { .. })));
}

#[test]
fn who_freezes_inside_a_release_delays_and_endangers_nobody() {
    let place = place();
    let frozen = stranger(&place.lock_path, 5);
    assert_eq!(sys::try_guard(&frozen).unwrap(), OsLock::Acquired, "as a release does first");
    let quick = Terms { timeout: Some(4 * LEASE_MIN), ..patient() };
    assert!(matches!(acquire_blocking(&place.path, quick), Err(LockError::Timeout { .. })));
    sys::unlink(&place.lock_path).unwrap();
    drop(frozen);
    drop(acquire_blocking(&place.path, patient()).unwrap());
}

#[test]
fn who_freezes_with_a_released_file_delays_the_others_for_a_lease() {
    let place = place();
    let frozen = stranger(&place.lock_path, 5);
    let Contents::Native(mut released) = Contents::parse(&fs::read(&place.lock_path).unwrap()) else {
        panic!("a stranger is a native peer")
    };
    released.leasehold.held = false;
    sys::write_at(&frozen, &released.render(0), 0).unwrap();
    let keep = Terms { keep_file: true, ..patient() };
    let hold = acquire_blocking(&place.path, keep).unwrap();
    drop(frozen);
    hold.check().unwrap();
}

#[test]
fn a_release_waits_for_no_superseder_and_removes_nothing_of_its() {
    let place = place();
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    let superseder = sys::open_lock_file(&place.lock_path).unwrap();
    assert_eq!(sys::try_guard(&superseder).unwrap(), OsLock::Acquired);
    let (sender, receiver) = mpsc::channel();
    hold.release(move |released| sender.send(released).unwrap());
    receiver.recv().unwrap().unwrap();
    assert!(place.lock_path.exists());
    assert_eq!(sys::try_lock(&superseder).unwrap(), OsLock::Acquired, "the lock itself is free");
    drop(superseder);
    eventually("the removal is tried again", || !place.lock_path.exists());
}

#[test]
fn a_file_too_long_to_pad_is_replaced_whole() {
    let place = place();
    let long = File::create(&place.lock_path).unwrap();
    long.set_len(1 << 30).unwrap();
    long.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    assert!(sys::stat_path(&place.lock_path).unwrap().len < 4096);
    drop((hold, long));
    assert_eq!(entries(&place), 0);
}

#[test]
fn losing_the_name_is_noticed_and_told_once() {
    for (meddle, reason) in [
        (Box::new(|place: &Place| sys::unlink(&place.lock_path).unwrap()) as Box<dyn Fn(&Place)>, LossReason::Removed),
        (
            Box::new(|place: &Place| {
                sys::unlink(&place.lock_path).unwrap();
                fs::write(&place.lock_path, "{\"pid\":1}").unwrap();
            }),
            LossReason::Replaced,
        ),
        (
            Box::new(|place: &Place| {
                fs::rename(&place.lock_path, place.path.with_extension("aside")).unwrap();
                fs::write(&place.lock_path, "{\"pid\":1}").unwrap();
            }),
            LossReason::Replaced,
        ),
    ] {
        let place = place();
        let hold = acquire_blocking(&place.path, patient()).unwrap();
        meddle(&place);
        let Err(LockError::Lost(loss)) = hold.check() else { panic!("the loss was not noticed") };
        assert_eq!(loss.reason, reason);
        assert!(!hold.is_held());
        let there = place.lock_path.exists();
        drop(hold);
        assert_eq!(place.lock_path.exists(), there, "what replaced ours is not ours to remove");
    }
}

#[test]
fn a_loss_that_nobody_noticed_is_found_at_the_release() {
    for (aside, keep_file) in [(false, false), (true, false), (false, true)] {
        let place = place();
        let hold = acquire_blocking(&place.path, Terms { keep_file, ..patient() }).unwrap();
        if aside {
            // A beat would have noted which file is ours; here the holder's own check does.
            hold.check().unwrap();
            fs::rename(&place.lock_path, place.path.with_extension("aside")).unwrap();
        } else {
            sys::unlink(&place.lock_path).unwrap();
        }
        fs::write(&place.lock_path, "{\"pid\":1}").unwrap();
        hold.release(|released| released.unwrap());
        assert_eq!(hold.loss().map(|loss| loss.reason), Some(LossReason::Replaced));
        assert_eq!(fs::read(&place.lock_path).unwrap(), b"{\"pid\":1}", "what replaced ours is not ours to change");
    }
}

#[test]
fn a_release_leaves_alone_what_another_has_in_a_new_directory() {
    let place = place();
    let directory = place.path.parent().unwrap();
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    // Files that are open keep a directory's name on Windows.
    if fs::rename(directory, directory.with_extension("old")).is_err() {
        return;
    }
    fs::create_dir(directory).unwrap();
    let other = stranger(&place.lock_path, 1);
    hold.release(|released| released.unwrap());
    assert_eq!(hold.loss().map(|loss| loss.reason), Some(LossReason::Replaced));
    assert!(place.lock_path.exists(), "it is not ours to remove");
    drop(other);
    fs::remove_dir_all(directory.with_extension("old")).unwrap();
}

#[test]
fn a_kept_file_is_free_between_holds() {
    let place = place();
    let keep = Terms { keep_file: true, ..patient() };
    let first = acquire_blocking(&place.path, keep.clone()).unwrap();
    let (token, id) = (first.lease().token, sys::stat_path(&place.lock_path).unwrap().id);
    drop(first);
    assert!(place.lock_path.exists());
    let second = acquire_blocking(&place.path, Terms { timeout: Some(Duration::ZERO), ..keep }).unwrap();
    assert!(second.lease().token > token);
    assert_eq!(second.lease().taken_from, None, "it was released, not recovered");
    assert_eq!(sys::stat_path(&place.lock_path).unwrap().id, id);
}

#[test]
fn shared_leases_end_with_their_last_handle() {
    let place = place();
    let shared = Terms { claim: Claim { sharing: Sharing::Process, ..Claim::default() }.into(), ..patient() };
    let first = acquire_blocking(&place.path, shared.clone()).unwrap();
    let second = acquire_blocking(&place.path, Terms { timeout: Some(Duration::ZERO), ..shared }).unwrap();
    assert_eq!(first.lease().id, second.lease().id);
    drop(first);
    second.check().unwrap();
    drop(second);
    assert!(!place.lock_path.exists());
}

#[test]
fn the_watchdog_takes_a_lease_that_is_held_too_long() {
    let place = place();
    let claim = Claim { max_hold: Some(Duration::from_millis(50)), ..(*Terms::default().claim).clone() }.into();
    let stuck = acquire_blocking(&place.path, Terms { claim, ..patient() }).unwrap();
    let next = acquire_blocking(&place.path, patient()).unwrap();
    assert_eq!(stuck.loss().map(|loss| loss.reason), Some(LossReason::MaxHold));
    assert!(next.lease().token > stuck.lease().token);
    drop(stuck);
    next.check().unwrap();
}

#[test]
fn a_limit_puts_off_nothing_that_is_due_earlier() {
    let place = place();
    let claim = Claim { max_hold: Some(Duration::from_millis(50)), ..Claim::default() }.into();
    let hold = acquire_blocking(&place.path, Terms { claim, ..patient() }).unwrap();
    endings::limit(hold.lease().id, hold.id, Duration::from_hours(1), LossReason::Aborted);
    eventually("the watchdog takes it", || !hold.is_held());
    assert_eq!(hold.loss().map(|loss| loss.reason), Some(LossReason::MaxHold));
}

#[test]
fn a_cancelled_request_leaves_the_queue_to_the_others() {
    let place = place();
    let held = acquire_blocking(&place.path, patient()).unwrap();
    let Acquired::Later(ticket) = acquire(&place.path, patient(), Box::new(|_| panic!("it was cancelled"))).unwrap()
    else {
        panic!("it is held")
    };
    let next = ask(&place.path, patient());
    assert!(ticket.cancel());
    assert!(!ticket.cancel());
    drop(held);
    drop(next.recv().unwrap().unwrap());
    assert_eq!(entries(&place), 0);
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn what_each_of_ten_thousand_leases_has_is_small() {
    // In bytes. What only a few leases have is boxed.
    assert!(size_of::<super::lease::Lease>() <= 200);
    assert!(size_of::<super::registry::Entry>() <= 16);
    assert!(size_of::<super::Target>() <= 8);
}

#[test]
fn a_lease_beats_at_its_interval_however_often_it_is_looked_at() {
    let place = place();
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    let lease = hold.lease();
    let tend = |now| match lease.tend(now, None, 1) {
        Tended::Held { next_beat, .. } => next_beat,
        _ => panic!("it is held"),
    };
    let interval = beat_interval(lease.claim.lease);
    let next_beat = tend(lease.began + interval * 3 / 4);
    assert!(next_beat <= Instant::now() + interval, "a look puts no beat off");
    let later = lease.began + interval * 10;
    assert_eq!(tend(later), later + interval, "a beat that was due is done");
}

#[test]
fn a_lease_that_nobody_touches_is_looked_after_for_its_next_beat() {
    let place = place();
    let claim = Claim { lease: LEASE_MIN, ..Claim::default() }.into();
    let hold = acquire_blocking(&place.path, Terms { claim, ..patient() }).unwrap();
    let lease = hold.lease();
    let first = lease.due.get();
    assert!(first.is_some());
    eventually("it is looked after", || lease.due.get() != first);
    assert!(lease.due.get().unwrap() <= Instant::now() + beat_interval(LEASE_MIN));
}
