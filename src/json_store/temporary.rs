//! Private names of files on their way to a public one: `<file>.leasehold-<slot>.tmp`.
//!
//! All writers of a file share one such name, and use others only while it is taken. So the next writer finds what a
//! killed process left there, without looking through the directory. A private name in use is locked (by the kernel,
//! which knows when its writer dies); one that is not locked is a leftover.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::lock::sys::{self, FileKind, OsLock};
use crate::lock::target::Target;

/// How many writers can work on one file at the same time.
const SLOTS: u32 = 16;
/// Pauses while waiting for the first name, in milliseconds: the others are for when its writer is stalled.
const PAUSES: [u64; 7] = [0, 1, 2, 4, 8, 16, 32];
/// Where there are no locks, names older than this are leftovers.
const ABANDONED: Duration = Duration::from_mins(1);

/// A private name in use; removed when it is dropped.
pub struct Temporary {
    path: PathBuf,
    slot: u32,
    moved: bool,
}

impl Temporary {
    /// Gives an unnamed file a private name.
    ///
    /// # Errors
    ///
    /// What the system answered.
    pub fn link(file: &File, target: &Target) -> io::Result<Self> {
        // Nobody else can hold its lock. Where locks are unsupported, it gets none.
        sys::try_lock(file)?;
        let linked = claim(target, |path| match sys::link_unnamed(file, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            linked => linked.map(Some),
        })?;
        Ok(linked.1)
    }

    /// Creates a file under a private name.
    ///
    /// # Errors
    ///
    /// What the system answered.
    pub fn create(target: &Target) -> io::Result<(File, Self)> {
        claim(target, |path| {
            let file = match sys::create_new(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
                created => created?,
            };
            // Until it is locked it looks like a leftover: somebody may have swept it, or be about to.
            let locked = sys::try_lock(&file)? != OsLock::Busy;
            Ok((locked && leads_to(path, &file)?).then_some(file))
        })
    }

    /// Renames the file from the private name to the public one. Returns the slot, which is free then.
    ///
    /// # Errors
    ///
    /// What the system answered; the private name is removed.
    pub fn replace(mut self, path: &Path) -> io::Result<u32> {
        sys::replace(&self.path, path)?;
        self.moved = true;
        Ok(self.slot)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.moved {
            // If this fails, the next writer removes it.
            let _ = sys::unlink(&self.path);
        }
    }
}

/// Removes what killed processes left under the private names of `target`, from `slot` on.
pub fn sweep(target: &Target, slot: u32) {
    for slot in slot..SLOTS {
        if reclaim(&name(target, slot)).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return;
        }
    }
}

/// Tries the private names of `target` until `take` gets one. If all of them are in use, that is `EBUSY`.
fn claim<T>(target: &Target, take: impl Fn(&Path) -> io::Result<Option<T>>) -> io::Result<(T, Temporary)> {
    for slot in 0..SLOTS {
        let path = name(target, slot);
        for pause in PAUSES {
            if let Some(taken) = take(&path)? {
                return Ok((taken, Temporary { path, slot, moved: false }));
            }
            if reclaim(&path).is_ok() {
                continue;
            }
            if slot > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(pause));
        }
    }
    Err(sys::busy())
}

/// Removes a leftover.
fn reclaim(path: &Path) -> io::Result<()> {
    let file = match sys::open_lock_file(path) {
        // A writer may have made it read-only. On network file systems only a writable one can be locked.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => sys::open_read(path)?,
        opened => opened?,
    };
    let meta = sys::stat_file(&file)?;
    let is_leftover = match sys::try_lock(&file)? {
        OsLock::Acquired => true,
        OsLock::Busy => false,
        OsLock::Unsupported => sys::age(SystemTime::now(), meta.modified) > ABANDONED,
    };
    // Under its lock, which anyone else who wants to remove it needs, too.
    if is_leftover && meta.kind == FileKind::Regular && leads_to(path, &file)? {
        sys::unlink(path)
    } else {
        Err(ErrorKind::WouldBlock.into())
    }
}

fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    match sys::stat_path(path) {
        Ok(meta) => Ok(meta.id == sys::stat_file(file)?.id),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn name(target: &Target, slot: u32) -> PathBuf {
    let name = sys::name_before(".leasehold-99.tmp", target.path());
    target.directory().join(format!("{name}.leasehold-{slot}.tmp"))
}
