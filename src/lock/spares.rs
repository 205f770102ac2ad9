//! Lock files made ahead of time, and closed afterwards, where locks come and go.
//!
//! Making a file and freeing it is more than half of what an uncontended lock costs, and neither has to happen on the
//! thread that asks for the lock, which is usually an event loop. So a thread keeps a few drafts ready for each
//! directory in which locks are taken one after the other, and closes the files that have lost their names. Nothing
//! depends on it: a request that finds no draft makes one, and a file for which there is no room is closed at once.
//!
//! A draft has no name, and neither has a released file any more: a kill leaves nothing of them. After a while without
//! requests everything is closed, so that a file system can be unmounted soon after its last lock.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::draft::Draft;
use super::record::{Claim, clock_token};
use super::sync::{AtomicBool, Condvar, Mutex};
use super::sys::{self, FsClass, Instant};
use super::target::Target;
use super::terms::Terms;

/// This many drafts are kept ready for a directory. Few: file systems reuse what was just freed.
const READY: usize = 8;
/// The thread is woken when this few are left, not for each of them.
const FEW: usize = 3;
/// At most this many files wait to be closed.
const USED: usize = 8;
/// The thread is woken when this many do.
const MANY: usize = 6;
/// A directory gets drafts once this many locks have come and gone in it, each soon after the last one.
const OFTEN: u32 = 8;
/// What counts as soon. The thread also waits this long for more requests before it closes everything.
const SOON: Duration = Duration::from_millis(500);
/// At most this many directories have drafts at a time.
const PILES: usize = 4;

/// The spare lock files of local file systems.
#[derive(Default)]
pub struct Spares {
    store: Mutex<Store>,
    needed: Condvar,
    /// Whether the thread was started. Before that there is nothing in store.
    started: AtomicBool,
}

#[derive(Default)]
struct Store {
    piles: Vec<Pile>,
    /// Released files, without a name.
    used: Vec<File>,
    asleep: bool,
}

/// What is ready for one directory.
struct Pile {
    /// Any lock in the directory.
    target: Target,
    /// What the last lock there said about its lease: the next one is likely to say the same.
    claim: Arc<Claim>,
    drafts: Vec<Draft>,
    /// How many locks have come and gone, each soon after the last one.
    gone: u32,
    last: Instant,
}

impl Spares {
    /// A draft for `target`, if there is one. Its record has to be renewed before it gets its name.
    pub(super) fn take(&'static self, target: &Target) -> Option<Draft> {
        if !self.started.load(Ordering::Acquire) {
            return None;
        }
        let mut store = self.store.lock();
        let pile = store.piles.iter_mut().find(|pile| pile.is_for(target))?;
        let draft = pile.drafts.pop();
        if pile.is_short() {
            self.wake(&mut store);
        }
        draft
    }

    /// Forgets the drafts for the directory of `target`: one was no good, so perhaps the directory was replaced.
    pub(super) fn forget(&self, target: &Target) {
        self.store.lock().piles.retain(|pile| !pile.is_for(target));
    }

    /// Closes the file of a lock of `target` that has come and gone, and that nobody waited for: soon, or at once if
    /// there is no room. The file has lost its name.
    pub(super) fn put_away(&'static self, target: &Target, claim: &Arc<Claim>, file: File) {
        if target.class() != FsClass::Local || !sys::UNNAMED_FILES {
            return;
        }
        // Not waited for: the process may be ending, and the thread that has the store may never run again.
        let Some(mut store) = self.store.try_lock() else { return };
        let pile = store.pile_for(target);
        if pile.claim != *claim {
            pile.claim = claim.clone();
        }
        let (is_busy, is_short) = (pile.is_busy(), pile.is_short());
        // Where locks are rare the thread may sleep for ever, and the file would stay open.
        if is_busy && store.used.len() < USED {
            store.used.push(file);
        }
        if is_short || store.used.len() >= MANY {
            self.wake(&mut store);
        }
    }

    fn wake(&'static self, store: &mut Store) {
        if self.started.swap(true, Ordering::AcqRel) {
            if std::mem::take(&mut store.asleep) {
                self.needed.notify_one();
            }
        } else if sys::spawn("leasehold-spares", || self.provide()).is_err() {
            self.started.store(false, Ordering::Release);
            store.used.clear();
        }
    }

    fn provide(&self) {
        // Whoever wakes this thread has a lock to take or to use, and loses nothing if this work is done later.
        sys::give_way();
        let mut store = self.store.lock();
        loop {
            let wanting = store.piles.iter().find(|pile| pile.wants_drafts());
            let wanted = wanting.map(|pile| (pile.target.clone(), pile.claim.clone()));
            let used = store.used.pop();
            if wanted.is_some() || used.is_some() {
                drop(store);
                // In turns, so that few inodes are free at any time: ext4 without a journal does not reuse those for
                // minutes, and looks at each of them whenever it makes a file.
                drop(used);
                let made = wanted.map(|(target, claim)| {
                    let mut draft = Draft::unnamed(&target, &claim, clock_token);
                    draft.iter_mut().for_each(Draft::identify);
                    (draft, target)
                });
                store = self.store.lock();
                if let Some((draft, target)) = made {
                    store.add(&target, draft.ok());
                }
                continue;
            }
            store.asleep = true;
            if store.piles.is_empty() {
                self.needed.wait(&mut store);
            } else {
                self.needed.wait_for(&mut store, SOON);
                store.piles.retain(|pile| pile.last.elapsed() < SOON);
            }
            store.asleep = false;
        }
    }
}

impl Store {
    /// The pile for the directory of `target`, where a lock has just come and gone.
    fn pile_for(&mut self, target: &Target) -> &mut Pile {
        let now = Instant::now();
        let at = self.piles.iter().position(|pile| pile.is_for(target)).unwrap_or_else(|| {
            if self.piles.len() == PILES {
                let oldest = self.piles.iter().enumerate().min_by_key(|(_, pile)| pile.last).map_or(0, |(at, _)| at);
                self.piles.swap_remove(oldest);
            }
            let claim = Terms::default().claim;
            self.piles.push(Pile {
                target: target.clone(),
                claim,
                drafts: Vec::with_capacity(READY),
                gone: 0,
                last: now,
            });
            self.piles.len() - 1
        });
        let pile = &mut self.piles[at];
        let is_soon = now.duration_since(pile.last) < SOON;
        pile.gone = if is_soon { pile.gone.saturating_add(1) } else { 1 };
        pile.last = now;
        pile
    }

    /// Puts a draft on the pile it was made for. If none could be made, nobody tries again for a while.
    fn add(&mut self, target: &Target, draft: Option<Draft>) {
        let Some(pile) = self.piles.iter_mut().find(|pile| pile.is_for(target)) else { return };
        match draft {
            Some(draft) => pile.drafts.push(draft),
            None => pile.gone = 0,
        }
    }
}

impl Pile {
    fn is_for(&self, target: &Target) -> bool {
        // Most often it is the same lock.
        self.target == *target || self.target.directory().as_os_str() == target.directory().as_os_str()
    }

    /// Whether the thread is to be woken for it.
    fn is_short(&self) -> bool {
        self.wants_drafts() && self.drafts.len() <= FEW
    }

    fn wants_drafts(&self) -> bool {
        self.is_busy() && self.drafts.len() < READY
    }

    fn is_busy(&self) -> bool {
        self.gone >= OFTEN
    }
}
