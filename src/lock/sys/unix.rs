//! Unix: names and files, through rustix.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT};

use super::{FileId, FileKind, Meta, NewDirectories};

/// Whether a file has the same [`FileId`] for as long as it lives, whatever is written to it.
pub const IDS_LAST: bool = true;

/// The time on a clock that stands still while the machine sleeps.
#[cfg(not(all(test, shuttle)))]
#[must_use]
pub fn passed() -> Duration {
    // Apple's monotonic clock keeps running during sleep.
    #[cfg(target_vendor = "apple")]
    const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours, and all that is written to. (Not through rustix: it has its own reader of the vDSO, which
    // the C library has read already.)
    unsafe { libc::clock_gettime(CLOCK, &raw mut now) };
    // It has run since the machine was started, so it is never negative.
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

/// Opens an existing lock file for reading and writing, refusing to follow a symbolic link and
/// never waiting for the other end of a FIFO.
pub fn open_lock_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Opens a lock file for reading only, under the same precautions.
pub fn open_read(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Creates `path` (mode 0600), failing with `AlreadyExists` where something has that name.
pub fn create_new(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens `path` for appending (created with mode 0600), without waiting on a FIFO.
pub fn open_append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Opens a file for reading only, whatever links lead to it, without waiting on a FIFO.
pub fn open_read_through(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Creates a directory and its missing parents.
pub fn create_dir_all(path: &Path, new: NewDirectories) -> io::Result<()> {
    let mode = match new {
        NewDirectories::Ordinary => 0o777,
        NewDirectories::Private => 0o700,
    };
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Gives `file`, which has the private name `temporary`, the second name `path`, which must be free.
pub fn link(temporary: &Path, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, temporary, CWD, path, AtFlags::empty())?)
}

/// Replaces whatever `path` names by the file named `temporary`.
#[expect(clippy::disallowed_methods, reason = "the seam is where names are replaced")]
pub fn rename(temporary: &Path, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::rename(temporary, path)?)
}

/// Files that others only read are replaced in the same way here.
pub use self::rename as replace;

/// Flushes the name that `_file` has got in `directory` to the disk, where the system lets us ask for that.
pub fn sync_name(_file: &File, directory: &Path) -> io::Result<()> {
    match File::open(directory).and_then(|directory| super::sync(&directory)) {
        Err(error) if is_unsupported(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Removes a name.
#[expect(clippy::disallowed_methods, reason = "the seam is where names are removed")]
pub fn unlink(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::unlink(path)?)
}

/// Whether `error` means that the file system cannot do what was asked, rather than that it failed.
#[must_use]
pub fn is_unsupported(error: &io::Error) -> bool {
    // On macOS ENOTSUP is a different number from EOPNOTSUPP, and the one that file systems answer.
    error.raw_os_error() == Some(libc::ENOTSUP)
        || matches!(
            error.raw_os_error(),
            Some(
                libc::EOPNOTSUPP
                    | libc::ENOSYS
                    | libc::EINVAL
                    | libc::EISDIR
                    | libc::EPERM
                    | libc::EMLINK
                    | libc::EXDEV
            )
        )
}

/// Whether `error` passes by itself: it says nothing about who owns a lock.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::ESTALE | libc::EBUSY | libc::ETXTBSY))
}

/// Whether `error` says that a symbolic link stands at the path.
#[must_use]
pub fn is_symlink_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// The number by which Node knows `error`. `None` when the error is not the system's.
#[must_use]
pub fn errno(error: &io::Error) -> Option<i32> {
    error.raw_os_error()
}

/// The real path of a directory: all links followed.
pub fn real_path(directory: &Path) -> io::Result<PathBuf> {
    directory.canonicalize()
}

/// Why `name` cannot be the name of a protected file; `None` when it can.
#[must_use]
pub fn refusal(_name: &OsStr) -> Option<&'static str> {
    None
}

/// Whether a file has one path only, whatever is on disk.
pub const ONE_SPELLING: bool = true;

/// The full name of the file called `name`: here it has only one.
#[must_use]
pub fn full_name(_directory: &Path, name: &OsStr) -> OsString {
    name.to_owned()
}

/// Keeps the spelling of a path in use.
pub struct Spelling;

/// `path` in the spelling that this process uses already: here every spelling is a path of its own.
#[must_use]
pub fn one_spelling(path: PathBuf) -> (PathBuf, Spelling) {
    (path, Spelling)
}

/// The facts of what `path` names, without following a symbolic link.
pub fn stat_path(path: &Path) -> io::Result<Meta> {
    std::fs::symlink_metadata(path).map(|meta| self::meta(&meta))
}

/// The facts of an open file.
pub fn stat_file(file: &File) -> io::Result<Meta> {
    file.metadata().map(|meta| self::meta(&meta))
}

fn meta(meta: &std::fs::Metadata) -> Meta {
    let kind = meta.file_type();
    let time = |seconds: i64, nanoseconds: i64| {
        let seconds_part = Duration::from_secs(seconds.unsigned_abs());
        let nanoseconds = Duration::from_nanos(nanoseconds.unsigned_abs());
        let whole = if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(seconds_part)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(seconds_part)
        };
        whole.and_then(|time| time.checked_add(nanoseconds)).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    Meta {
        id: FileId::new(meta.dev(), meta.ino()),
        kind: if kind.is_file() {
            FileKind::Regular
        } else if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_symlink() {
            FileKind::Symlink
        } else {
            FileKind::Special
        },
        links: meta.nlink(),
        len: meta.len(),
        modified: time(meta.mtime(), meta.mtime_nsec()),
        accessed: time(meta.atime(), meta.atime_nsec()),
        access: Access { mode: meta.mode() & 0o777, owner: meta.uid(), group: meta.gid() },
    }
}

/// Who may use a file: its owner, its group, and the nine bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    mode: u32,
    owner: u32,
    group: u32,
}

/// Gives `file`, which we created, the access rights of the file that it replaces, as far as the system
/// allows; where it replaces none, only its owner may use it (mode 0600).
pub fn set_access(file: &File, like: Option<Access>) -> io::Result<()> {
    let mode = match like {
        Some(like) if keep_owner(file, like)? => like.mode,
        // Another group must not get what was granted to the old one: it gets what everybody has.
        Some(like) => like.mode & 0o707 | (like.mode & 0o007) << 3,
        None => 0o600,
    };
    match file.set_permissions(std::fs::Permissions::from_mode(mode)) {
        // Where modes mean nothing, there is none to keep.
        Err(error) if is_unsupported(&error) => Ok(()),
        set => set,
    }
}

/// Gives `file` the owner and the group in `like`. Returns whether it has that group now.
fn keep_owner(file: &File, like: Access) -> io::Result<bool> {
    let ours = file.metadata()?;
    if (ours.uid(), ours.gid()) == (like.owner, like.group) {
        return Ok(true);
    }
    // Only root can give files away; others can still give theirs to a group of their own.
    Ok(fchown(file, Some(like.owner), Some(like.group)).is_ok()
        || ours.gid() == like.group
        || fchown(file, None, Some(like.group)).is_ok())
}

/// Reads up to `buffer.len()` bytes from the start of `file`, which was last seen to have `len`.
pub fn read_start(file: &File, buffer: &mut [u8], len: u64) -> io::Result<usize> {
    let mut filled = 0;
    // Once as much was read as the file is long, that was its end: there is no further call to find out.
    while filled < buffer.len() && (filled == 0 || (filled as u64) < len) {
        match file.read_at(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all of `bytes` at `offset`. A record is one call: it fits in a page.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Moves the modification time to now, for file systems too full for a write.
pub fn touch(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now())
}

/// Moves the access time to now and nothing else: the mark by which a waiter shows itself.
pub fn mark(file: &File) -> io::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: now.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: now.subsec_nanos().into(),
        },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// An identifier of this installation of the system; host names alone are not unique.
#[must_use]
pub fn machine_id() -> Option<String> {
    std::fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Starts a named thread that no signal is ever delivered to, so that Node's own threads keep
/// receiving the process's signals as if we were not there.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    spawn_any(name, Box::new(body))
}

/// `spawn` without its type parameter: the code that starts a thread is large, and compiled once this way.
fn spawn_any(name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    // A new thread inherits its creator's mask, so block around the creation and restore after.
    // SAFETY: both sets are plain old data that sigfillset and pthread_sigmask fill; the calls
    // touch nothing but those sets and this thread's mask.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        thread.map(drop)
    }
}

/// The system's error for something that others are using.
#[must_use]
pub fn busy() -> io::Error {
    io::Error::from_raw_os_error(libc::EBUSY)
}

/// Runs `hook` when the process ends through `exit`, however Node got there.
pub fn at_exit(hook: extern "C" fn()) {
    // SAFETY: `hook` is a plain function that lives as long as the process (the addon is retained
    // against unloading before this is called); atexit keeps a pointer and nothing else.
    unsafe {
        libc::atexit(hook);
    }
}
