//! Work on a file, done by the threads that serve its file system.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::lock::error::LockError;
use crate::lock::post::Post;
use crate::lock::sys::{self, NewDirectories};
use crate::lock::target::Target;

/// What to do with the file once it is known where it is. Called exactly once.
pub type Job = Box<dyn FnOnce(Result<Target, LockError>) + Send>;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It reads.
    Reading,
    /// It writes: a missing directory is created, and the writes of one file are done in order.
    Writing,
}

struct Errand {
    path: PathBuf,
    purpose: Purpose,
    job: Job,
}

/// Errands for directories that are being resolved, in order.
static RESOLVING: Mutex<Option<HashMap<PathBuf, VecDeque<Errand>>>> = Mutex::new(None);

/// Gets `job` done. Never waits, and never touches a file system that may hang.
pub fn run(path: &Path, purpose: Purpose, job: Job) {
    let (directory, name) = match Target::split(path) {
        Ok(parts) => parts,
        Err(error) => return job(Err(error)),
    };
    // Made absolute now: the working directory may have changed by the time the path is resolved.
    let errand = Errand { path: directory.join(&name), purpose, job };
    {
        let mut resolving = RESOLVING.lock();
        let resolving = resolving.get_or_insert_default();
        if let Some(waiting) = resolving.get_mut(&directory) {
            waiting.push_back(errand);
            return;
        }
        match Target::known(path, &directory, &name) {
            Some(target) => return errand.give(target),
            None => resolving.insert(directory.clone(), VecDeque::from([errand])),
        };
    }
    let resolved = directory.clone();
    if let Err(error) = sys::spawn("leasehold-resolve", move || resolve_all(&resolved)) {
        while let Some(Errand { path, job, .. }) = next(&directory) {
            let error = std::io::Error::new(error.kind(), error.to_string());
            job(Err(LockError::io("start a thread for", &path, error)));
        }
    }
}

impl Errand {
    fn give(self, target: Target) {
        let post = Post::of(target.class());
        let hands = match self.purpose {
            Purpose::Reading => &post.hands,
            Purpose::Writing => post.writer(target.path()),
        };
        hands.run(move || (self.job)(Ok(target)));
    }
}

/// Resolves the paths of all errands for `directory`, on a thread of its own: only touching a directory tells whether
/// touching it hangs.
fn resolve_all(directory: &Path) {
    while let Some(errand) = next(directory) {
        let new = match errand.purpose {
            Purpose::Reading => None,
            Purpose::Writing => Some(NewDirectories::Private),
        };
        match Target::resolve_with(&errand.path, new) {
            Ok(target) => errand.give(target),
            Err(error) => (errand.job)(Err(error)),
        }
    }
}

/// The next errand for a directory that is being resolved; after the last one it counts as resolved.
fn next(directory: &Path) -> Option<Errand> {
    let mut resolving = RESOLVING.lock();
    let resolving = resolving.as_mut()?;
    let errand = resolving.get_mut(directory)?.pop_front();
    if errand.is_none() {
        resolving.remove(directory);
    }
    errand
}
