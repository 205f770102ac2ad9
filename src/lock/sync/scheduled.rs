//! Stand-ins, scheduled by shuttle, for `parking_lot`'s locks and conditions, std's cells and clock, and threads.
//!
//! Time is simulated: it stands still while threads run. Whenever the scheduler lets it, a dedicated thread moves it on
//! to when the first sleeper wants to be woken. So a deadline may pass at any moment, and no sleeper is woken before
//! another that is due earlier.

#![expect(clippy::missing_errors_doc, reason = "they are those of what is stood in for")]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::lock_api;
use shuttle::future::batch_semaphore::{BatchSemaphore, Fairness};
use shuttle::rand::Rng as _;

use crate::lock::sys::Instant;

/// A lock like `parking_lot`'s.
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;
/// Its guard.
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;
/// A guard of a part of what the lock protects.
pub type MappedMutexGuard<'a, T> = lock_api::MappedMutexGuard<'a, RawMutex, T>;

/// One permit. The scheduler chooses who gets it next.
pub struct RawMutex(BatchSemaphore);

// SAFETY: a semaphore with one permit lets one thread in at a time.
unsafe impl lock_api::RawMutex for RawMutex {
    const INIT: Self = Self(BatchSemaphore::const_new(1, Fairness::Unfair));

    type Guard = lock_api::GuardNoSend;

    fn lock(&self) -> Self::Guard {
        // Nobody closes it.
        let _ = self.0.acquire_blocking(1);
        Self::Guard::new()
    }

    fn try_lock(&self) -> Option<Self::Guard> {
        self.0.try_acquire(1).is_ok().then(Self::Guard::new)
    }

    unsafe fn unlock(&self, _guard: Self::Guard) {
        self.0.release(1);
    }

    fn is_locked(&self) -> bool {
        self.0.available_permits() == 0
    }
}

// SAFETY: as above. Neither call waits: the thread that has the lock may be stopped for longer than any timeout.
unsafe impl lock_api::RawMutexTimed for RawMutex {
    type Duration = Duration;
    type Instant = Instant;

    fn try_lock_for(&self, _timeout: Duration) -> Option<Self::Guard> {
        lock_api::RawMutex::try_lock(self)
    }

    fn try_lock_until(&self, _timeout: Instant) -> Option<Self::Guard> {
        lock_api::RawMutex::try_lock(self)
    }
}

/// A thread that sleeps.
struct Sleeper {
    call: BatchSemaphore,
    is_called: AtomicBool,
}

impl Sleeper {
    fn new() -> Arc<Self> {
        Arc::new(Self { call: BatchSemaphore::new(0, Fairness::Unfair), is_called: AtomicBool::new(false) })
    }

    fn sleep(&self) {
        world().at_work.fetch_sub(1, Ordering::SeqCst);
        let _ = self.call.acquire_blocking(1);
    }

    /// Returns `false` if it was called before.
    fn wake(&self) -> bool {
        let wakes = !self.is_called.swap(true, Ordering::SeqCst);
        if wakes {
            world().at_work.fetch_add(1, Ordering::SeqCst);
            self.call.release(1);
        }
        wakes
    }
}

/// A condition variable like `parking_lot`'s.
#[derive(Default)]
pub struct Condvar(parking_lot::Mutex<Vec<Arc<Sleeper>>>);

/// How a wait ended.
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// Sleeps until called.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.sleep(guard, &Sleeper::new());
    }

    /// Sleeps until called, or until `timeout` is over.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, timeout: Duration) -> WaitTimeoutResult {
        let sleeper = Sleeper::new();
        let bell = world().set_bell(timeout, &sleeper);
        self.sleep(guard, &sleeper);
        // The bell is still there if the call came before it rang.
        WaitTimeoutResult(world().bells.lock().remove(&bell).is_none())
    }

    fn sleep<T>(&self, guard: &mut MutexGuard<'_, T>, sleeper: &Arc<Sleeper>) {
        self.0.lock().push(sleeper.clone());
        MutexGuard::unlocked(guard, || sleeper.sleep());
        self.0.lock().retain(|other| !Arc::ptr_eq(other, sleeper));
    }

    /// Wakes one sleeper.
    pub fn notify_one(&self) {
        anybody_else();
        let sleepers = self.0.lock().clone();
        let _ = sleepers.iter().any(|sleeper| sleeper.wake());
    }

    /// Wakes all sleepers.
    pub fn notify_all(&self) {
        anybody_else();
        for sleeper in self.0.lock().clone() {
            sleeper.wake();
        }
    }
}

/// A cell that is filled once, like std's.
pub struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    filling: Mutex<()>,
    filled: Condvar,
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceLock<T> {
    /// An empty cell.
    pub fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), filling: Mutex::new(()), filled: Condvar::default() }
    }

    /// Its value, if it has one.
    pub fn get(&self) -> Option<&T> {
        anybody_else();
        self.value.get()
    }

    /// Fills it.
    pub fn set(&self, value: T) -> Result<(), T> {
        let _filling = self.filling.lock();
        let set = self.value.set(value);
        self.filled.notify_all();
        set
    }

    /// Its value, which is put in now if it has none.
    pub fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
        if self.get().is_none() {
            let _filling = self.filling.lock();
            self.value.get_or_init(value);
            self.filled.notify_all();
        }
        self.wait()
    }

    /// Its value, once it has one.
    pub fn wait(&self) -> &T {
        let mut filling = self.filling.lock();
        loop {
            match self.value.get() {
                Some(value) => break value,
                None => self.filled.wait(&mut filling),
            }
        }
    }
}

/// The simulated time.
#[must_use]
pub fn passed() -> Duration {
    // Not from zero: there are earlier moments, too.
    Duration::from_hours(1) + Duration::from_nanos(world().passed.load(Ordering::SeqCst))
}

/// Starts a background thread. An execution does not wait for its end.
pub fn spawn(_name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    world().at_work.fetch_add(1, Ordering::SeqCst);
    // Shuttle's threads have to end; only what it runs as a future need not.
    drop(shuttle::future::spawn(async {
        body();
        world().at_work.fetch_sub(1, Ordering::SeqCst);
    }));
    Ok(())
}

/// A point at which any thread may run next.
fn anybody_else() {
    shuttle::thread::sleep(Duration::ZERO);
}

/// The time, who sleeps, and how many work. Of all its uses only those of `bells_set` are points where others may run.
struct World {
    passed: AtomicU64,
    bells: parking_lot::Mutex<BTreeMap<(Duration, usize), Arc<Sleeper>>>,
    /// One permit for each bell that was set.
    bells_set: BatchSemaphore,
    count: AtomicUsize,
    is_over: AtomicBool,
    /// How many background threads do not sleep.
    at_work: AtomicIsize,
}

shuttle::lazy_static! {
    static ref WORLD: World = World {
        passed: AtomicU64::new(0),
        bells: parking_lot::Mutex::default(),
        bells_set: BatchSemaphore::new(0, Fairness::Unfair),
        count: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        at_work: AtomicIsize::new(0),
    };
}

fn world() -> &'static World {
    &WORLD
}

impl World {
    fn set_bell(&'static self, after: Duration, sleeper: &Arc<Sleeper>) -> (Duration, usize) {
        let at = Duration::from_nanos(self.passed.load(Ordering::SeqCst)).saturating_add(after);
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        self.bells.lock().insert((at, number), sleeper.clone());
        self.bells_set.release(1);
        if number == 0 {
            drop(shuttle::future::spawn(async { self.run() }));
        }
        (at, number)
    }

    /// Lets time pass.
    fn run(&self) {
        // In some executions threads get little done between two moments, in others much.
        let slowness = [1, 3, 20][shuttle::rand::thread_rng().gen_range(0..3)];
        loop {
            let _ = self.bells_set.acquire_blocking(1);
            (0..slowness).for_each(|_| shuttle::thread::yield_now());
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let first = self.bells.lock().pop_first();
            if let Some(((at, _), sleeper)) = first.filter(|(_, sleeper)| !sleeper.is_called.load(Ordering::SeqCst)) {
                self.passed.fetch_max(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
                sleeper.wake();
            }
        }
    }
}

/// Stops time, and lets background threads work until all of them sleep.
pub fn end() {
    world().is_over.store(true, Ordering::SeqCst);
    while world().at_work.load(Ordering::SeqCst) > 0 {
        shuttle::thread::yield_now();
    }
}
