use super::*;
use crate::lock::contender::tests::Contested;
use crate::lock::{Terms, acquire, acquire_blocking};

#[test]
fn a_crowd_is_left_alone_once_and_not_for_long_by_whoever_has_little_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = sys::real_path(directory.path()).unwrap().join("file");
    let lock_path: Arc<Path> = path.with_extension("lock").into();
    let mut rounds = Rounds::default();
    let in_a_minute = Instant::now() + Duration::from_mins(1);
    rounds.rests.push((lock_path.clone(), in_a_minute));
    assert_eq!(rounds.rest(&path.with_extension("other")), None);
    assert_eq!(rounds.rest(&lock_path), Some(in_a_minute));
    assert_eq!(rounds.rest(&lock_path), None);

    let hold = acquire_blocking(&path, Terms::default()).unwrap();
    let terms = Terms { timeout: Some(Duration::from_secs(40)), ..Terms::default() };
    let waiting = acquire(&path, terms, Box::new(drop)).unwrap();
    let lock_path = hold.lease().target.lock_path.clone();
    // The directory may be resolved elsewhere first.
    let deadline = Instant::now() + Duration::from_secs(30);
    while registry::patience(&lock_path).is_none() {
        assert!(Instant::now() < deadline, "it does not wait");
        std::thread::yield_now();
    }
    rounds.rests.push((lock_path.clone(), in_a_minute));
    assert!(rounds.rest(&lock_path).is_some_and(|until| until <= Instant::now() + Duration::from_secs(5)));
    drop((waiting, hold));
}

#[test]
fn who_has_left_a_crowd_alone_expects_to_meet_it_again() {
    let mut lock = Contested::new();
    let lock_path = lock.target.lock_path.clone();
    // A race may be a long one, which nobody stays away from. Under wine all are.
    let is_away = (0..200).any(|_| {
        let mut rounds = Rounds::default();
        rounds.rests.push((lock_path.clone(), Instant::now() + Duration::from_mins(1)));
        rounds.accept(Message::Contend(Box::new(Contender::new(lock.target.clone())), Instant::now()), None);
        let (mut contender, due) = rounds.contenders.remove(&lock_path).unwrap();
        assert!(due > Instant::now() + Duration::from_secs(1), "it looks at once");
        lock.lose(&mut contender, Duration::ZERO).is_some()
    });
    assert!(is_away || cfg!(windows), "it does not stay away from the first race");
}
