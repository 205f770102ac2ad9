//! Waiting for other processes: one thread for all waiters of a file-system class.
//!
//! It sleeps until a watched lock file changes, a look is due or a deadline passes. It also watches the
//! lock files of older leases of ours, to notice who waits for them or meddles with them. No waiter ever
//! occupies a thread of its own, or one of libuv's.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::contender::{Contender, Look, Sight};
use super::lease::Lease;
use super::post::Post;
use super::registry;
use super::sync::{AtomicBool, Mutex, OnceLock};
use super::sys::{self, FsClass, Instant, WatchId, Watcher};
use super::target::Target;
use super::ticket::Ticket;

/// The lookout of one file-system class.
#[derive(Default)]
pub struct Lookout {
    inbox: Mutex<Vec<Message>>,
    watcher: OnceLock<Option<Watcher>>,
    /// Whether the thread was started, or the heart keeps trying to.
    started: AtomicBool,
    deadlines: Mutex<Deadlines>,
}

enum Message {
    Contend(Box<Contender>, Instant),
    Revisit(Target),
    Attend(Arc<Lease>),
}

/// What a watched file is to us.
enum Watched {
    /// Somebody else's lock, which we wait for.
    Wanted(Target),
    /// Our own.
    Held(Weak<Lease>),
}

#[derive(Default)]
struct Deadlines {
    by_time: BTreeMap<(Instant, u64), Weak<Ticket>>,
    count: u64,
}

/// What the thread keeps to itself.
#[derive(Default)]
struct Rounds {
    contenders: HashMap<Target, (Box<Contender>, Instant)>,
    due: BTreeSet<(Instant, Target)>,
    watched: HashMap<WatchId, Watched>,
    /// What was last seen of locks that nobody waits for any more.
    sights: Vec<(Target, Sight)>,
    /// Locks that many processes want, and until when we leave them alone.
    rests: Vec<(Target, Instant)>,
    /// When the watches of leases that are over were last looked for.
    swept: Option<Instant>,
    /// Whether other processes also wait for the lock last looked at.
    has_rivals: bool,
}

impl Lookout {
    /// Looks on behalf of `contender` from now on, first after `pause`.
    pub(super) fn contend(&'static self, contender: Contender, pause: Duration) {
        Post::of(contender.target().class()).heart.start();
        self.send(Message::Contend(Box::new(contender), Instant::now() + pause));
    }

    /// Looks at the lock of `target` soon, if we wait for it: its queue has changed.
    pub(super) fn revisit(&'static self, target: &Target) {
        self.send(Message::Revisit(target.clone()));
    }

    /// Has the heart look after `lease` whenever something happens to its lock file: somebody began
    /// to wait for it, or removed it.
    pub(super) fn attend(&'static self, lease: &Arc<Lease>) {
        if lease.becomes_attended() {
            self.send(Message::Attend(lease.clone()));
        }
    }

    /// Calls `ticket.expire()` at `deadline`, unless the ticket is gone by then.
    pub(super) fn expect(&'static self, deadline: Instant, ticket: &Arc<Ticket>) {
        let is_first = {
            let mut deadlines = self.deadlines.lock();
            deadlines.count += 1;
            let key = (deadline, deadlines.count);
            deadlines.by_time.insert(key, Arc::downgrade(ticket));
            // Tickets that were settled early are weeded out now and then.
            if deadlines.count.is_power_of_two() || deadlines.count.is_multiple_of(1024) {
                deadlines.by_time.retain(|_, ticket| ticket.strong_count() > 0);
            }
            deadlines.by_time.keys().next() == Some(&key)
        };
        if is_first {
            self.wake();
        }
    }

    fn send(&'static self, message: Message) {
        self.inbox.lock().push(message);
        self.wake();
    }

    fn wake(&'static self) {
        if !self.started.swap(true, Ordering::AcqRel) && !self.start() {
            // Perhaps nobody else comes.
            Post::of(FsClass::Local).heart.keep_trying(|| self.start());
        }
        if let Some(watcher) = self.watcher() {
            watcher.ring();
        }
    }

    fn watcher(&self) -> Option<&Watcher> {
        self.watcher.get_or_init(|| Watcher::new().ok()).as_ref()
    }

    fn start(&'static self) -> bool {
        sys::spawn("leasehold-lookout", || self.look_for_ever(self.watcher())).is_ok()
    }

    fn look_for_ever(&'static self, watcher: Option<&Watcher>) {
        let mut rounds = Rounds::default();
        // Only this thread stands between a release and the next owner; where many wait it is just one of them.
        let mut slice = sys::Slice::of_this_thread();
        loop {
            let next_deadline = self.expire_due();
            for message in std::mem::take(&mut *self.inbox.lock()) {
                rounds.accept(message, watcher);
            }
            rounds.look_at_due(watcher);
            slice.set_short(!rounds.has_rivals);
            let next_look = rounds.due.first().map(|(due, _)| *due);
            let next = next_deadline.into_iter().chain(next_look).min();
            let timeout = next.map(|next| next.saturating_duration_since(Instant::now()));
            match watcher {
                Some(watcher) => watcher.wait(timeout, |watch| rounds.stir(watch, watcher)),
                // No watcher could be made, for want of a descriptor: poll.
                None => std::thread::sleep(timeout.unwrap_or(POLL).min(POLL)),
            }
        }
    }

    /// Expires the tickets whose time is over; returns the next deadline.
    fn expire_due(&self) -> Option<Instant> {
        loop {
            let mut deadlines = self.deadlines.lock();
            let first = deadlines.by_time.first_entry()?;
            if first.key().0 > Instant::now() {
                return Some(first.key().0);
            }
            let ticket = first.remove();
            drop(deadlines);
            if let Some(ticket) = ticket.upgrade() {
                ticket.expire();
            }
        }
    }
}

/// How often a lookout without a watcher wakes up.
const POLL: Duration = Duration::from_millis(25);

/// Our own lock files are watched while fewer files than this are; the others are looked after at their beats.
const ATTENDED: usize = 1024;
/// When there is no room for another, kept files that nobody has touched since their leases ended make room; they are
/// looked for no more often than this.
const SWEEP: Duration = Duration::from_millis(100);
/// Events on a lock file of our own within this time count as one.
const COALESCE: Duration = Duration::from_millis(10);
/// While no more locks than this are waited for, each contender keeps a draft ready for the moment its lock is
/// free. That makes hand-overs faster, but costs a descriptor each.
const PREPARED: usize = 64;

/// This many locks that nobody waits for any more are remembered.
const SIGHTS: usize = 64;
/// The least pause between looks at a lock that raises no events, for each lock that is waited for: a thousand of
/// them must not keep a core busy.
const SPARED: Duration = Duration::from_micros(200);

impl Rounds {
    fn accept(&mut self, message: Message, watcher: Option<&Watcher>) {
        match message {
            Message::Contend(mut contender, mut due) => {
                let target = contender.target().clone();
                if let Some(until) = self.rest(&target) {
                    contender.expect_crowd();
                    due = due.max(until);
                }
                if let Some(at) = self.sights.iter().position(|(seen, _)| *seen == target) {
                    contender.recall(self.sights.swap_remove(at).1);
                }
                self.contend(contender, due);
            }
            Message::Revisit(target) => self.hurry(&target, Duration::ZERO),
            Message::Attend(lease) => {
                let Some(watcher) = watcher else { return };
                if self.has_room(watcher)
                    && let Some(watch) = lease.watch(watcher)
                {
                    self.watched.insert(watch, Watched::Held(Arc::downgrade(&lease)));
                }
            }
        }
    }

    /// Until when the lock of `target`, which somebody else has, is to be left alone, if a crowd waits for it.
    fn rest(&mut self, target: &Target) -> Option<Instant> {
        let now = Instant::now();
        self.rests.retain(|(_, until)| *until > now);
        let at = self.rests.iter().position(|(rested, _)| rested == target)?;
        let (_, until) = self.rests.swap_remove(at);
        // Whoever has little time must look more often.
        let patience = registry::patience(target);
        Some(patience.map_or(until, |patience| until.min(now + patience / 8)))
    }

    /// Whether one more lock file of our own can be watched.
    fn has_room(&mut self, watcher: &Watcher) -> bool {
        let now = Instant::now();
        if self.watched.len() >= ATTENDED && self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP) {
            self.swept = Some(now);
            let is_over = |watched: &Watched| matches!(watched, Watched::Held(lease) if unless_over(lease).is_none());
            let over: Vec<_> = self.watched.iter().filter(|(_, watched)| is_over(watched)).map(|(id, _)| *id).collect();
            for watch in over {
                self.unwatch(watch, watcher);
            }
        }
        self.watched.len() < ATTENDED
    }

    fn unwatch(&mut self, watch: WatchId, watcher: &Watcher) {
        self.watched.remove(&watch);
        watcher.unwatch(watch);
    }

    fn contend(&mut self, contender: Box<Contender>, due: Instant) {
        let target = contender.target().clone();
        self.due.insert((due, target.clone()));
        self.contenders.insert(target, (contender, due));
    }

    /// Responds to an event on a watched file.
    fn stir(&mut self, watch: WatchId, watcher: &Watcher) {
        match self.watched.get(&watch) {
            Some(Watched::Wanted(target)) => {
                let target = target.clone();
                let pause = self.contenders.get_mut(&target).map(|(contender, _)| contender.stir());
                self.hurry(&target, pause.unwrap_or_default());
            }
            Some(Watched::Held(lease)) => match unless_over(lease) {
                Some(lease) => {
                    let soon = Instant::now() + COALESCE;
                    Post::of(lease.target.class()).heart.hurry(&lease, soon);
                }
                // The lease is over. The system drops the watch along with the file, but that may have been kept.
                None => self.unwatch(watch, watcher),
            },
            // Nobody asked for it any more.
            None => watcher.unwatch(watch),
        }
    }

    fn hurry(&mut self, target: &Target, pause: Duration) {
        if let Some((_, due)) = self.contenders.get_mut(target) {
            self.due.remove(&(*due, target.clone()));
            *due = (Instant::now() + pause).min(*due);
            self.due.insert((*due, target.clone()));
        }
    }

    fn look_at_due(&mut self, watcher: Option<&Watcher>) {
        let now = Instant::now();
        while let Some((due, target)) = self.due.first().cloned()
            && due <= now
        {
            self.due.pop_first();
            if let Some((contender, _)) = self.contenders.remove(&target) {
                self.look(contender, watcher);
            }
        }
    }

    /// One look on behalf of the first in the queue, and whatever follows from it.
    fn look(&mut self, mut contender: Box<Contender>, watcher: Option<&Watcher>) {
        let target = contender.target().clone();
        let before = contender.watch();
        let Some(ticket) = registry::next_of(&target) else {
            if let Some(sight) = contender.leave(watcher) {
                if self.sights.len() >= SIGHTS {
                    self.sights.remove(0);
                }
                self.sights.push((target, sight));
            }
            self.watched
                .retain(|_, watched| !matches!(watched, Watched::Wanted(wanted) if wanted == contender.target()));
            return;
        };
        let looked = contender.look(&ticket.terms, watcher);
        let after = contender.watch();
        if before != after {
            // The file may be ours by now, and be kept.
            if let (Some(before), Some(watcher)) = (before, watcher) {
                self.unwatch(before, watcher);
            }
            if let Some(after) = after {
                self.watched.insert(after, Watched::Wanted(target.clone()));
            }
        }
        match looked {
            Ok(Look::Taken { sidecar, from }) => {
                if let Some(rest) = contender.rest() {
                    self.rests.push((target, Instant::now() + rest));
                }
                registry::taken(contender.target(), &ticket, sidecar, from);
                // The thread that has the lock now may have been queued on this very processor, behind us.
                std::thread::yield_now();
                contender.forget(watcher);
                if let Some(after) = after {
                    self.watched.remove(&after);
                }
            }
            Ok(Look::Held { again }) => {
                self.has_rivals = contender.has_rivals();
                registry::still_held(contender.target(), &ticket.terms, || contender.owner());
                if self.contenders.len() >= PREPARED {
                    contender.slim_down();
                }
                let crowd = u32::try_from(self.contenders.len()).unwrap_or(u32::MAX);
                let pause = if after.is_none() { again.max(SPARED * crowd) } else { again };
                self.contend(contender, Instant::now() + pause);
            }
            Err(error) => {
                registry::failed(contender.target(), &ticket, error);
                self.contend(contender, Instant::now());
            }
        }
    }
}

fn unless_over(lease: &Weak<Lease>) -> Option<Arc<Lease>> {
    lease.upgrade().filter(|lease| !lease.is_over())
}
