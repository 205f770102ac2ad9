use super::*;
use crate::lock::contender::tests::Contested;
use crate::lock::{Terms, acquire, acquire_blocking};

#[test]
fn a_crowd_is_left_alone_once_and_not_for_long_by_whoever_has_little_time() {
    let (_directory, target) = Target::scratch("file");
    let mut rounds = Rounds::default();
    let in_a_minute = Instant::now() + Duration::from_mins(1);
    rounds.rests.push((target.clone(), in_a_minute));
    assert_eq!(rounds.rest(&Target::unresolved(&target.directory().join("other"))), None);
    assert_eq!(rounds.rest(&target), Some(in_a_minute));
    assert_eq!(rounds.rest(&target), None);

    let hold = acquire_blocking(target.path(), Terms::default()).unwrap();
    let terms = Terms { timeout: Some(Duration::from_secs(40)), ..Terms::default() };
    let waiting = acquire(target.path(), terms, Box::new(drop)).unwrap();
    // The directory may be resolved elsewhere first.
    let deadline = Instant::now() + Duration::from_secs(30);
    while registry::patience(&target).is_none() {
        assert!(Instant::now() < deadline, "it does not wait");
        std::thread::yield_now();
    }
    rounds.rests.push((target.clone(), in_a_minute));
    assert!(rounds.rest(&target).is_some_and(|until| until <= Instant::now() + Duration::from_secs(5)));
    drop((waiting, hold));
}

#[test]
fn who_has_left_a_crowd_alone_expects_to_meet_it_again() {
    let mut lock = Contested::new();
    let target = lock.target.clone();
    // A race may be a long one, which nobody stays away from. Under wine all are.
    let is_away = (0..200).any(|_| {
        let mut rounds = Rounds::default();
        rounds.rests.push((target.clone(), Instant::now() + Duration::from_mins(1)));
        rounds.accept(Message::Contend(Box::new(Contender::new(target.clone())), Instant::now()), None);
        let (mut contender, due) = rounds.contenders.remove(&target).unwrap();
        assert!(due > Instant::now() + Duration::from_secs(1), "it looks at once");
        lock.lose(&mut contender, Duration::ZERO).is_some()
    });
    assert!(is_away || cfg!(windows), "it does not stay away from the first race");
}
