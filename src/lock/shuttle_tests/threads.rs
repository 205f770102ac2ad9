//! Other processes, and the threads that wait for them.

use std::time::Duration;

use super::super::Terms;
use super::super::contender::{Contender, Look};
use super::super::sidecar::Sidecar;
use super::place::{Place, alone, dawdle, eventually, explore, join, roll, shared, spawn};

/// Takes the lock as another process would: the table knows nothing of it.
fn elsewhere(place: &Place) -> Sidecar {
    let mut contender = Contender::new(place.target());
    let mut taken = None;
    eventually(|| match contender.look(&alone(9), None).unwrap() {
        Look::Taken { sidecar, .. } => {
            taken = Some(sidecar);
            true
        }
        Look::Held { .. } => false,
    });
    taken.unwrap()
}

fn give_back(theirs: Sidecar) {
    theirs.release(&Terms::default().claim).map_err(|leftover| leftover.error).unwrap();
}

#[test]
fn whoever_waits_for_another_process_has_its_turn_or_its_time_is_over_or_it_is_cancelled() {
    explore(|place| {
        let theirs = elsewhere(&place);
        let mut threads = place.spawn_each(0..3, |place, env| {
            let timeout = [Some(0), Some(30), None][roll(3) as usize].map(Duration::from_millis);
            let asked = place.ask(Terms { timeout, ..alone(env) });
            place.use_if_in_time(asked.cancelled_once_in(3));
        });
        threads.push(spawn(move || give_back(theirs)));
        join(threads);
    });
}

#[test]
fn a_busy_process_lets_another_one_in() {
    explore(|place| {
        let mut threads = place.spawn_each(0..3, |place, env| {
            for _ in 0..2 {
                let hold = place.ask(alone(env)).had();
                // Sometimes it has had the lock for long by then.
                dawdle();
                place.use_and_release(hold);
            }
        });
        threads.push(place.spawn(|place| {
            let theirs = elsewhere(place);
            shuttle::thread::yield_now();
            give_back(theirs);
        }));
        join(threads);
    });
}

#[test]
fn locks_of_a_file_system_that_may_hang_are_dealt_with_by_other_threads() {
    explore(|place| {
        join(place.spawn_each(0..3, |place, env| {
            let asked = place.ask_remotely(if env == 0 { alone(env) } else { shared(env) });
            place.use_if_had(asked.cancelled_once_in(4));
        }));
    });
}
