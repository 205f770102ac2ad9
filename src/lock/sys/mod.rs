//! The one seam to the operating system.
//!
//! Everything that differs between platforms is behind these names, and this is the only module
//! that may call an operating-system lock or remove a name (`clippy.toml` enforces it). Nothing is
//! decided here: a function does one thing and says what the system answered.

#![expect(clippy::missing_errors_doc, reason = "every function fails with what the system answered")]

use std::num::NonZero;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[cfg(unix)]
#[cfg_attr(all(test, shuttle), expect(dead_code, reason = "threads are started by shuttle"))]
mod unix;
#[cfg(unix)]
pub use unix::*;
#[cfg(unix)]
mod advisory;
#[cfg(unix)]
pub use advisory::{try_guard, try_lock, unguard, unlock};

#[cfg(target_os = "linux")]
#[cfg_attr(all(test, shuttle), expect(dead_code, reason = "shuttle cannot wait for events of the kernel"))]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(target_os = "linux")]
mod slice;
#[cfg(target_os = "linux")]
pub use slice::{Slice, give_way};

#[cfg(all(unix, not(target_os = "linux")))]
mod bsd;
#[cfg(all(unix, not(target_os = "linux")))]
pub use bsd::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;

#[cfg(target_vendor = "apple")]
#[cfg_attr(all(test, shuttle), expect(dead_code, reason = "shuttle cannot wait for events of the kernel"))]
mod kqueue;
#[cfg(target_vendor = "apple")]
pub use kqueue::*;

#[cfg(any(not(any(target_os = "linux", target_vendor = "apple")), all(test, shuttle)))]
mod polling;
#[cfg(any(not(any(target_os = "linux", target_vendor = "apple")), all(test, shuttle)))]
pub use polling::{EVENTS, WatchId, Watcher};
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::process_life;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
mod portable;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
pub use portable::process_life;

mod moment;
pub use moment::{Appointment, Instant};
// Under shuttle, threads and time are the scheduler's.
#[cfg(all(test, shuttle))]
pub use super::sync::scheduled::spawn;

/// What makes a file the same file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device or volume.
    device: u64,
    /// Not zero, so that an unknown file takes no more room: each lease has room for the identity of its own.
    index: NonZero<FileIndex>,
}

/// The inode or file index on a device, no wider than the platform's.
#[cfg(not(windows))]
type FileIndex = u64;
/// The file index on a volume.
#[cfg(windows)]
type FileIndex = u128;

impl FileId {
    /// Should a file system number a file zero, the greatest number stands for that.
    fn new(device: u64, index: FileIndex) -> Self {
        Self { device, index: NonZero::new(index).unwrap_or(NonZero::<FileIndex>::MAX) }
    }
}

/// The kinds of file that can stand at a lock path. Only `Regular` is ever used as a lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link, not followed.
    Symlink,
    /// A FIFO, socket or device.
    Special,
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Special => "a FIFO, socket or device",
        })
    }
}

/// The facts of one file that the protocol looks at.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Which file it is.
    pub id: FileId,
    /// What kind of file it is.
    pub kind: FileKind,
    /// How many names it has.
    pub links: u64,
    /// Its length in bytes.
    pub len: u64,
    /// When its content last changed: a holder's heartbeat moves this.
    pub modified: SystemTime,
    /// When it was last read (on Windows reads do not count) or marked: a waiter moves this.
    pub accessed: SystemTime,
    /// Who may use it.
    pub access: Access,
}

/// Who may use directories that are created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewDirectories {
    /// Whoever the process's own settings allow.
    #[default]
    Ordinary,
    /// Their owner only (mode 0700).
    Private,
}

/// What the operating system answered when asked for a lock without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OsLock {
    /// It is ours now.
    Acquired,
    /// Somebody else has it.
    Busy,
    /// This file system has no such locks.
    Unsupported,
}

/// Whether a process exists, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs. `start` is when it started: clock ticks since boot on Linux, milliseconds since the
    /// epoch on Windows, seconds elsewhere; `None` where the system does not tell us.
    Alive {
        /// See above.
        start: Option<u64>,
    },
    /// No such process, or a zombie.
    Dead,
}

/// Where a directory lives, as far as locking cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FsClass {
    /// One kernel decides about it and answers quickly: work may be done on any thread.
    Local,
    /// A network, FUSE or unknown file system: it may hang, so it gets threads of its own.
    Remote {
        /// The device number: each device has its own set of threads.
        device: u64,
    },
}

/// Whether an open file keeps others from removing it, or its directory.
pub const OPEN_FILES_HINDER: bool = cfg!(windows);

/// Whether there may be files without a name, which vanish with their descriptors.
pub const UNNAMED_FILES: bool = cfg!(target_os = "linux");

/// How long this thread may run before others get their turn: only Linux can be asked for less.
#[cfg(not(target_os = "linux"))]
pub struct Slice;

#[cfg(not(target_os = "linux"))]
impl Slice {
    /// The slice of this thread.
    #[must_use]
    pub const fn of_this_thread() -> Self {
        Self
    }

    /// Asks for nothing.
    pub const fn set_short(&mut self, _: bool) {}
}

/// Only Linux lets threads ask for this.
#[cfg(not(target_os = "linux"))]
pub const fn give_way() {}

/// Flushes `file` to the disk.
#[cfg(not(target_vendor = "apple"))]
pub fn sync(file: &std::fs::File) -> std::io::Result<()> {
    file.sync_all()
}

/// The name of the file at `path`, cut short so that there is room for an ending as long as `longest`: a name has at
/// most 255 bytes.
#[must_use]
pub fn name_before(longest: &str, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name[..name.floor_char_boundary(255 - longest.len())].to_owned()
}

/// The age of `then`, zero when it lies in the future.
#[must_use]
pub fn age(now: SystemTime, then: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_start_does_not_move() {
        let life = process_life(std::process::id());
        assert!(matches!(life, Life::Alive { start: Some(_) }), "{life:?}");
        assert_eq!(process_life(std::process::id()), life);
    }

    #[test]
    fn a_process_that_never_was_is_dead() {
        // Windows numbers them by fours.
        assert_eq!(process_life(u32::MAX - 3), Life::Dead);
    }
}
