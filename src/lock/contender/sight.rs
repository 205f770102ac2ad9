//! What was last seen of a lock file, kept for whoever waits for it next: a holder that is frozen for good must not
//! outlast one short wait after the other.

use std::time::{Duration, SystemTime};

use super::{Contender, Seen, close};
use crate::lock::record::Contents;
use crate::lock::sys::{FileId, Instant, Watcher};

/// What was seen, without the file.
pub struct Sight {
    id: FileId,
    modified: SystemTime,
    contents: Contents,
    unmoved: Duration,
    looked: Instant,
}

impl Contender {
    /// Stops looking. Returns what it has seen last.
    pub fn leave(&mut self, watcher: Option<&Watcher>) -> Option<Sight> {
        close(self.moved.take(), watcher);
        let Seen { id, modified, contents, unmoved, looked, watch, .. } = self.seen.take()?;
        if let (Some(watch), Some(watcher)) = (watch, watcher) {
            watcher.unwatch(watch);
        }
        Some(Sight { id, modified, contents, unmoved, looked })
    }

    /// Goes on from what another has seen, if its next look shows the same.
    pub fn recall(&mut self, sight: Sight) {
        self.earlier = Some(sight);
    }
}

impl Seen {
    /// Counts the time in which others have watched the file, if it has not moved since then. In between nobody looked,
    /// so that counts as any other gap.
    pub(super) fn go_on_from(&mut self, earlier: &Sight) {
        if earlier.id == self.id && earlier.modified == self.modified && earlier.contents == self.contents {
            let gap = self.looked.duration_since(earlier.looked).min(self.longest_gap());
            self.unmoved = earlier.unmoved + self.unmoved.max(gap);
        }
    }
}
