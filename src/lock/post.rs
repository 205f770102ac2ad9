//! Which background threads serve which file system.
//!
//! All local file systems share one set of threads. Every remote one has its own, so a server that hangs
//! holds up nobody but its own users.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use super::hands::Hands;
use super::heart::Heart;
use super::lookout::Lookout;
use super::spares::Spares;
use super::sync::{Mutex, OnceLock, global};
use super::sys::FsClass;

/// A heart, a lookout, hands, spares and writers. Their threads start when they are first needed.
#[derive(Default)]
pub struct Post {
    /// Beats and enforces limits.
    pub heart: Heart,
    /// Waits for other processes.
    pub lookout: Lookout,
    /// Does what may take long and must not be done on a caller's thread.
    pub hands: Hands,
    /// Makes lock files ahead of time.
    pub(super) spares: Spares,
    writers: [Hands; WRITERS],
}

/// How many files of one post can be on their way to the disk at a time.
const WRITERS: usize = 4;

impl Post {
    /// The hands that write `path`. They wait for the disk, so other jobs have hands of their own. A path
    /// always has the same ones, so that the writes of one file are done in order.
    #[must_use]
    pub fn writer(&'static self, path: &Path) -> &'static Hands {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any of its bits will do")]
        let hash = hasher.finish() as usize;
        &self.writers[hash % WRITERS]
    }

    /// The threads that serve `class`.
    #[must_use]
    pub fn of(class: FsClass) -> &'static Self {
        global! { static LOCAL: OnceLock<Post> = OnceLock::new(); }
        global! { static REMOTE: Mutex<Vec<(u64, &'static Post)>> = Mutex::new(Vec::new()); }
        match class {
            FsClass::Local => LOCAL.get_or_init(Self::default),
            FsClass::Remote { device } => {
                let mut remote = REMOTE.lock();
                if let Some((_, post)) = remote.iter().find(|(known, _)| *known == device) {
                    return post;
                }
                let post = Box::leak(Box::default());
                remote.push((device, post));
                post
            }
        }
    }
}
