//! Turns between processes that wait for one lock file: which of them looks first after an event, and which stays away.
//!
//! The system wakes all of them at once. Nothing here is needed for safety: who looks out of turn does no harm.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use crate::lock::sys::FileId;

/// Among waiters that know of each other one that has lost no race yet looks as many steps after an event, one that
/// has lost one a step earlier, and so on: who has waited for longest goes first.
pub(super) const STEPS: u32 = 7;
/// As long as a look and a wake-up may differ.
pub(super) const STEP: Duration = Duration::from_micros(50);
/// Races that follow each other this soon are as much work for those who lose as for those who win.
pub(super) const BRISK: Duration = Duration::from_millis(1);
/// A waiter that loses as many of them leaves the next ones to others.
pub(super) const RACES: u32 = 3;
/// For as many microseconds, or up to twice as many, and for twice as long with each race it loses then.
pub(super) const AWAY: u64 = 200;
/// It is doubled this often.
pub(super) const DOUBLINGS: u32 = 5;

/// What one waiter knows of the others.
#[derive(Default)]
pub(super) struct Rivals {
    /// Whether something happened to the lock file since somebody else was seen to have it.
    stirred: bool,
    /// How many races somebody else has won.
    lost: u32,
    /// The file that shows others that this one waits.
    marked: Option<FileId>,
    /// Whether there are any.
    known: bool,
}

impl Rivals {
    /// Whether there are any, as far as was seen.
    pub(super) const fn are_known(&self) -> bool {
        self.known
    }

    /// Something happened to the lock file, which had been the same for as long as `unmoved`. Says after how long to
    /// look: at once, unless others may have waited for longer.
    pub(super) fn stir(&mut self, unmoved: Duration) -> Duration {
        self.stirred = true;
        if self.known { (STEP * STEPS.saturating_sub(self.lost)).min(unmoved / 8) } else { Duration::ZERO }
    }

    /// The lock file `id` shows by now that this one waits.
    pub(super) fn mark(&mut self, id: FileId) {
        self.marked = Some(id);
    }

    /// The lock file `id` shows that somebody waits.
    pub(super) fn see_mark(&mut self, id: FileId) {
        self.known |= self.marked != Some(id);
    }

    /// Somebody else was faster, if there was a race.
    pub(super) fn lose(&mut self) {
        if std::mem::take(&mut self.stirred) {
            self.lost += 1;
            self.known = true;
        }
    }

    /// As `lose`, where the next holder has a file of its own. Says for how long to stay away, if one race follows the
    /// other and this one loses all the time: with many waiters most do, and each that is woken delays the others.
    /// `unmoved` is for how long the last holder was seen; `token` sets those apart who would only meet again.
    pub(super) fn lose_file(&mut self, unmoved: Duration, token: u64) -> Option<Duration> {
        if !self.stirred {
            return None;
        }
        self.lose();
        let doublings = self.lost.checked_sub(RACES)?.min(DOUBLINGS);
        let who = (std::process::id(), token, self.lost);
        let more = BuildHasherDefault::<DefaultHasher>::new().hash_one(who) % AWAY;
        (unmoved <= BRISK).then(|| Duration::from_micros(AWAY + more) * (1 << doublings))
    }
}
