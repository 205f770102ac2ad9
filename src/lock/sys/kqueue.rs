//! macOS: file events, for holders.
//!
//! A waiter would have to hear when a lock ends. The kernel has an event for that (`NOTE_FUNLOCK`), but raises it for
//! every lock that is given up, including those of waiters that looked at the file and found it held by a JS peer: they
//! would wake each other for ever. So waiters poll.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::kqueue::{
    Event, EventFilter, EventFlags, UserDefinedFlags, UserFlags, VnodeEvents, kevent_timespec, kqueue,
};
use rustix::io::{FdFlags, fcntl_setfd};

use super::super::sync::Mutex;

/// Whether waiters are woken by file events, or have to look again and again.
pub const EVENTS: bool = false;

/// The kernel refuses to wait for years.
const LONGEST: Duration = Duration::from_hours(24);

/// Wakes one thread by file events or by hand.
pub struct Watcher {
    queue: OwnedFd,
    /// The last watch of each descriptor. A watch ends with its descriptor, whose number may be another file's by now.
    watched: Mutex<HashMap<RawFd, usize>>,
}

/// One watched file: the descriptor by which it is watched, and which of that number's watches this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchId {
    file: RawFd,
    turn: usize,
}

impl Watcher {
    /// Opens a watcher.
    pub fn new() -> io::Result<Self> {
        let queue = kqueue()?;
        fcntl_setfd(&queue, FdFlags::CLOEXEC)?;
        let watcher = Self { queue, watched: Mutex::default() };
        watcher.change(&bell(EventFlags::ADD | EventFlags::CLEAR, UserFlags::empty()))?;
        Ok(watcher)
    }

    /// Starts watching `file`: never possible here, see above.
    #[must_use]
    pub fn watch(&self, _file: &File) -> Option<WatchId> {
        None
    }

    /// Starts watching a `file` of our own for being marked, removed or renamed by others. `None` when the system
    /// has no watch to spare.
    #[must_use]
    pub fn watch_own(&self, file: &File) -> Option<WatchId> {
        let file = file.as_raw_fd();
        let events = VnodeEvents::ATTRIBUTES | VnodeEvents::DELETE | VnodeEvents::RENAME;
        let mut watched = self.watched.lock();
        let turn = watched.get(&file).map_or(0, |turn| turn + 1);
        self.change(&vnode(file, events, EventFlags::ADD | EventFlags::CLEAR, turn)).ok()?;
        watched.insert(file, turn);
        Some(WatchId { file, turn })
    }

    /// Stops watching.
    pub fn unwatch(&self, watch: WatchId) {
        let watched = self.watched.lock();
        if watched.get(&watch.file) == Some(&watch.turn) {
            // Fails when the watch went with the descriptor: that is what we want.
            let _ = self.change(&vnode(watch.file, VnodeEvents::empty(), EventFlags::DELETE, 0));
        }
    }

    /// Wakes the thread inside `wait`, or the next one to get there.
    pub fn ring(&self) {
        // Cannot fail: the bell is there for as long as the queue.
        let _ = self.change(&bell(EventFlags::empty(), UserFlags::TRIGGER));
    }

    /// Waits until something happens, at most `timeout` (`None`: for ever), and calls `touched` for every watched file
    /// with an event.
    pub fn wait(&self, timeout: Option<Duration>, mut touched: impl FnMut(WatchId)) {
        let limit = timeout.map(|timeout| timeout.min(LONGEST)).map(|timeout| Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut buffer = [MaybeUninit::<Event>::uninit(); 64];
        // SAFETY: the list of changes is empty, so it names no descriptor.
        let answer = unsafe { kevent_timespec(&self.queue, &[], &mut buffer, limit.as_ref()) };
        // An interrupted wait is a wake-up like any other: the caller looks at its clock again. What did not fit into
        // the buffer comes with the next wait.
        let Ok((events, _)) = answer else { return };
        for event in events {
            if let EventFilter::Vnode { vnode: file, .. } = event.filter() {
                touched(WatchId { file, turn: event.udata().addr() });
            }
        }
    }

    fn change(&self, change: &Event) -> io::Result<()> {
        let nothing: &mut [MaybeUninit<Event>] = &mut [];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel checks the descriptor in `change`, and forgets the watch when the descriptor is closed.
        unsafe { kevent_timespec(&self.queue, std::slice::from_ref(change), nothing, Some(&at_once)) }?;
        Ok(())
    }
}

fn vnode(vnode: RawFd, events: VnodeEvents, flags: EventFlags, turn: usize) -> Event {
    Event::new(EventFilter::Vnode { vnode, flags: events }, flags, ptr::without_provenance_mut(turn))
}

fn bell(flags: EventFlags, ringing: UserFlags) -> Event {
    let filter = EventFilter::User { ident: 0, flags: ringing, user_flags: UserDefinedFlags::new(0) };
    Event::new(filter, flags, ptr::null_mut())
}

#[cfg(test)]
mod tests {
    use super::super::{mark, unlink};
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let watcher = Watcher::new().unwrap();
        watcher.ring();
        watcher.wait(None, |_| {});
    }

    #[test]
    fn a_file_of_our_own_tells_of_marks_and_of_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lock");
        let file = File::create(&path).unwrap();
        let watcher = Watcher::new().unwrap();
        let watch = watcher.watch_own(&file).unwrap();
        let mut touched = Vec::new();
        mark(&file).unwrap();
        watcher.wait(None, |watch| touched.push(watch));
        unlink(&path).unwrap();
        watcher.wait(None, |watch| touched.push(watch));
        assert_eq!(touched, [watch, watch]);
        watcher.unwatch(watch);
    }
}
