//! The guard: it makes changes to what a lock file's name means exclude each other.
//!
//! On local file systems it is a byte lock on the lock file, which goes with the descriptor. Where byte
//! locks do not exist, or may be the very lock that the holder has (NFS), it is a file of its own,
//! created exclusively for the moment of a takeover. A process killed in that moment leaves it behind;
//! it counts for a few seconds.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::sync::{Mutex, global};
use super::sys::{self, FsClass, Instant, OsLock};
use super::target::Target;

/// OpenClaw 2026.9 finishes a reclaim, callbacks included, long before this. An older file was left
/// behind by a kill; OpenClaw's own processes then wait for ever.
const RECLAIM_LIFE: Duration = Duration::from_secs(10);
/// No takeover takes longer than this, unless its process is frozen.
const CLAIM_LIFE: Duration = Duration::from_secs(5);

/// Whether OpenClaw's JavaScript is removing the lock file of `target` as stale just now: 2026.9 creates
/// `<lock file>.reclaim` before it looks once more, removes the name and takes the lock. A process that
/// took the file over meanwhile would lose it. `unmoved` is how long the caller has seen the lock file
/// unchanged; it limits the wait where dates are wrong.
pub fn is_reclaimed_by_javascript(target: &Target, unmoved: Duration) -> bool {
    let mut path = target.lock_path().as_os_str().to_owned();
    path.push(".reclaim");
    unmoved < RECLAIM_LIFE
        && sys::stat_path(path.as_ref()).is_ok_and(|meta| sys::age(SystemTime::now(), meta.modified) < RECLAIM_LIFE)
}

/// Proof that nobody else is taking this lock file over just now.
#[must_use]
pub enum Guard {
    /// The byte lock on the lock file. Released with its descriptor, or by `release`.
    Byte,
    /// A file of its own, removed when this is dropped.
    Claim(#[expect(dead_code, reason = "it is there to be dropped")] Claim),
}

/// An exclusively created file.
pub struct Claim {
    path: PathBuf,
    since: Instant,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // After so long somebody may have removed it, and what stands there is another's.
        if self.since.elapsed() > CLAIM_LIFE {
            return;
        }
        // If this fails, a look after `CLAIM_LIFE` tries again.
        let _ = sys::unlink(&self.path);
    }
}

impl Guard {
    /// Takes the guard of `target`, whose lock file is open as `file`. `None` when somebody else has it.
    pub fn take(target: &Target, file: &File) -> io::Result<Option<Self>> {
        if target.class() == FsClass::Local {
            match sys::try_guard(file)? {
                OsLock::Acquired => return Ok(Some(Self::Byte)),
                OsLock::Busy => return Ok(None),
                OsLock::Unsupported => {}
            }
        }
        let name = sys::name_before(".taking", target.lock_path());
        Ok(claim(target.directory().join(format!("{name}.taking")))?.map(Self::Claim))
    }

    /// Releases the guard before the descriptor is closed.
    pub fn release(self, file: &File) -> io::Result<()> {
        match self {
            Self::Byte => sys::unguard(file),
            Self::Claim(_) => Ok(()),
        }
    }
}

fn claim(path: PathBuf) -> io::Result<Option<Claim>> {
    match sys::create_new(&path) {
        Ok(_) => Ok(Some(Claim { path, since: Instant::now() })),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if is_abandoned(&path) {
                // The next look creates a new one.
                let _ = sys::unlink(&path);
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

global! {
    /// The claims of others that were in the way lately: their paths, their dates and when they were first seen.
    static SEEN: Mutex<Vec<(PathBuf, SystemTime, Instant)>> = Mutex::new(Vec::new());
}

/// Whether the claim at `path` has been there for longer than a takeover takes: by our own clock, since that of a file
/// server may be wrong.
fn is_abandoned(path: &Path) -> bool {
    let Ok(meta) = sys::stat_path(path) else { return false };
    let mut seen = SEEN.lock();
    seen.retain(|(_, _, first)| first.elapsed() < CLAIM_LIFE * 2);
    match seen.iter().position(|(claim, modified, _)| claim == path && *modified == meta.modified) {
        Some(at) => seen[at].2.elapsed() > CLAIM_LIFE,
        None => {
            seen.push((path.to_owned(), meta.modified, Instant::now()));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_excludes_others_until_it_is_dropped_or_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lock.taking");
        let first = claim(path.clone()).unwrap();
        assert!(first.is_some());
        assert!(claim(path.clone()).unwrap().is_none());
        drop(first);
        let abandoned = claim(path.clone()).unwrap();
        // Whatever the clock of a file server says.
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(claim(path.clone()).unwrap().is_none(), "it has only just been seen");
        for seen in SEEN.lock().iter_mut().filter(|seen| seen.0 == path) {
            seen.2 = seen.2.checked_sub(CLAIM_LIFE + CLAIM_LIFE / 2).unwrap();
        }
        assert!(claim(path.clone()).unwrap().is_none(), "it is removed first");
        assert!(claim(path).unwrap().is_some());
        drop(abandoned);
    }

    #[test]
    fn the_longest_lock_file_name_has_a_guard_where_there_are_no_byte_locks() {
        let (_directory, target) = Target::scratch(&"x".repeat(255 - ".lock".len()));
        let target = target.far_away();
        let file = File::create(target.lock_path()).unwrap();
        let guard = Guard::take(&target, &file).unwrap();
        assert!(guard.is_some());
        assert!(Guard::take(&target, &file).unwrap().is_none());
    }

    #[test]
    fn a_claim_that_was_removed_as_abandoned_removes_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lock.taking");
        let mut frozen = claim(path.clone()).unwrap().unwrap();
        frozen.since = frozen.since.checked_sub(CLAIM_LIFE * 2).unwrap();
        drop(frozen);
        assert!(path.exists(), "by now it may be another's");
    }
}
