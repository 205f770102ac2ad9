//! Waiting for one's turn.

use std::time::Duration;

use super::super::terms::Sharing;
use super::super::{LockError, Terms, acquire_blocking};
use super::place::{alone, explore, join, roll, shared, spawn};

#[test]
fn whoever_waits_has_its_turn() {
    explore(|place| {
        join((0..3).map(|env| {
            let place = place.clone();
            spawn(move || {
                for _ in 0..2 {
                    let hold = place.ask(alone(env)).had();
                    place.use_and_release(hold);
                }
            })
        }));
    });
}

#[test]
fn a_request_is_cancelled_or_served() {
    explore(|place| {
        let holder = place.ask(alone(0)).had();
        let mut threads: Vec<_> = (1..4)
            .map(|env| {
                let place = place.clone();
                spawn(move || {
                    let asked = place.ask(alone(env));
                    let settled = if env == 3 { asked.settled() } else { asked.cancelled() };
                    if let Some(hold) = settled {
                        place.use_and_release(hold.unwrap());
                    }
                })
            })
            .collect();
        let released = place.clone();
        threads.push(spawn(move || released.use_and_release(holder)));
        join(threads);
    });
}

#[test]
fn a_request_has_its_turn_or_its_time_is_over_or_it_is_cancelled() {
    explore(|place| {
        let holder = place.ask(alone(0)).had();
        let mut threads: Vec<_> = (1..4)
            .map(|env| {
                let place = place.clone();
                spawn(move || {
                    let timeout = Some(Duration::from_millis([0, 1, 1500][roll(3) as usize]));
                    let asked = place.ask(Terms { timeout, ..alone(env) });
                    match if roll(3) == 0 { asked.cancelled() } else { asked.settled() } {
                        Some(Ok(hold)) => place.use_and_release(hold),
                        Some(Err(error)) => assert!(matches!(error, LockError::Timeout { .. }), "{error}"),
                        None => {}
                    }
                })
            })
            .collect();
        let released = place.clone();
        threads.push(spawn(move || released.use_and_release(holder)));
        join(threads);
    });
}

#[test]
fn a_shared_lease_lives_as_long_as_one_of_its_handles() {
    explore(|place| {
        join((0..4).map(|env| {
            let place = place.clone();
            spawn(move || {
                let sharing = match env {
                    3 => Sharing::Chain,
                    _ => Sharing::Owner("one".into()),
                };
                for _ in 0..2 {
                    let hold = place.ask(Terms { sharing: sharing.clone(), ..alone(env) }).had();
                    place.use_and_release(hold);
                }
            })
        }));
    });
}

#[test]
fn the_last_handle_is_released_while_another_is_asked_for() {
    explore(|place| {
        let first = place.ask(shared(0)).had();
        let waiting = place.ask(alone(1));
        let other = place.clone();
        let sharer = spawn(move || {
            let hold = other.ask(shared(2)).had();
            other.use_and_release(hold);
        });
        place.use_and_release(first);
        let hold = waiting.had();
        place.use_and_release(hold);
        join([sharer]);
    });
}

#[test]
fn requests_for_an_unknown_directory_are_served_in_order() {
    explore(|place| {
        place.target().forget();
        join((0..3).map(|env| {
            let place = place.clone();
            spawn(move || {
                let asked = place.ask(alone(env));
                if let Some(hold) = if roll(4) == 0 { asked.cancelled() } else { asked.settled() } {
                    place.use_and_release(hold.unwrap());
                }
            })
        }));
    });
}

#[test]
fn a_thread_that_blocks_goes_before_those_that_do_not() {
    explore(|place| {
        let holder = place.ask(alone(0)).had();
        let waiting = place.ask(alone(1));
        let path = place.path.clone();
        let blocked = spawn(move || {
            drop(acquire_blocking(&path, Terms { blocking: true, ..alone(2) }).unwrap());
        });
        place.use_and_release(holder);
        let hold = waiting.had();
        place.use_and_release(hold);
        join([blocked]);
    });
}
