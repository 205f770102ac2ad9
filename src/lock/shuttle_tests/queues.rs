//! Waiting for one's turn.

use std::time::Duration;

use super::super::terms::Sharing;
use super::super::{Terms, acquire_blocking};
use super::place::{alone, explore, join, roll, shared, sharing};

#[test]
fn whoever_waits_has_its_turn() {
    explore(|place| {
        join(place.spawn_each(0..3, |place, env| {
            for _ in 0..2 {
                place.use_and_release(place.ask(alone(env)).had());
            }
        }));
    });
}

#[test]
fn a_request_is_cancelled_or_served() {
    explore(|place| {
        let holder = place.ask(alone(0)).had();
        let mut threads = place.spawn_each(1..4, |place, env| {
            let asked = place.ask(alone(env));
            place.use_if_had(if env == 3 { asked.settled() } else { asked.cancelled() });
        });
        threads.push(place.spawn(|place| place.use_and_release(holder)));
        join(threads);
    });
}

#[test]
fn a_request_has_its_turn_or_its_time_is_over_or_it_is_cancelled() {
    explore(|place| {
        let holder = place.ask(alone(0)).had();
        let mut threads = place.spawn_each(1..4, |place, env| {
            let timeout = Some(Duration::from_millis([0, 1, 1500][roll(3) as usize]));
            let asked = place.ask(Terms { timeout, ..alone(env) });
            place.use_if_in_time(asked.cancelled_once_in(3));
        });
        threads.push(place.spawn(|place| place.use_and_release(holder)));
        join(threads);
    });
}

#[test]
fn a_shared_lease_lives_as_long_as_one_of_its_handles() {
    explore(|place| {
        join(place.spawn_each(0..4, |place, env| {
            for _ in 0..2 {
                let ours = if env == 3 { Sharing::Chain } else { Sharing::Owner("one".into()) };
                place.use_and_release(place.ask(sharing(ours, env)).had());
            }
        }));
    });
}

#[test]
fn the_last_handle_is_released_while_another_is_asked_for() {
    explore(|place| {
        let first = place.ask(shared(0)).had();
        let waiting = place.ask(alone(1));
        let sharer = place.spawn(|place| place.use_and_release(place.ask(shared(2)).had()));
        place.use_and_release(first);
        place.use_and_release(waiting.had());
        join([sharer]);
    });
}

#[test]
fn requests_for_an_unknown_directory_are_served_in_order() {
    explore(|place| {
        place.target().forget();
        join(place.spawn_each(0..3, |place, env| place.use_if_had(place.ask(alone(env)).cancelled_once_in(4))));
    });
}

#[test]
fn a_thread_that_blocks_goes_before_those_that_do_not() {
    explore(|place| {
        let holder = place.ask(alone(0)).had();
        let waiting = place.ask(alone(1));
        let blocked = place.spawn(|place| {
            drop(acquire_blocking(&place.path, Terms { blocking: true, ..alone(2) }).unwrap());
        });
        place.use_and_release(holder);
        place.use_and_release(waiting.had());
        join([blocked]);
    });
}
