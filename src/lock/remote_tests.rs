//! A file system that does not answer holds up only the requests that use it: neither the event loops, which ask about
//! leases and give them up, nor the other locks of the process.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::acquire::enter;
use super::inspect::Owner;
use super::registry::{Entry, table};
use super::target::Target;
use super::terms::OwnPid;
use super::ticket::{Answers, Ticket};
use super::{LockError, Terms, acquire_blocking};

fn ask(target: &Target) -> Answers {
    let (ticket, answers) = Ticket::yet_to_ask(target, Terms { timeout: None, ..Terms::default() });
    assert!(enter(target, &ticket).unwrap().is_none(), "a remote file system is not touched by who asks");
    answers
}

/// What `act` returns, run on a thread of its own: if it never returns, the test fails instead of hanging.
fn in_time<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(act()));
    receiver.recv_timeout(Duration::from_mins(1)).expect(what)
}

#[test]
fn a_beat_that_hangs_holds_up_nobody_but_the_next_owner() {
    let (_directory, target) = Target::scratch("file");
    let target = target.far_away();
    let hold = Arc::new(ask(&target).recv().unwrap().unwrap());
    let next = ask(&target);
    let hanging = hold.lease().file_at_once().unwrap();

    let owner = hold.clone();
    assert!(in_time("its holder can ask", move || owner.is_held()
        && owner.believe().is_ok()
        && owner.loss().is_none()));
    let (sender, released) = mpsc::channel();
    let owner = hold.clone();
    in_time("its holder can give it up", move || owner.release(move |done| sender.send(done).unwrap()));
    assert!(!hold.is_held());
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("file");
    drop(in_time("other locks are free", move || acquire_blocking(&path, Terms::default()).unwrap()));
    assert!(released.try_recv().is_err() && next.try_recv().is_err(), "the file is still busy");

    drop(hanging);
    released.recv().unwrap().unwrap();
    let next = next.recv().unwrap().unwrap();
    assert_eq!(next.lease().token, hold.lease().token + 1, "it was handed over");
}

#[test]
fn a_lease_is_lost_while_its_beat_hangs() {
    let (_directory, target) = Target::scratch("file");
    let target = target.far_away();
    let hold = Arc::new(ask(&target).recv().unwrap().unwrap());
    let hanging = hold.lease().file_at_once().unwrap();
    let lease = hold.lease().clone();
    in_time("it can be taken away", move || super::endings::lose(&lease, super::loss::LossReason::Forced));
    assert!(matches!(hold.believe(), Err(LockError::Lost(_))));
    drop(hanging);
    drop(ask(&target).recv().unwrap().unwrap());
}

#[test]
fn who_has_waited_in_vain_is_told_what_is_known_without_asking() {
    let (_directory, target) = Target::scratch("file");
    std::fs::write(target.lock_path(), "{\"pid\":1}").unwrap();
    let target = target.far_away();
    let seen = Owner { label: Some("seen before".into()), ..Owner::unknown() };
    for known in [None, Some(seen)] {
        let (ticket, answers) = Ticket::yet_to_ask(&target, Terms::default());
        ticket.target.set(target.clone()).unwrap();
        let mut entry = Entry::moving();
        entry.queue_up(&ticket);
        entry.queue.note_owner(known.clone());
        table().locks.insert(target.clone(), entry);
        ticket.expire();
        table().locks.remove(&target);
        let Err(LockError::Timeout { owner, .. }) = answers.recv().unwrap() else { panic!("its time is over") };
        assert_eq!(*owner, known.unwrap_or_else(Owner::unknown));
    }
}

#[test]
fn a_look_in_vain_notes_the_owner() {
    let (_directory, target) = Target::scratch("file");
    let us = std::process::id();
    std::fs::write(target.lock_path(), format!("{{\"pid\":{us},\"createdAt\":\"2999-01-01T00:00:00.000Z\"}}")).unwrap();
    let target = target.far_away();
    let (ticket, answers) = Ticket::yet_to_ask(&target, Terms { own_pid: OwnPid::Claimed, ..Terms::default() });
    assert!(enter(&target, &ticket).unwrap().is_none());
    let noted = || table().entry(&target).and_then(|entry| entry.queue.owner()?.pid);
    while noted() != Some(us) {
        assert!(answers.try_recv().is_err(), "somebody else has the lock");
        std::thread::sleep(Duration::from_millis(5));
    }
    ticket.cancel();
}
