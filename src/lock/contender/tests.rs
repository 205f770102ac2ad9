use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::rivals::{AWAY, BRISK, DOUBLINGS, MET, MOST_DOUBLINGS, PRESENT, RACES, REST, SLOWER, STEP, STEPS};
use super::{Contender, Look, POLL};
use crate::lock::record::{Claim, OwnRecord};
use crate::lock::sys::{self, Instant, OsLock};
use crate::lock::target::Target;
use crate::lock::terms::{LEASE_MIN, Terms};

fn record(terms: &Terms, token: u64) -> Vec<u8> {
    OwnRecord::new(&terms.claim, token, true, SystemTime::now()).render(SystemTime::now(), 0)
}

/// Somebody else's lock file, in place of the one that is there.
fn winner(target: &Target, terms: &Terms) -> File {
    let path = target.lock_path();
    let _ = sys::unlink(path);
    fs::write(path, record(terms, 1)).unwrap();
    let file = sys::open_lock_file(path).unwrap();
    assert_eq!(sys::try_lock(&file).unwrap(), OsLock::Acquired);
    file
}

fn place() -> (tempfile::TempDir, Target) {
    let directory = tempfile::tempdir().unwrap();
    let real = sys::real_path(directory.path()).unwrap();
    let target = Target::unresolved(&real.join("file"));
    (directory, target)
}

/// A lock that others take from each other.
pub(in crate::lock) struct Contested {
    pub(in crate::lock) target: Target,
    terms: Terms,
    held: Vec<File>,
    _directory: tempfile::TempDir,
}

impl Contested {
    pub(in crate::lock) fn new() -> Self {
        let (directory, target) = place();
        let terms = Terms::default();
        Self { held: vec![winner(&target, &terms)], target, terms, _directory: directory }
    }

    /// `contender` sees it held, and loses the race when somebody else has it after `turn`. Returns for how long it
    /// then stays away, if it does.
    pub(in crate::lock) fn lose(&mut self, contender: &mut Contender, turn: Duration) -> Option<Duration> {
        let look = |contender: &mut Contender| {
            let Look::Held { again } = contender.look(&self.terms, None).unwrap() else { panic!("it is held") };
            contender.seen.is_none().then_some(again)
        };
        assert_eq!(look(contender), None, "it does not come back");
        std::thread::sleep(turn);
        self.held.push(winner(&self.target, &self.terms));
        contender.stir();
        look(contender)
    }
}

#[test]
fn who_loses_race_after_race_stays_away_for_a_moment_and_comes_back() {
    let (_directory, target) = place();
    let terms = Terms::default();
    let mut contender = Contender::new(target.clone());
    let mut look = |stirred: bool| {
        if stirred {
            contender.stir();
        }
        match contender.look(&terms, None).unwrap() {
            Look::Held { again } => (Some(again), contender.seen.is_some()),
            Look::Taken { .. } => (None, false),
        }
    };
    let mut placed = Instant::now();
    let mut held = winner(&target, &terms);
    let (mut times_away, mut longest) = (0, None);
    for race in 0_u32..200 {
        assert!(look(false).1, "race {race}: it does not come back");
        let seen = std::mem::replace(&mut placed, Instant::now());
        held = winner(&target, &terms);
        let (again, looks_at_it) = look(true);
        if race < RACES - 1 {
            assert!(looks_at_it, "race {race}: away already");
            // What the event announced has happened.
            assert!(again.is_some_and(|again| again >= POLL), "race {race}: looks again after {again:?}");
        } else if seen.elapsed() < BRISK {
            assert!(!looks_at_it, "race {race}: still there");
            assert!(
                again.is_some_and(|again| again <= Duration::from_micros(2 * AWAY) * (1 << MOST_DOUBLINGS)),
                "{again:?}"
            );
            times_away += 1;
            longest = longest.max(again);
        }
        if times_away == 1 + DOUBLINGS + SLOWER * (MOST_DOUBLINGS - DOUBLINGS) {
            break;
        }
    }
    assert!(longest >= Some(Duration::from_micros(AWAY) * (1 << MOST_DOUBLINGS)) || cfg!(windows), "{longest:?}");
    // Under wine no race is that short.
    assert!(times_away > 0 || cfg!(windows), "it was never away");
    assert!(look(false).1);
    // A lock that is held for long gives nobody much to do.
    std::thread::sleep(2 * BRISK);
    drop(std::mem::replace(&mut held, winner(&target, &terms)));
    assert!(look(true).1);
    sys::unlink(target.lock_path()).unwrap();
    drop(held);
    assert!(look(true).0.is_none(), "the lock is free");
}

#[test]
fn who_had_its_turn_in_a_crowd_leaves_the_next_ones_to_others() {
    let mut lock = Contested::new();
    let target = lock.target.clone();
    let new = || Contender::new(target.clone());
    let mut rest_after = |contender: &mut Contender, turn: Duration| {
        lock.lose(contender, turn);
        contender.rest()
    };
    let begun = Instant::now();
    let mut contender = new();
    assert_eq!(contender.rest(), None);
    let turn = 50 * BRISK;
    assert_eq!(rest_after(&mut contender, turn), None, "one turn is no crowd");
    let deadline = Instant::now() + Duration::from_secs(30);
    let rest = loop {
        assert!(Instant::now() < deadline, "one of so many is");
        std::thread::sleep(turn);
        if let Some(rest) = contender.rest() {
            break rest;
        }
    };
    let most = begun.elapsed().saturating_sub(turn * PRESENT) * 7 / 8;
    assert!(rest >= turn && rest <= most.min(REST), "{rest:?} of {most:?}");
    assert_eq!(rest_after(&mut new(), turn * (PRESENT + 2)), None, "however long a turn takes");

    let mut contender = new();
    let crowd = (0..200).find_map(|_| rest_after(&mut contender, Duration::ZERO));
    assert!(crowd.is_some(), "who loses race after race is in a crowd");
}

#[test]
fn who_expects_a_crowd_stays_away_from_its_first_lost_race_on() {
    let mut lock = Contested::new();
    let away = (0..200).find_map(|_| {
        let mut contender = Contender::new(lock.target.clone());
        contender.expect_crowd();
        let begun = Instant::now();
        let away = lock.lose(&mut contender, Duration::ZERO);
        (begun.elapsed() < BRISK).then(|| away.expect("it still looks at the file"))
    });
    let shortest = Duration::from_micros(AWAY) * (1 << (1 + MET - RACES));
    assert!(away.is_some_and(|away| away >= shortest && away <= 2 * shortest) || cfg!(windows), "{away:?}");
}

#[test]
fn who_has_waited_for_longer_looks_earlier() {
    let (_directory, target) = place();
    let terms = Terms::default();
    let look = |contender: &mut Contender| {
        let Look::Held { again } = contender.look(&terms, None).unwrap() else { panic!("it is held") };
        // What the last event announced has happened.
        assert!(again >= POLL, "looks again after {again:?}");
        // The pause is at most a small part of the time waited.
        std::thread::sleep(8 * STEP * STEPS);
        contender.stir()
    };
    let mut held = vec![winner(&target, &terms)];
    let [mut first, mut second] = [(); 2].map(|()| Contender::new(target.clone()));
    assert_eq!(look(&mut first), Duration::ZERO, "it is alone");
    let pauses = [(); RACES as usize].map(|()| {
        let pause = look(&mut second);
        held.push(winner(&target, &terms));
        pause
    });
    assert!(pauses.is_sorted_by(|earlier, later| earlier > later), "{pauses:?}");
    // Where the file stays, its token tells of the next owner.
    let pauses = [2, 3, 4].map(|token| {
        fs::write(target.lock_path(), record(&terms, token)).unwrap();
        look(&mut second)
    });
    assert!(pauses.is_sorted_by(|earlier, later| earlier > later), "{pauses:?}");
}

#[test]
fn a_beat_that_moves_no_date_of_the_file_is_seen_all_the_same() {
    let (_directory, target) = place();
    let terms = Terms::default();
    let _held = winner(&target, &terms);
    let path = target.lock_path();
    let date = |file: &File| file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    date(&sys::open_lock_file(path).unwrap());
    let mut contender = Contender::new(target.clone());
    let mut unmoved = || {
        assert!(matches!(contender.look(&terms, None).unwrap(), Look::Held { .. }));
        contender.seen.as_ref().map(|seen| seen.unmoved).unwrap()
    };
    unmoved();
    std::thread::sleep(Duration::from_millis(5));
    assert!(unmoved() > Duration::ZERO);
    // As on a file system whose times are whole seconds.
    fs::write(path, record(&terms, 1)).unwrap();
    date(&sys::open_lock_file(path).unwrap());
    assert_eq!(unmoved(), Duration::ZERO);
}

#[test]
fn a_gap_between_two_looks_is_no_proof_however_short_the_lease_is() {
    let (_directory, target) = place();
    let claim = Claim { lease: LEASE_MIN, ..Claim::default() }.into();
    let terms = Terms { claim, ..Terms::default() };
    let _held = winner(&target, &terms);
    let mut contender = Contender::new(target);
    for _ in 0..2 {
        // As if both processes had been stopped in between: nobody knows who went on first.
        assert!(matches!(contender.look(&terms, None).unwrap(), Look::Held { .. }));
        std::thread::sleep(2 * LEASE_MIN);
    }
    assert!(matches!(contender.look(&terms, None).unwrap(), Look::Held { .. }));
}

#[cfg(all(target_os = "linux", not(shuttle)))]
#[test]
fn a_file_that_is_opened_again_stays_watched() {
    let (_directory, target) = place();
    let terms = Terms::default();
    let _held = winner(&target, &terms);
    let watcher = sys::Watcher::new().unwrap();
    let mut contender = Contender::new(target.clone());
    assert!(matches!(contender.look(&terms, Some(&watcher)).unwrap(), Look::Held { .. }));
    // It seemed to have lost its name.
    contender.moved = contender.seen.take();
    assert!(matches!(contender.look(&terms, Some(&watcher)).unwrap(), Look::Held { .. }));
    assert!(contender.moved.is_none());
    // What our own looks have raised.
    for _ in 0..3 {
        watcher.wait(Some(Duration::ZERO), |_| {});
    }
    drop(sys::open_lock_file(target.lock_path()).unwrap());
    let mut touched = Vec::new();
    watcher.wait(Some(Duration::from_secs(20)), |watch| touched.push(watch));
    assert!(touched.contains(&contender.watch().unwrap()), "{touched:?}");
}
