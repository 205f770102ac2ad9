use super::*;
use crate::lock::{Terms, acquire, acquire_blocking};

#[test]
fn a_crowd_is_left_alone_once_and_not_for_long_by_whoever_has_little_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = sys::real_path(directory.path()).unwrap().join("file");
    let lock_path: Arc<Path> = path.with_extension("lock").into();
    let mut rounds = Rounds::default();
    let in_a_minute = Instant::now() + Duration::from_mins(1);
    rounds.rests.push((lock_path.clone(), in_a_minute));
    assert!(rounds.rest(&path.with_extension("other")) <= Instant::now());
    assert_eq!(rounds.rest(&lock_path), in_a_minute);
    assert!(rounds.rest(&lock_path) <= Instant::now());

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
    assert!(rounds.rest(&lock_path) <= Instant::now() + Duration::from_secs(5));
    drop((waiting, hold));
}
