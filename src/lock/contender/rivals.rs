//! Turns among processes that wait for one lock file: which of them looks first after an event, and which stays away.
//!
//! The system wakes all of them at once. Nothing here is needed for safety: a look out of turn does no harm.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use crate::lock::sys::{FileId, Instant};

/// A waiter that knows of others looks this many steps after an event, and one step earlier for each race it has lost:
/// the one that has waited longest goes first.
pub(super) const STEPS: u32 = 7;
/// By how much wake-ups and looks vary.
pub(super) const STEP: Duration = Duration::from_micros(50);
/// Races that follow each other this soon are as much work for the losers as for the winners.
pub(super) const BRISK: Duration = Duration::from_millis(1);
/// A waiter that has lost this many races leaves the next ones to others when they follow each other that soon.
pub(super) const RACES: u32 = 3;
/// It stays away for this many microseconds, or up to twice as many.
pub(super) const AWAY: u64 = 200;
/// That time is doubled with each further race it loses, this often;
pub(super) const DOUBLINGS: u32 = 5;
/// then with every fourth, since the crowd must be a large one,
pub(super) const SLOWER: u32 = 4;
/// and this often in all.
pub(super) const MOST_DOUBLINGS: u32 = 8;

/// A process that has met a crowd stays away from its first lost race on, as if it had lost this many before.
pub(super) const MET: u32 = RACES + 1;

/// Whoever has waited for more turns than this plus one has met a crowd, and about this many are to wait at a time.
pub(super) const PRESENT: u32 = 4;
/// For how long a crowd is left alone at most: as long as a waiter sleeps that is woken by events.
pub(super) const REST: Duration = Duration::from_millis(500);

/// What one waiter knows of the others.
pub(super) struct Rivals {
    /// Since when this waiter has been waiting.
    since: Instant,
    /// How long the last holder was seen, whose file somebody else's has replaced.
    turn: Option<Duration>,
    /// Whether something happened to the lock file since somebody else was seen to have it.
    stirred: bool,
    /// How many races this waiter has lost.
    lost: u32,
    /// The file that bears this waiter's own mark.
    marked: Option<FileId>,
    /// How many races this process is taken to have lost before, see [`MET`].
    lost_before: u32,
    /// Whether other waiters have been noticed.
    known: bool,
}

impl Default for Rivals {
    fn default() -> Self {
        Self { since: Instant::now(), turn: None, stirred: false, lost: 0, lost_before: 0, marked: None, known: false }
    }
}

impl Rivals {
    /// Whether other waiters have been noticed.
    pub(super) const fn are_known(&self) -> bool {
        self.known
    }

    /// Something happened to the lock file, which had not moved for `unmoved`. Returns how long to wait before
    /// looking: not at all, unless others may have waited longer.
    pub(super) fn stir(&mut self, unmoved: Duration) -> Duration {
        self.stirred = true;
        if self.known { (STEP * STEPS.saturating_sub(self.lost)).min(unmoved / 8) } else { Duration::ZERO }
    }

    /// This process has met a crowd at this lock just before.
    pub(super) const fn expect_crowd(&mut self) {
        self.lost_before = MET;
    }

    /// This waiter has left its mark on the lock file `id`.
    pub(super) fn mark(&mut self, id: FileId) {
        self.marked = Some(id);
    }

    /// The lock file `id` bears the mark of a waiter.
    pub(super) fn see_mark(&mut self, id: FileId) {
        self.known |= self.marked != Some(id);
    }

    /// Somebody else has the lock: counts a lost race, if there was one.
    pub(super) fn lose(&mut self) {
        if std::mem::take(&mut self.stirred) {
            self.lost += 1;
            self.known = true;
        }
    }

    /// Like `lose`, where the next holder has a file of its own. Returns how long to stay away if races follow each
    /// other quickly and this waiter keeps losing: with many waiters most do, and each one woken delays the others.
    /// `unmoved` is for how long the last holder was seen; `token` keeps waiters from returning at the same moment.
    pub(super) fn lose_file(&mut self, unmoved: Duration, token: u64) -> Option<Duration> {
        if !self.stirred {
            return None;
        }
        self.lose();
        self.turn = Some(unmoved);
        let races = (self.lost + self.lost_before).checked_sub(RACES)?;
        let doublings = races.min(DOUBLINGS + races.saturating_sub(DOUBLINGS) / SLOWER).min(MOST_DOUBLINGS);
        let who = (std::process::id(), token, self.lost);
        let more = BuildHasherDefault::<DefaultHasher>::new().hash_one(who) % AWAY;
        (unmoved <= BRISK).then(|| Duration::from_micros(AWAY + more) * (1 << doublings))
    }

    /// It is this waiter's turn. Returns for how long this process leaves a crowd alone before it contends again: for
    /// most of the time that it has waited, as all others do by then. So only some of them look at each turn, however
    /// many they are, and in the order in which they came; and those who have waited for longer than others come sooner.
    /// The turns of [`PRESENT`] are left for waiting. Of the rest it is only a part, or else a process that once waited
    /// for long would always do so.
    pub(super) fn rest(&self) -> Option<Duration> {
        let turn = self.turn?;
        let rest = self.since.elapsed().saturating_sub(turn * PRESENT) * 7 / 8;
        (rest > turn).then(|| rest.min(REST))
    }
}
