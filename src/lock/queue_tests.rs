//! The registry and its queue: compared with a reference that uses lists, and under threads that contend.
//!
//! These tests use real locks, real time and threads that sleep in the kernel. `shuttle_tests` runs such threads in
//! orders that the kernel seldom chooses, with stand-ins for all of these.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use proptest::prelude::*;

use super::contender::{Contender, Look};
use super::endings;
use super::inspect::Owner;
use super::loss::LossReason;
use super::record::{Claim, Contents};
use super::registry::{self, Entry};
use super::target::{ByLockFile, Target};
use super::terms::{EnvId, Scope, Sharing};
use super::{Acquired, Hold, LockError, Terms, Ticket, acquire, acquire_blocking};

/// A directory that is known to be local, so that requests are served on the thread that makes them.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("file");
    drop(acquire_blocking(&path, Terms::default()).unwrap());
    (directory, path)
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// An environment asks for a lease, shared or not.
    Ask {
        env: usize,
        shares: bool,
    },
    Cancel(prop::sample::Index),
    Release(prop::sample::Index),
    /// The lease is taken away from all who have it.
    Lose,
    Close {
        env: usize,
    },
}

fn an_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..3_usize, any::<bool>()).prop_map(|(env, shares)| Act::Ask { env, shares }),
        2 => any::<prop::sample::Index>().prop_map(Act::Cancel),
        3 => any::<prop::sample::Index>().prop_map(Act::Release),
        1 => Just(Act::Lose),
        1 => (0..3_usize).prop_map(|env| Act::Close { env }),
    ]
}

/// A request, as far as the reference needs it.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Request {
    id: usize,
    env: usize,
    shares: bool,
}

/// What the registry has to do, done with plain lists.
#[derive(Default)]
struct Reference {
    holders: Vec<Request>,
    queue: VecDeque<Request>,
}

impl Reference {
    fn ask(&mut self, request: Request) {
        let joins = |holders: &[Request]| holders.iter().all(|holder| holder.shares) && request.shares;
        if self.holders.is_empty() || joins(&self.holders) {
            self.holders.push(request);
        } else {
            self.queue.push_back(request);
        }
    }

    fn release(&mut self, id: usize) {
        self.holders.retain(|holder| holder.id != id);
        self.serve();
    }

    fn lose(&mut self) {
        self.holders.clear();
        self.serve();
    }

    fn close(&mut self, env: usize) {
        self.queue.retain(|request| request.env != env);
        self.holders.retain(|holder| holder.env != env);
        self.serve();
    }

    fn serve(&mut self) {
        if !self.holders.is_empty() {
            return;
        }
        let Some(next) = self.queue.pop_front() else { return };
        self.holders.push(next);
        if next.shares {
            let (joining, rest) = self.queue.drain(..).partition(|request| request.shares);
            self.queue = rest;
            self.holders.extend::<VecDeque<_>>(joining);
        }
    }
}

/// The outcomes of requests, in the order of their arrival.
type Outcomes = Arc<Mutex<Vec<(usize, Result<Hold, LockError>)>>>;

struct World {
    path: PathBuf,
    envs: [EnvId; 3],
    outcomes: Outcomes,
    tickets: Vec<Option<Arc<Ticket>>>,
    reference: Reference,
    token: u64,
}

impl World {
    fn terms(&self, env: usize, shares: bool) -> Terms {
        let sharing = if shares { Sharing::Process } else { Sharing::Chain };
        let claim = Claim { sharing, ..Claim::default() }.into();
        Terms { timeout: None, env: self.envs[env], claim, ..Terms::default() }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Ask { env, shares } => {
                let id = self.tickets.len();
                let outcomes = self.outcomes.clone();
                let settle = Box::new(move |outcome| outcomes.lock().push((id, outcome)));
                self.tickets.push(match acquire(&self.path, self.terms(env, shares), settle).unwrap() {
                    Acquired::Now(hold) => {
                        self.outcomes.lock().push((id, Ok(hold)));
                        None
                    }
                    Acquired::Later(ticket) => Some(ticket),
                });
                self.reference.ask(Request { id, env, shares });
            }
            Act::Cancel(index) if !self.tickets.is_empty() => {
                let id = index.index(self.tickets.len());
                let waits = self.reference.queue.iter().any(|request| request.id == id);
                let cancelled = self.tickets[id].as_ref().is_some_and(|ticket| ticket.cancel());
                assert_eq!(cancelled, waits, "a request is cancelled as long as it waits");
                self.reference.queue.retain(|request| request.id != id);
            }
            Act::Release(index) if !self.reference.holders.is_empty() => {
                let id = self.reference.holders[index.index(self.reference.holders.len())].id;
                let hold = self.take(id);
                let (sender, receiver) = mpsc::channel();
                hold.release(move |released| sender.send(released).unwrap());
                receiver.recv().unwrap().unwrap();
                assert!(!hold.is_held());
                self.reference.release(id);
            }
            Act::Lose if !self.reference.holders.is_empty() => {
                let id = self.reference.holders[0].id;
                let lease = self.lease(id).unwrap();
                endings::lose(&lease, LossReason::Forced);
                for holder in std::mem::take(&mut self.reference.holders) {
                    assert!(self.take(holder.id).loss().is_some(), "everybody who shared it is told");
                }
                self.reference.lose();
            }
            Act::Close { env } => {
                endings::close(self.envs[env]);
                // The numbers of environments are never reused.
                self.envs[env] = registry::unique_id();
                self.reference.close(env);
            }
            Act::Cancel(_) | Act::Release(_) | Act::Lose => {}
        }
    }

    /// Removes the lock that a request got from the outcomes, and returns it.
    fn take(&self, id: usize) -> Hold {
        let mut outcomes = self.outcomes.lock();
        let at = outcomes.iter().position(|(other, _)| *other == id).expect("it has the lock");
        outcomes.remove(at).1.unwrap()
    }

    fn lease(&self, id: usize) -> Option<Arc<super::lease::Lease>> {
        let outcomes = self.outcomes.lock();
        let (_, outcome) = outcomes.iter().find(|(other, _)| *other == id)?;
        outcome.as_ref().ok().map(|hold| hold.lease().clone())
    }

    /// The registry and the reference agree on who has the lock, and the lock file on whether anybody has.
    fn compare(&mut self) {
        let holders = self.reference.holders.clone();
        let lock_path = self.path.with_extension("lock");
        let leases: Vec<_> = holders
            .iter()
            .map(|holder| {
                eventually("the next in the queue has it", || self.lease(holder.id).is_some());
                self.lease(holder.id).unwrap()
            })
            .collect();
        let Some(lease) = leases.first() else {
            assert!(registry::held().iter().all(|held| *held.target.lock_path != *lock_path));
            eventually("nobody's lock file is gone", || !lock_path.exists());
            return;
        };
        assert!(leases.iter().all(|other| Arc::ptr_eq(lease, other)), "one lock path has one lease");
        assert_eq!(lease.handles(), holders.len());
        assert!(lease.token >= self.token, "tokens grow");
        self.token = lease.token;
        let here = registry::held().into_iter().filter(|held| held.target.lock_path == lease.target.lock_path);
        assert_eq!(here.count(), 1);
        let held = |id: &usize| self.lease(*id).is_some_and(|lease| !lease.is_over());
        let waiting: Vec<_> = self.reference.queue.iter().map(|request| request.id).filter(held).collect();
        assert!(waiting.is_empty(), "nobody has it before its turn: {waiting:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_registry_does_what_a_list_would(acts in prop::collection::vec(an_act(), 1..40)) {
        let (_directory, path) = place();
        let mut world = World {
            path,
            envs: std::array::from_fn(|_| registry::unique_id()),
            outcomes: Outcomes::default(),
            tickets: Vec::new(),
            reference: Reference::default(),
            token: 0,
        };
        for act in acts {
            world.act(act);
            world.compare();
        }
        for env in 0..3 {
            world.act(Act::Close { env });
        }
        world.compare();
    }
}

/// A small random number generator: the schedule is up to the operating system anyway.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn whatever_threads_do_to_each_other_each_request_has_one_outcome_and_the_lock_one_owner() {
    const THREADS: u64 = 6;
    const REQUESTS: u64 = 150;
    let (_directory, path) = place();
    let inside = AtomicU64::new(0);
    let envs: [EnvId; 3] = std::array::from_fn(|_| registry::unique_id());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (path, inside, envs) = (&path, &inside, &envs);
            scope.spawn(move || {
                let mut dice = Dice(0x9E37_79B9 + thread);
                for _ in 0..REQUESTS {
                    let env = envs[usize::try_from(dice.roll(3)).unwrap()];
                    ask_and_use(path, env, inside, &mut dice);
                }
            });
        }
    });
    let lock_path = path.with_extension("lock");
    eventually("the lock file is gone", || !lock_path.exists());
    assert!(registry::held().iter().all(|held| *held.target.lock_path != *lock_path));
}

/// Makes one request, which may be cancelled, or lose its lease or its environment, at any time.
fn ask_and_use(path: &std::path::Path, env: EnvId, inside: &AtomicU64, dice: &mut Dice) {
    let (sender, receiver) = mpsc::channel();
    let terms = Terms { timeout: None, env, ..Terms::default() };
    let asked = acquire(path, terms, Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
    let hold = match asked {
        Acquired::Now(hold) => hold,
        Acquired::Later(ticket) => {
            if dice.roll(4) == 0 && ticket.cancel() {
                assert!(receiver.recv_timeout(Duration::from_mins(1)).is_err(), "a cancelled request has no outcome");
                return;
            }
            match receiver.recv_timeout(Duration::from_mins(1)) {
                Ok(outcome) => outcome.unwrap(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return, // its environment was closed
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("a ticket was lost"),
            }
        }
    };
    assert!(receiver.try_recv().is_err(), "a request has one outcome");
    match dice.roll(8) {
        0 => endings::lose(hold.lease(), LossReason::Forced),
        1 => endings::close(env),
        _ => {
            inside.store(hold.lease().id, Ordering::SeqCst);
            std::thread::yield_now();
            let last_in = inside.load(Ordering::SeqCst);
            // Others may take the lease away at any time, but then it is no longer held.
            assert!(last_in == hold.lease().id || !hold.is_held(), "somebody else came in");
        }
    }
    let (sender, released) = mpsc::channel();
    hold.release(move |outcome| sender.send(outcome).unwrap());
    released.recv_timeout(Duration::from_mins(1)).expect("a release is answered").unwrap();
}

/// A request that does not wait arrives while another thread takes the lock.
#[test]
fn who_does_not_wait_is_answered_by_the_look_that_is_under_way() {
    let (_directory, path) = place();
    let target = Target::recent(&path).unwrap_or_else(|| Target::resolve(&path).unwrap().into());
    let zero = Terms { timeout: Some(Duration::ZERO), ..Terms::default() };
    let ask = || {
        registry::table().locks.insert(ByLockFile(target.clone()), Entry::moving());
        let (sender, answers) = mpsc::channel();
        let settle = Box::new(move |settled| drop(sender.send(settled)));
        let ticket = Arc::new(Ticket::new(&path, zero.clone(), settle));
        assert!(super::acquire::enter(&target, &ticket).unwrap().is_none(), "one look will tell");
        answers
    };
    let terms = Terms::default();
    let mut contender = Contender::new(target.clone());

    // The look takes the lock.
    let answers = ask();
    let Ok(Look::Taken { sidecar, from }) = contender.look(&terms, None) else { panic!("it is free") };
    let (hold, _) = registry::table().settle_in(&target, sidecar, &terms, from);
    let patient = Terms { timeout: Some(Duration::from_secs(2)), ..Terms::default() };
    assert!(matches!(acquire_blocking(&path, patient), Err(LockError::Timeout { .. })));
    assert!(matches!(answers.try_recv(), Ok(Err(LockError::Timeout { .. }))), "another has waited in vain meanwhile");
    drop(hold);

    // The look finds it held, and the request behind the look, which came earlier, goes on waiting.
    let earlier = Arc::new(Ticket::new(&path, Terms { timeout: None, ..Terms::default() }, Box::new(drop)));
    earlier.target.set(target.clone()).ok().unwrap();
    std::fs::write(&target.lock_path, format!("{{\"pid\":{}}}", std::process::id())).unwrap();
    let answers = ask();
    registry::table().entry_mut(&target.lock_path).unwrap().queue_up(&earlier);
    assert!(registry::next_of(&target.lock_path).unwrap().is_at_once(), "the next look is for who does not wait");
    registry::still_held(&target, &zero, Owner::unknown);
    assert!(matches!(answers.try_recv(), Ok(Err(LockError::Timeout { .. }))));
    assert!(registry::next_of(&target.lock_path).unwrap().terms.timeout.is_none(), "the other still waits");
    earlier.cancel();
    registry::table().locks.remove(target.lock_path.as_os_str());
}

/// A lock that was taken for a request that is gone by then.
#[test]
fn a_lock_that_was_taken_on_other_terms_is_not_handed_on() {
    let (_directory, path) = place();
    let target = Target::recent(&path).unwrap_or_else(|| Target::resolve(&path).unwrap().into());
    registry::table().locks.insert(ByLockFile(target.clone()), Entry::moving());
    let ask = |terms: Terms| {
        let (sender, answers) = mpsc::channel();
        let settle = Box::new(move |settled| drop(sender.send(settled)));
        let ticket = Arc::new(Ticket::new(&path, terms, settle));
        assert!(super::acquire::enter(&target, &ticket).unwrap().is_none());
        (ticket, answers)
    };
    let brief = Claim { lease: super::terms::LEASE_MIN, ..Claim::default() }.into();
    let (gone, _) = ask(Terms { keep_file: true, claim: brief, ..Terms::default() });
    let (next, answers) = ask(Terms::default());
    let Ok(Look::Taken { sidecar, from }) = Contender::new(target.clone()).look(&gone.terms, None) else {
        panic!("it is free")
    };
    gone.cancel();
    registry::taken(&target, &gone, sidecar, from);
    let hold = answers.recv().unwrap().unwrap();
    let Contents::Native(record) = Contents::parse(&std::fs::read(&target.lock_path).unwrap()) else {
        panic!("it is held")
    };
    assert_eq!(Duration::from_millis(record.leasehold.lease_ms), next.terms.claim.lease);
    drop(hold);
    assert!(!target.lock_path.exists(), "only the first wanted to keep it");
}

/// A thread that blocks its event loop asks while the lock is taken for somebody else: it might wait for itself.
#[test]
fn a_lock_that_was_taken_for_another_goes_to_who_blocks_a_thread() {
    let (_directory, path) = place();
    let target = Target::recent(&path).unwrap_or_else(|| Target::resolve(&path).unwrap().into());
    registry::table().locks.insert(ByLockFile(target.clone()), Entry::moving());
    let ask = |blocking| {
        let (sender, answers) = mpsc::channel();
        let settle = Box::new(move |settled| drop(sender.send(settled)));
        let ticket = Arc::new(Ticket::new(&path, Terms { blocking, ..Terms::default() }, settle));
        assert!(super::acquire::enter(&target, &ticket).unwrap().is_none());
        (ticket, answers)
    };
    let (first, firsts) = ask(false);
    let Ok(Look::Taken { sidecar, from }) = Contender::new(target.clone()).look(&first.terms, None) else {
        panic!("it is free")
    };
    let (_, blocked) = ask(true);
    registry::taken(&target, &first, sidecar, from);
    let hold = blocked.recv().unwrap().unwrap();
    assert!(firsts.try_recv().is_err());
    drop(hold);
    drop(firsts.recv().unwrap().unwrap());
}

#[test]
fn work_that_has_ended_is_not_inside_what_it_shared() {
    let (_directory, path) = place();
    let sharing = Sharing::Owner("owner".into());
    let shared = Terms { claim: Claim { sharing, ..Claim::default() }.into(), ..Terms::default() };
    let [ended, goes_on] = [(); 2].map(|()| acquire_blocking(&path, shared.clone()).unwrap());
    let scope = |hold: &Hold| Scope { lease: hold.lease().id, hold: hold.id };
    let ask = |scope| {
        let terms = Terms { timeout: Some(Duration::ZERO), chain: vec![scope], ..Terms::default() };
        acquire_blocking(&path, terms)
    };
    let (its, other) = (scope(&ended), scope(&goes_on));
    drop(ask(its).unwrap());
    drop(ended);
    assert!(matches!(ask(its), Err(LockError::Timeout { .. })), "it is outside, like any other caller");
    drop(ask(other).unwrap());
}

#[test]
fn who_blocks_a_thread_goes_before_that_threads_tasks_and_nobody_else() {
    let (_directory, path) = place();
    let hold = acquire_blocking(&path, Terms::default()).unwrap();
    let (sender, served) = mpsc::channel();
    for (name, env, blocking) in [("other", 1, false), ("task", 2, false), ("later", 1, false), ("blocked", 2, true)] {
        let sender = sender.clone();
        let settle = Box::new(move |settled: Result<Hold, LockError>| {
            sender.send(name).unwrap();
            drop(settled);
        });
        let terms = Terms { env, blocking, ..Terms::default() };
        let Ok(Acquired::Later(_)) = acquire(&path, terms, settle) else { panic!("it is held") };
    }
    // The first requests for a directory are entered by the thread that resolves it.
    let queued = || registry::table().entry(&hold.lease().target.lock_path).map(|entry| entry.queue.tickets().count());
    eventually("all wait", || queued() == Some(4));
    drop(hold);
    let order = [(); 4].map(|()| served.recv().unwrap());
    assert_eq!(order, ["other", "blocked", "task", "later"]);
}

/// A task gets the lock file while another one gives up, and a beat is busy with it.
#[test]
fn the_record_speaks_for_who_has_the_lock_whoever_gave_up_meanwhile() {
    let (_directory, path) = place();
    let lease_of = |lease| Terms { claim: Claim { lease, ..Claim::default() }.into(), ..Terms::default() };
    let [brief, long] = [super::terms::LEASE_MIN, Duration::from_secs(20)].map(lease_of);
    for _ in 0..50 {
        let hold = acquire_blocking(&path, brief.clone()).unwrap();
        let lease = hold.lease().clone();
        let Ok(Acquired::Later(gives_up)) = acquire(&path, brief.clone(), Box::new(drop)) else { panic!("it is held") };
        let (sender, answers) = mpsc::channel();
        let settle = Box::new(move |settled| drop(sender.send(settled)));
        let Ok(Acquired::Later(_next)) = acquire(&path, long.clone(), settle) else { panic!("it is held") };
        let beat = lease.file_at_once().unwrap();
        let threads = [
            std::thread::spawn(move || drop(hold)),
            std::thread::spawn(move || {
                gives_up.cancel();
            }),
        ];
        drop(beat);
        for thread in threads {
            thread.join().unwrap();
        }
        let hold = answers.recv().unwrap().unwrap();
        let Contents::Native(record) = Contents::parse(&std::fs::read(&hold.lease().target.lock_path).unwrap()) else {
            panic!("it is held")
        };
        assert_eq!(Duration::from_millis(record.leasehold.lease_ms), hold.lease().claim.lease);
    }
}

#[test]
fn an_error_is_told_to_the_request_that_it_is_about() {
    let (_directory, path) = place();
    let hold = acquire_blocking(&path, Terms::default()).unwrap();
    let target = &hold.lease().target;
    let ask = || {
        let (sender, answers) = mpsc::channel();
        let settle = Box::new(move |settled| drop(sender.send(settled)));
        let Ok(Acquired::Later(ticket)) = acquire(&path, Terms::default(), settle) else { panic!("it is held") };
        eventually("it waits", || ticket.target.get().is_some());
        (ticket, answers)
    };
    let ((first, firsts), (_second, seconds)) = (ask(), ask());
    let error = || LockError::Cancelled { lock_path: target.lock_path.clone() };
    registry::failed(target, &first, error());
    assert!(matches!(firsts.recv(), Ok(Err(LockError::Cancelled { .. }))));
    // It gave up during the look: the next one asked on other terms.
    registry::failed(target, &first, error());
    assert!(seconds.try_recv().is_err());
}
