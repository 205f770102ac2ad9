//! Systems whose file events are not used yet: waiters poll.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::super::sync::{Condvar, Mutex};
use super::Instant;

/// Whether waiters are woken by file events, or have to look again and again.
pub const EVENTS: bool = false;

/// Wakes one thread by hand.
#[derive(Default)]
pub struct Watcher {
    rung: Mutex<bool>,
    bell: Condvar,
}

/// One watched file. There is none: this type has no values.
pub type WatchId = std::convert::Infallible;

impl Watcher {
    /// Opens a watcher. Does not fail.
    pub fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Starts watching `file`: never possible here.
    #[must_use]
    pub fn watch(&self, _file: &File) -> Option<WatchId> {
        None
    }

    /// Starts watching a `file` of our own: never possible here.
    #[must_use]
    pub fn watch_own(&self, _file: &File) -> Option<WatchId> {
        None
    }

    /// Stops watching.
    pub fn unwatch(&self, watch: WatchId) {
        match watch {}
    }

    /// Wakes the thread inside `wait`, or the next one to get there.
    pub fn ring(&self) {
        *self.rung.lock() = true;
        self.bell.notify_one();
    }

    /// Waits until it is rung, at most `timeout` (`None`: for ever).
    pub fn wait(&self, timeout: Option<Duration>, _touched: impl FnMut(WatchId)) {
        // A moment too far away to be represented is as good as never.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut rung = self.rung.lock();
        while !*rung {
            let Some(deadline) = deadline else {
                self.bell.wait(&mut rung);
                continue;
            };
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            self.bell.wait_for(&mut rung, rest);
        }
        *rung = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let watcher = Watcher::new().unwrap();
        watcher.ring();
        watcher.wait(None, |_| {});
    }

    #[test]
    fn a_wait_ends_by_ring_or_timeout() {
        let watcher = Watcher::new().unwrap();
        let began = Instant::now();
        watcher.wait(Some(Duration::from_millis(20)), |_| {});
        assert!(began.elapsed() >= Duration::from_millis(20), "nobody rang");
        std::thread::scope(|scope| {
            scope.spawn(|| watcher.wait(None, |_| {}));
            watcher.ring();
        });
    }
}
