//! A lock, the requests for it, and what must hold for them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::mpsc;
use shuttle::thread::JoinHandle;
use shuttle::{Config, MaxSteps, Runner};

use super::super::acquire::enter;
use super::super::lease::Lease;
use super::super::record::Claim;
use super::super::registry::{self, Observer};
use super::super::sync::scheduled;
use super::super::terms::{EnvId, Sharing};
use super::super::{Acquired, Hold, LockError, Loss, Target, Terms, Ticket, acquire};

/// How many schedules of each kind a test gets.
const SCHEDULES: usize = 2000;
/// An execution that takes this many steps never ends.
const ENDLESS: usize = 20_000;
/// How many changes of priority a schedule of the second kind has.
const CHANGES: usize = 4;

/// Runs `scenario` in many schedules.
pub fn explore(scenario: impl Fn(Arc<Place>) + Send + Sync + 'static) {
    let schedules = std::env::var("LEASEHOLD_SCHEDULES").ok().and_then(|number| number.parse().ok());
    let schedules = schedules.unwrap_or(SCHEDULES);
    let directory = scratch();
    let path = directory.path().canonicalize().unwrap().join("file");
    let scenario = Arc::new(scenario);
    let run = |scheduler: Box<dyn Scheduler + Send>| {
        let mut config = Config::new();
        config.stack_size = 256 * 1024;
        config.max_steps = MaxSteps::FailAfter(ENDLESS);
        config.silence_warnings = true;
        config.failure_persistence = shuttle::FailurePersistence::None;
        let (scenario, path) = (scenario.clone(), path.clone());
        Runner::new(scheduler, config).run(move || {
            let place = Arc::new(Place::new(path.clone()));
            scenario(place.clone());
            place.is_left_as_found();
        });
    };
    run(Box::new(RandomScheduler::new(schedules)));
    let seed = Seed(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
    run(Box::new(PctScheduler::new_from_seed(seed.0, CHANGES, schedules)));
}

/// A seed that is printed if the test fails. (The random scheduler prints its own.)
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed of the priorities: SHUTTLE_RANDOM_SEED={}", self.0);
        }
    }
}

/// In memory, where that is available.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    shuttle::thread::spawn(body)
}

pub fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// One of `sides` numbers, chosen by the schedule.
pub fn roll(sides: u32) -> u32 {
    shuttle::rand::Rng::gen_range(&mut shuttle::rand::thread_rng(), 0..sides)
}

/// Lets the others run for a while, or not.
pub fn dawdle() {
    (0..roll(30)).for_each(|_| shuttle::thread::yield_now());
}

/// Lets the others run until `is_so`.
pub fn eventually(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        shuttle::thread::yield_now();
    }
}

/// A lock, and a list of what happened to it. Using the list is no point where others may run.
pub struct Place {
    pub path: PathBuf,
    pub lock_path: PathBuf,
    events: parking_lot::Mutex<Events>,
}

#[derive(Default)]
struct Events {
    count: usize,
    inside: Vec<Arc<Lease>>,
    leases: Vec<Weak<Lease>>,
    turns: Vec<Turn>,
}

/// A request that was served.
struct Turn {
    shares: bool,
    asked: usize,
    /// When it was known to wait; `None` if it never had to.
    waited: Option<usize>,
    lease: u64,
    token: u64,
}

impl Place {
    fn new(path: PathBuf) -> Self {
        let lock_path = path.with_extension("lock");
        assert!(!lock_path.exists());
        Target::resolve(&path).unwrap();
        Self { path, lock_path, events: parking_lot::Mutex::default() }
    }

    pub fn target(&self) -> Target {
        Target::resolve(&self.path).unwrap()
    }

    fn tick(&self) -> usize {
        let mut events = self.events.lock();
        events.count += 1;
        events.count
    }

    /// Asks for the lock.
    pub fn ask(self: &Arc<Self>, terms: Terms) -> Asked {
        self.ask_by(terms, |terms, settle| acquire(&self.path, terms, settle))
    }

    /// Asks for it as if it were on a network file system.
    pub fn ask_remotely(self: &Arc<Self>, terms: Terms) -> Asked {
        let target = self.target().far_away();
        self.ask_by(terms, |terms, settle| {
            let ticket = Arc::new(Ticket::new(&self.path, terms, settle));
            enter(&target, &ticket).map(|hold| hold.map_or(Acquired::Later(ticket), Acquired::Now))
        })
    }

    fn ask_by(
        self: &Arc<Self>,
        terms: Terms,
        ask: impl FnOnce(Terms, super::super::ticket::Settle) -> Result<Acquired, LockError>,
    ) -> Asked {
        let (sender, outcome) = mpsc::channel();
        let shares = terms.claim.sharing != Sharing::Chain;
        let since = self.tick();
        // A hold that nobody receives any longer is dropped, which releases it.
        let answer = ask(terms, Box::new(move |settled| drop(sender.send(settled))));
        let waited = self.tick();
        let place = self.clone();
        Asked { place, shares, since, waited, answer: Some(answer), outcome, ticket: None }.sorted()
    }

    /// Notes that somebody has the lock, and checks that nobody else does.
    fn enter(&self, hold: &Hold, turn: Turn) {
        let lease = hold.lease();
        let others: Vec<_> = {
            let mut events = self.events.lock();
            events.turns.push(turn);
            if events.leases.iter().all(|known| known.as_ptr() != Arc::as_ptr(lease)) {
                events.leases.push(Arc::downgrade(lease));
            }
            events.inside.push(lease.clone());
            events.inside.iter().filter(|other| !Arc::ptr_eq(other, lease)).cloned().collect()
        };
        // Leases may be taken away at any time, but then they are over.
        assert!(lease.is_over() || others.iter().all(|other| other.is_over()), "two have the lock at a time");
    }

    fn leave(&self, hold: &Hold) {
        let mut events = self.events.lock();
        let at = events.inside.iter().position(|lease| Arc::ptr_eq(lease, hold.lease()));
        events.inside.remove(at.expect("it was inside"));
    }

    /// Releases a lock, and waits for the answer.
    #[expect(clippy::needless_pass_by_value, reason = "nobody has it any more")]
    pub fn release(&self, hold: Hold) {
        self.leave(&hold);
        let (sender, released) = mpsc::channel();
        hold.release(move |outcome| sender.send(outcome).unwrap());
        released.recv().expect("a release is answered").unwrap();
        assert!(released.recv().is_err(), "a release is answered once");
        assert!(!hold.is_held());
    }

    /// Starts a thread.
    pub fn spawn(self: &Arc<Self>, body: impl FnOnce(&Arc<Self>) + Send + 'static) -> JoinHandle<()> {
        let place = self.clone();
        spawn(move || body(&place))
    }

    /// Starts a thread for each number, which is its environment's, or merely its own.
    pub fn spawn_each(self: &Arc<Self>, numbers: Range<u64>, body: fn(&Arc<Self>, u64)) -> Vec<JoinHandle<()>> {
        numbers.map(|number| self.spawn(move |place| body(place, number))).collect()
    }

    /// Checks that a lock which nobody can have taken away is still held, and releases it.
    pub fn use_and_release(&self, hold: Hold) {
        hold.believe().expect("it is held until it is released");
        hold.check().expect("its file has the name");
        assert_eq!(hold.loss(), None);
        self.release(hold);
    }

    /// Uses and releases what a request got, if it was not dropped.
    pub fn use_if_had(&self, settled: Option<Result<Hold, LockError>>) {
        if let Some(hold) = settled {
            self.use_and_release(hold.unwrap());
        }
    }

    /// Like `use_if_had`, where the request may have timed out.
    pub fn use_if_in_time(&self, settled: Option<Result<Hold, LockError>>) {
        match settled {
            Some(Err(error)) => assert!(matches!(error, LockError::Timeout { .. }), "{error}"),
            settled => self.use_if_had(settled),
        }
    }

    pub fn leases_left(&self) -> usize {
        self.events.lock().leases.iter().filter(|lease| lease.strong_count() > 0).count()
    }

    fn is_left_as_found(&self) {
        eventually(|| !self.lock_path.exists() && registry::table().locks.is_empty());
        scheduled::end();
        assert!(!self.lock_path.exists() && registry::table().locks.is_empty());
        assert_eq!(self.leases_left(), 0, "nobody keeps a lease that is over");
        let Events { turns, inside, .. } = std::mem::take(&mut *self.events.lock());
        assert!(inside.is_empty());
        for turn in &turns {
            for other in &turns {
                let earlier = turn.lease < other.lease;
                assert!(!earlier || turn.token < other.token, "tokens grow");
                // A sharer goes before others if somebody it can share with is in.
                if turn.waited.is_some_and(|waited| waited < other.asked) && (turn.shares || !other.shares) {
                    assert!(turn.lease <= other.lease, "who waited longer has it first");
                }
            }
        }
    }
}

/// A request.
pub struct Asked {
    place: Arc<Place>,
    shares: bool,
    since: usize,
    waited: usize,
    answer: Option<Result<Acquired, LockError>>,
    outcome: mpsc::Receiver<Result<Hold, LockError>>,
    pub ticket: Option<Arc<Ticket>>,
}

impl Asked {
    fn sorted(mut self) -> Self {
        self.answer = match self.answer.take() {
            Some(Ok(Acquired::Later(ticket))) => {
                self.ticket = Some(ticket);
                None
            }
            now => now,
        };
        self
    }

    /// Its outcome. `None` if it was dropped.
    pub fn settled(self) -> Option<Result<Hold, LockError>> {
        let settled = match self.answer {
            Some(answer) => {
                assert!(self.outcome.recv().is_err(), "a request is answered once");
                match answer {
                    Ok(Acquired::Now(hold)) => Ok(hold),
                    Ok(Acquired::Later(_)) => unreachable!("it has a ticket"),
                    Err(error) => Err(error),
                }
            }
            None => {
                let settled = self.outcome.recv().ok()?;
                assert!(self.outcome.recv().is_err(), "a request is settled once");
                settled
            }
        };
        if let Ok(hold) = &settled {
            let Self { shares, since: asked, .. } = self;
            let waited = self.ticket.as_ref().map(|_| self.waited);
            let lease = hold.lease();
            self.place.enter(hold, Turn { shares, asked, waited, lease: lease.id, token: lease.token });
        }
        Some(settled)
    }

    /// The lock, which nothing may keep it from getting.
    pub fn had(self) -> Hold {
        self.settled().expect("nobody dropped it").expect("nothing was in the way")
    }

    /// Cancels it. Returns its outcome if it was too late for that.
    pub fn cancelled(self) -> Option<Result<Hold, LockError>> {
        let cancelled = self.ticket.as_ref().is_some_and(|ticket| ticket.cancel());
        let settled = self.settled();
        assert_eq!(cancelled, settled.is_none(), "either it is cancelled or it has an outcome");
        settled
    }

    /// `cancelled` one time in `sides`, as the schedule chooses, and otherwise `settled`.
    pub fn cancelled_once_in(self, sides: u32) -> Option<Result<Hold, LockError>> {
        if roll(sides) == 0 { self.cancelled() } else { self.settled() }
    }

    /// Like `cancelled`, where the end of its environment may have cancelled it, too.
    pub fn cancelled_unless_closed(self) -> Option<Result<Hold, LockError>> {
        let cancelled = self.ticket.as_ref().is_some_and(|ticket| ticket.cancel());
        let settled = self.settled();
        assert!(!cancelled || settled.is_none(), "a cancelled request has no outcome");
        settled
    }
}

/// Terms on which a lock is not shared, nor taken away for having been held too long.
pub fn alone(env: EnvId) -> Terms {
    let claim = Claim { lease: Duration::from_hours(1), ..Claim::default() }.into();
    Terms { timeout: None, env, claim, ..Terms::default() }
}

/// Terms on which it is shared in this way.
pub fn sharing(sharing: Sharing, env: EnvId) -> Terms {
    let terms = alone(env);
    Terms { claim: Claim { sharing, ..(*terms.claim).clone() }.into(), ..terms }
}

/// Terms on which it is shared with everybody who asks on such terms.
pub fn shared(env: EnvId) -> Terms {
    sharing(Sharing::Process, env)
}

/// How often an environment was told of a loss.
#[derive(Default)]
pub struct Told(AtomicUsize);

impl Told {
    pub fn of(env: EnvId) -> Arc<Self> {
        let told = Arc::new(Self::default());
        registry::observe(env, told.clone());
        told
    }

    pub fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Observer for Told {
    fn lost(&self, _loss: &Arc<Loss>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn suspected(&self) {}

    fn not_removed(&self, error: &LockError) {
        panic!("{error}");
    }
}
