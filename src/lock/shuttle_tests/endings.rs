//! Leases that are taken away, environments that end.

use std::sync::Arc;
use std::time::Duration;

use super::super::record::Claim;
use super::super::sys::{self, Instant};
use super::super::terms::Api;
use super::super::{LossReason, Terms, endings, registry};
use super::place::{Told, alone, dawdle, eventually, explore, join, roll, shared, spawn};

#[test]
fn a_lease_is_released_or_taken_away() {
    explore(|place| {
        let told = Told::of(0);
        let hold = place.ask(alone(0)).had();
        let next = place.ask(alone(1));
        let lease = hold.lease().clone();
        let thief = spawn(move || endings::lose(&lease, LossReason::Forced));
        let lease = hold.lease().clone();
        place.release(hold);
        place.use_and_release(next.had());
        join([thief]);
        assert!(lease.is_over());
        assert_eq!(told.times(), usize::from(!lease.is_released()), "a loss is told, and nothing else");
    });
}

#[test]
fn everybody_who_shares_a_lease_is_told_once_that_it_was_taken_away() {
    explore(|place| {
        let told = [Told::of(0), Told::of(1)];
        let holds = [place.ask(shared(0)).had(), place.ask(shared(1)).had()];
        let lease = holds[0].lease().clone();
        let thieves = [0, 1].map(|_| {
            let lease = lease.clone();
            spawn(move || endings::lose(&lease, LossReason::Forced))
        });
        join(thieves);
        assert!(told.iter().all(|told| told.times() == 1));
        for hold in holds {
            assert!(hold.loss().is_some());
            place.release(hold);
        }
    });
}

#[test]
fn who_joins_a_lease_that_is_taken_away_is_told_or_has_the_next() {
    explore(|place| {
        let told = Told::of(1);
        let hold = place.ask(shared(0)).had();
        let lease = hold.lease().clone();
        let joiner = place.spawn(|place| {
            let joined = place.ask(shared(1)).had();
            eventually(|| joined.is_held() || joined.loss().is_some());
            place.release(joined);
        });
        endings::lose(&lease, LossReason::Forced);
        place.release(hold);
        join([joiner]);
        assert!(told.times() <= 1);
    });
}

#[test]
fn a_lease_is_not_held_for_longer_than_it_may_be() {
    explore(|place| {
        let told = Told::of(0);
        let max_hold = Duration::from_millis(1500);
        let terms = alone(0);
        let claim = Claim { max_hold: Some(max_hold), ..(*terms.claim).clone() }.into();
        let holder = place.ask(Terms { claim, api: Api::Session, ..terms }).had();
        let waiter = place.spawn(|place| place.use_and_release(place.ask(alone(1)).had()));
        if roll(2) == 0 {
            join([waiter]);
            // Nobody but the heart sleeps, so it is on time.
            let loss = holder.loss().expect("somebody else had it");
            assert_eq!((loss.reason, loss.held_for), (LossReason::MaxHold, max_hold));
            place.release(holder);
            eventually(|| told.times() == 1);
            eventually(|| endings::check_overdue(std::time::SystemTime::now()) == 1);
        } else {
            place.release(holder);
            join([waiter]);
            assert!(told.times() <= 1);
        }
    });
}

#[test]
fn work_that_was_given_little_time_loses_its_lease_when_nobody_else_has_more() {
    explore(|place| {
        let told = Told::of(0);
        let limited = place.ask(shared(0)).had();
        let free = place.ask(shared(1)).had();
        let (lease, hold) = (limited.lease().clone(), limited.id);
        let due = Arc::new(parking_lot::Mutex::new(lease.began));
        let put_off = |due: &parking_lot::Mutex<Instant>, until: Instant| {
            let mut due = due.lock();
            *due = until.max(*due);
        };
        let limited_until = due.clone();
        let aborter = spawn(move || {
            let grace = Duration::from_millis(700);
            dawdle();
            endings::limit(lease.id, hold, grace, LossReason::Aborted);
            put_off(&limited_until, Instant::now() + grace);
        });
        let shared_until = due.clone();
        let releaser = place.spawn(move |place| {
            dawdle();
            place.use_and_release(free);
            put_off(&shared_until, Instant::now());
        });
        join([aborter, releaser]);
        eventually(|| limited.loss().is_some() && told.times() == 1);
        let loss = limited.loss().unwrap();
        assert_eq!(loss.reason, LossReason::Aborted);
        // Nobody but the heart sleeps, so it is on time.
        assert!(limited.lease().began + loss.held_for <= *due.lock(), "it was taken away too late");
        place.release(limited);
    });
}

#[test]
fn an_environment_ends_whatever_its_tasks_are_doing() {
    explore(|place| {
        let mut threads = place.spawn_each(0..4, |place, task| {
            let env = task % 2;
            let terms = if task < 2 { alone(env) } else { shared(env) };
            let Some(outcome) = place.ask(terms).settled() else {
                assert_eq!(env, 1, "the other one goes on");
                return;
            };
            place.release(outcome.unwrap());
        });
        threads.push(spawn(|| endings::close(1)));
        join(threads);
    });
}

#[test]
fn what_others_share_outlives_an_environment() {
    explore(|place| {
        let stays = place.ask(shared(0)).had();
        let goes = place.ask(shared(1)).had();
        let waiting = place.ask(alone(1));
        let closer = spawn(|| endings::close(1));
        let releaser = place.spawn(|place| place.release(goes));
        shuttle::thread::yield_now();
        place.use_and_release(stays);
        join([closer, releaser]);
        if let Some(hold) = waiting.settled() {
            place.release(hold.unwrap());
        }
    });
}

#[test]
fn who_joins_a_lease_whose_environment_ends_keeps_it_or_has_the_next() {
    explore(|place| {
        let goes = place.ask(shared(1)).had();
        let closer = spawn(|| endings::close(1));
        place.use_and_release(place.ask(shared(0)).had());
        join([closer]);
        place.release(goes);
    });
}

#[test]
fn leases_are_taken_away_from_all_at_once() {
    explore(|place| {
        let mut threads = place.spawn_each(0..3, |place, env| {
            let hold = place.ask(alone(env)).had();
            shuttle::thread::yield_now();
            place.release(hold);
        });
        threads.push(spawn(|| {
            endings::release_all(None);
        }));
        join(threads);
    });
}

#[test]
fn whatever_threads_do_to_each_other_nobody_is_forgotten() {
    explore(|place| {
        join(place.spawn_each(0..4, |place, task| {
            for _ in 0..2 {
                let env = u64::from(roll(2));
                let asked = place.ask(if task < 2 { alone(env) } else { shared(env) });
                let Some(outcome) = (if roll(4) == 0 { asked.cancelled_unless_closed() } else { asked.settled() })
                else {
                    continue;
                };
                let hold = outcome.unwrap();
                match roll(8) {
                    0 => endings::lose(hold.lease(), LossReason::Forced),
                    1 => endings::close(env),
                    2 => endings::limit(hold.lease().id, hold.id, Duration::ZERO, LossReason::Aborted),
                    _ => {}
                }
                place.release(hold);
            }
        }));
    });
}

#[test]
fn whoever_waits_for_a_lease_whose_file_is_removed_has_its_turn() {
    explore(|place| {
        let told = Told::of(0);
        let hold = place.ask(alone(0)).had();
        let mut threads = place.spawn_each(1..3, |place, env| place.release(place.ask(alone(env)).had()));
        // Whoever has the lock at that moment.
        threads.push(place.spawn(|place| drop(sys::unlink(&place.lock_path))));
        // The heart, a check or the release may notice it.
        dawdle();
        if roll(2) == 0 {
            let _ = hold.check();
        }
        place.release(hold);
        join(threads);
        assert!(told.times() <= 1);
    });
}

#[test]
fn an_exit_leaves_nothing_whatever_other_threads_are_doing() {
    explore(|place| {
        let mut threads = place.spawn_each(0..3, |place, env| {
            let asked = place.ask(alone(env));
            // At the end nobody waits any longer: a queued request is dropped, and so is what it gets too late.
            if asked.ticket.is_none() {
                place.release(asked.had());
            }
        });
        threads.push(spawn(endings::release_at_end));
        join(threads);
        // The heart finds out when it looks next.
        eventually(|| !place.lock_path.exists() && place.leases_left() == 0);
        // Nor is any queue served at the end.
        registry::table().locks.clear();
    });
}
