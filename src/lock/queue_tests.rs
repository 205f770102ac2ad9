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

use super::endings;
use super::loss::LossReason;
use super::record::Claim;
use super::registry;
use super::terms::{EnvId, Sharing};
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
            assert!(registry::held().iter().all(|held| *held.target.lock_path() != *lock_path));
            eventually("nobody's lock file is gone", || !lock_path.exists());
            return;
        };
        assert!(leases.iter().all(|other| Arc::ptr_eq(lease, other)), "one lock path has one lease");
        assert_eq!(lease.handles(), holders.len());
        assert!(lease.token >= self.token, "tokens grow");
        self.token = lease.token;
        let here = registry::held().into_iter().filter(|held| held.target.lock_path() == lease.target.lock_path());
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
    assert!(registry::held().iter().all(|held| *held.target.lock_path() != *lock_path));
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
