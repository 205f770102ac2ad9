//! Other processes that wait have their turns, too.

use super::*;
#[cfg(unix)]
use crate::lock::Target;
#[cfg(unix)]
use crate::lock::contender::{Contender, Look};

/// Takes the lock, marks it as a waiting process would, and releases it.
fn pass_over_somebody(place: &Place) {
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    sys::mark(&sys::open_lock_file(&place.lock_path).unwrap()).unwrap();
    // Longer than another process may be passed over.
    std::thread::sleep(Duration::from_millis(2));
    drop(hold);
}

#[test]
fn a_process_that_waits_is_not_passed_over_again_and_again() {
    let place = place();
    // Only a process that asks again at once passes others over, and on a busy machine we may be too slow.
    let stood_back = (0..100).find_map(|_| {
        pass_over_somebody(&place);
        pass_over_somebody(&place);
        let asked = ask(&place.path, patient());
        asked.try_recv().is_err().then_some(asked)
    });
    let asked = stood_back.expect("the other process has had no chance");
    drop(asked.recv().unwrap().expect("the other process has made no use of it"));
    assert_eq!(entries(&place), 0);
    assert!(acquire_blocking(&place.path, at_once()).is_ok(), "nobody waits");
}

#[cfg(unix)]
#[test]
fn after_a_long_lease_another_process_that_waited_is_let_go_first() {
    // If we do not get to run for too long between release and request, we need not stand back any more.
    let stood_back = (0..200).any(|_| {
        let place = place();
        let hold = acquire_blocking(&place.path, patient()).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        let waiter = sys::open_lock_file(&place.lock_path).unwrap();
        sys::mark(&waiter).unwrap();
        hold.release(|result| result.unwrap());
        let (sender, receiver) = mpsc::channel();
        match acquire(&place.path, patient(), Box::new(move |settled| sender.send(settled).unwrap())).unwrap() {
            Acquired::Now(_) => false,
            Acquired::Later(_ticket) => {
                drop(receiver.recv_timeout(Duration::from_secs(30)).unwrap().unwrap());
                true
            }
        }
    });
    assert!(stood_back);
}

#[cfg(unix)]
#[test]
fn a_waiter_that_a_beat_has_seen_is_still_known_at_the_release() {
    let place = place();
    let target = Target::resolve(&place.path).unwrap();
    let terms = patient();
    let Look::Taken { mut sidecar, .. } = Contender::new(target).look(&terms, None).unwrap() else {
        panic!("nobody has it")
    };
    assert_eq!(sidecar.glance().unwrap().interest, None);
    sys::mark(&sys::open_lock_file(&place.lock_path).unwrap()).unwrap();
    assert!(sidecar.glance().unwrap().interest.is_some());
    assert_eq!(sidecar.glance().unwrap().interest, None, "it is told once");
    let Ok(given_up) = sidecar.release(&terms.claim) else { panic!("its name stays") };
    assert!(given_up.wanted);
}
