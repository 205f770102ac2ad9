//! Requests that meet at an awkward moment: while a lock is looked at, taken or handed over. Played step by step.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::acquire::enter;
use super::contender::{Contender, Look};
use super::inspect::Owner;
use super::record::{Claim, Contents};
use super::registry::{self, Entry, table};
use super::sidecar::Sidecar;
use super::target::Target;
use super::terms::{LEASE_MIN, Scope, Sharing};
use super::ticket::{Answers, Ticket};
use super::verdict::Cause;
use super::{Hold, LockError, Terms, acquire_blocking};

fn at_once() -> Terms {
    Terms { timeout: Some(Duration::ZERO), ..Terms::default() }
}

fn with_lease(lease: Duration) -> Terms {
    Terms { claim: Claim { lease, ..Claim::default() }.into(), ..Terms::default() }
}

/// A target whose lock file another thread is busy with.
fn busy() -> (tempfile::TempDir, Target) {
    let (directory, target) = Target::scratch("file");
    table().locks.insert(target.clone(), Entry::moving());
    (directory, target)
}

/// Makes a request that has to wait.
fn wait_for(target: &Target, terms: Terms) -> (Arc<Ticket>, Answers) {
    let (ticket, answers) = Ticket::yet_to_ask(target, terms);
    assert!(enter(target, &ticket).unwrap().is_none());
    (ticket, answers)
}

/// Makes a request that has its answer at once.
fn have(target: &Target, terms: Terms) -> Result<Hold, LockError> {
    let (ticket, _) = Ticket::yet_to_ask(target, terms);
    enter(target, &ticket).map(|hold| hold.expect("it is answered at once"))
}

/// The look of another thread, which takes the lock.
fn look(target: &Target, terms: &Terms) -> (Sidecar, Option<Cause>) {
    match Contender::new(target.clone()).look(terms, None) {
        Ok(Look::Taken { sidecar, from }) => (sidecar, from),
        _ => panic!("it is free"),
    }
}

fn recorded_lease(target: &Target) -> Duration {
    match Contents::parse(&std::fs::read(target.lock_path()).unwrap()) {
        Contents::Native(record) => record.lease(),
        _ => panic!("it is held"),
    }
}

#[test]
fn who_does_not_wait_is_told_when_another_takes_the_lock() {
    let (_directory, target) = busy();
    let (_, answers) = wait_for(&target, at_once());
    let terms = Terms::default();
    let (sidecar, from) = look(&target, &terms);
    let (hold, _) = table().settle_in(&target, sidecar, &terms, from);
    let patient = Terms { timeout: Some(Duration::from_secs(2)), ..Terms::default() };
    let (_, others) = wait_for(&target, patient);
    assert!(matches!(others.recv(), Ok(Err(LockError::Timeout { .. }))));
    assert!(matches!(answers.try_recv(), Ok(Err(LockError::Timeout { .. }))), "another has waited in vain meanwhile");
    drop(hold);
}

#[test]
fn who_does_not_wait_is_told_when_the_lock_is_seen_held_although_an_earlier_request_waits() {
    let (_directory, target) = busy();
    let (earlier, _waits) = Ticket::yet_to_ask(&target, Terms { timeout: None, ..Terms::default() });
    earlier.target.set(target.clone()).unwrap();
    std::fs::write(target.lock_path(), format!("{{\"pid\":{}}}", std::process::id())).unwrap();
    let (_, answers) = wait_for(&target, at_once());
    table().entry_mut(&target).unwrap().queue_up(&earlier);
    assert!(registry::next_of(&target).unwrap().is_at_once(), "the next look is for who does not wait");
    registry::still_held(&target, &at_once(), Owner::unknown);
    assert!(matches!(answers.try_recv(), Ok(Err(LockError::Timeout { .. }))));
    assert!(registry::next_of(&target).unwrap().terms.timeout.is_none(), "the other still waits");
    earlier.cancel();
    table().locks.remove(&target);
}

#[test]
fn a_lock_that_was_taken_on_other_terms_is_not_handed_on() {
    let (_directory, target) = busy();
    let (gone, _) = wait_for(&target, Terms { keep_file: true, ..with_lease(LEASE_MIN) });
    let (next, answers) = wait_for(&target, Terms::default());
    let (sidecar, from) = look(&target, &gone.terms);
    gone.cancel();
    registry::taken(&target, &gone, sidecar, from);
    let hold = answers.recv().unwrap().unwrap();
    assert_eq!(recorded_lease(&target), next.terms.claim.lease);
    drop(hold);
    assert!(!target.lock_path().exists(), "only the first wanted to keep it");
}

/// It might wait for its own task.
#[test]
fn a_lock_that_was_taken_for_a_task_goes_to_the_same_thread_if_that_is_blocked() {
    let (_directory, target) = busy();
    let (first, firsts) = wait_for(&target, Terms::default());
    let (sidecar, from) = look(&target, &first.terms);
    let (_, blocked) = wait_for(&target, Terms { blocking: true, ..Terms::default() });
    registry::taken(&target, &first, sidecar, from);
    let hold = blocked.recv().unwrap().unwrap();
    assert!(firsts.try_recv().is_err());
    drop(hold);
    drop(firsts.recv().unwrap().unwrap());
}

#[test]
fn who_blocks_a_thread_goes_before_that_threads_tasks_and_nobody_else() {
    let (_directory, target) = Target::scratch("file");
    let hold = have(&target, Terms::default()).unwrap();
    let (sender, served) = mpsc::channel();
    for (name, env, blocking) in [("other", 1, false), ("task", 2, false), ("later", 1, false), ("blocked", 2, true)] {
        let sender = sender.clone();
        let settle = Box::new(move |settled: Result<Hold, LockError>| {
            sender.send(name).unwrap();
            drop(settled);
        });
        let ticket = Arc::new(Ticket::new(target.path(), Terms { env, blocking, ..Terms::default() }, settle));
        assert!(enter(&target, &ticket).unwrap().is_none());
    }
    drop(hold);
    let order = [(); 4].map(|()| served.recv().unwrap());
    assert_eq!(order, ["other", "blocked", "task", "later"]);
}

#[test]
fn work_that_has_ended_is_not_inside_what_it_shared() {
    let (_directory, target) = Target::scratch("file");
    let sharing = Sharing::Owner("owner".into());
    let shared = Terms { claim: Claim { sharing, ..Claim::default() }.into(), ..Terms::default() };
    let [ended, goes_on] = [(); 2].map(|()| have(&target, shared.clone()).unwrap());
    let scope = |hold: &Hold| Scope { lease: hold.lease().id, hold: hold.id };
    let ask = |scope| have(&target, Terms { chain: vec![scope], ..at_once() });
    let (its, other) = (scope(&ended), scope(&goes_on));
    drop(ask(its).unwrap());
    drop(ended);
    assert!(matches!(ask(its), Err(LockError::Timeout { .. })), "it is outside, like any other caller");
    drop(ask(other).unwrap());
}

/// A task gets the lock file while another one gives up, and a beat is busy with it.
#[test]
fn the_record_speaks_for_who_has_the_lock_whoever_gave_up_meanwhile() {
    let (_directory, target) = Target::scratch("file");
    let [brief, long] = [LEASE_MIN, Duration::from_secs(20)].map(with_lease);
    for _ in 0..50 {
        // Another thread may still be busy with the lock of the turn before.
        let hold = acquire_blocking(target.path(), brief.clone()).unwrap();
        let lease = hold.lease().clone();
        let (gives_up, _) = wait_for(&target, brief.clone());
        let (_, answers) = wait_for(&target, long.clone());
        let beat = lease.file_at_once().unwrap();
        let releasing = std::thread::spawn(move || drop(hold));
        let giving_up = std::thread::spawn(move || gives_up.cancel());
        drop(beat);
        releasing.join().unwrap();
        giving_up.join().unwrap();
        let hold = answers.recv().unwrap().unwrap();
        assert_eq!(recorded_lease(&target), hold.lease().claim.lease);
    }
}

#[test]
fn an_error_is_told_to_the_request_that_it_is_about() {
    let (_directory, target) = Target::scratch("file");
    let _hold = have(&target, Terms::default()).unwrap();
    let (first, firsts) = wait_for(&target, Terms::default());
    let (_second, seconds) = wait_for(&target, Terms::default());
    let error = || LockError::Cancelled { lock_path: target.lock_path().into() };
    registry::failed(&target, &first, error());
    assert!(matches!(firsts.recv(), Ok(Err(LockError::Cancelled { .. }))));
    // It gave up during the look: the next one asked on other terms.
    registry::failed(&target, &first, error());
    assert!(seconds.try_recv().is_err());
}
