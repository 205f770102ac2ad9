//! Unix: the lock, and the guard beside it. Both are advisory, belong to an open file, and go with its last descriptor.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use fs4::FileExt;

use super::OsLock;

/// A byte no record ever reaches. The guard of rule 8 is a lock of it.
const GUARD_BYTE: libc::off_t = 1 << 40;

/// The byte that is locked instead of the file where `FLOCK_IS_IN_THE_WAY`. Not next to the guard's: the kernel merges
/// adjacent locks of one owner.
const LOCK_BYTE: libc::off_t = GUARD_BYTE + 2;

/// Whether a flock keeps everybody from locking a byte of the file, its owner included. XNU has both in one list, where
/// a flock covers all bytes and never has the same owner as the lock of a byte (`lf_getblock`, `ofd_to_id`): nobody
/// could ever have the guard of a file that is locked.
const FLOCK_IS_IN_THE_WAY: bool = cfg!(target_vendor = "apple");

/// Asks for the exclusive operating-system lock, without waiting.
#[expect(clippy::disallowed_methods, reason = "the seam is where the kernel is asked for locks")]
pub fn try_lock(file: &File) -> io::Result<OsLock> {
    if FLOCK_IS_IN_THE_WAY && let Some(answer) = try_lock_byte(file)? {
        return Ok(answer);
    }
    match FileExt::try_lock(file) {
        Ok(()) => Ok(OsLock::Acquired),
        Err(fs4::TryLockError::WouldBlock) => Ok(OsLock::Busy),
        Err(fs4::TryLockError::Error(error)) => busy_or_unsupported(error),
    }
}

/// Asks for the byte that stands for the file. `None` where it has to be a flock: on file systems whose locks are not
/// the kernel's own, and where we may not write to the file. The owner of the byte keeps others from a flock, too.
fn try_lock_byte(file: &File) -> io::Result<Option<OsLock>> {
    match lock_byte(file, libc::F_WRLCK, LOCK_BYTE) {
        Ok(OsLock::Unsupported) => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(None),
        answered => answered.map(Some),
    }
}

/// Gives the operating-system lock up.
#[expect(clippy::disallowed_methods, reason = "the seam is where the kernel is asked for locks")]
pub fn unlock(file: &File) -> io::Result<()> {
    if FLOCK_IS_IN_THE_WAY {
        // Whichever of the two it is: neither call fails where there is no lock.
        lock_byte(file, libc::F_UNLCK, LOCK_BYTE)?;
    }
    FileExt::unlock(file)
}

/// Takes the guard, by which changes of a lock file's name exclude each other, without waiting.
///
/// It is a byte lock: independent of the lock of the same file, and gone with the descriptor. A process that freezes
/// with the guard delays the others and endangers nobody.
pub fn try_guard(file: &File) -> io::Result<OsLock> {
    lock_byte(file, libc::F_WRLCK, GUARD_BYTE)
}

/// Gives the guard up. Closing the descriptor does too.
pub fn unguard(file: &File) -> io::Result<()> {
    lock_byte(file, libc::F_UNLCK, GUARD_BYTE).map(drop)
}

// The kinds are wider than the field on some systems and not on others.
fn lock_byte(
    file: &File,
    kind: impl TryInto<libc::c_short, Error: std::fmt::Debug>,
    byte: libc::off_t,
) -> io::Result<OsLock> {
    // SAFETY: `flock` is plain old data for which all-zero bytes are a valid value (l_pid must be
    // zero for OFD locks anyway).
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = kind.try_into().expect("lock kinds are tiny");
    range.l_whence = libc::SEEK_SET.try_into().expect("seek kinds are tiny");
    range.l_start = byte;
    range.l_len = 1;
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and `range` outlives the
    // call, which only reads it.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), F_OFD_SETLK, &raw const range) };
    if answer == 0 {
        return Ok(OsLock::Acquired);
    }
    busy_or_unsupported(io::Error::last_os_error())
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
use libc::F_OFD_SETLK;
/// Elsewhere there are no such locks: the kernel answers EINVAL, which is "unsupported".
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
const F_OFD_SETLK: libc::c_int = -1;

/// EACCES is how SMB mounts say "busy"; the second group is how file systems say "no such locks here".
fn busy_or_unsupported(error: io::Error) -> io::Result<OsLock> {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES | libc::EINTR) => Ok(OsLock::Busy),
        Some(libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP | libc::EINVAL) => Ok(OsLock::Unsupported),
        // On macOS a different number from EOPNOTSUPP, and the one it answers.
        Some(code) if code == libc::ENOTSUP => Ok(OsLock::Unsupported),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    use super::*;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lock");
        File::create(&path).unwrap();
        (directory, path)
    }

    fn open(path: &Path) -> File {
        File::options().read(true).write(true).open(path).unwrap()
    }

    #[test]
    fn the_lock_and_the_guard_are_independent_and_both_exclude_others() {
        let (_directory, path) = scratch();
        let (first, second) = (open(&path), open(&path));
        assert_eq!(try_lock(&first).unwrap(), OsLock::Acquired);
        assert_eq!(try_lock(&second).unwrap(), OsLock::Busy);
        assert_eq!(try_guard(&first).unwrap(), OsLock::Acquired, "its own lock is not in the way");
        assert_eq!(try_guard(&second).unwrap(), OsLock::Busy);
        unguard(&first).unwrap();
        assert_eq!(try_guard(&second).unwrap(), OsLock::Acquired, "nor is that of another");
        assert_eq!(try_lock(&second).unwrap(), OsLock::Busy, "who has the guard has no lock");
        unlock(&first).unwrap();
        assert_eq!(try_lock(&second).unwrap(), OsLock::Acquired);
        drop(second);
        assert_eq!(try_lock(&first).unwrap(), OsLock::Acquired);
        assert_eq!(try_guard(&first).unwrap(), OsLock::Acquired);
    }

    #[test]
    fn a_byte_can_stand_for_the_file() {
        let (_directory, path) = scratch();
        let (first, second) = (open(&path), open(&path));
        assert_eq!(try_lock_byte(&first).unwrap(), Some(OsLock::Acquired));
        assert_eq!(try_lock_byte(&first).unwrap(), Some(OsLock::Acquired), "one may ask for what one has");
        assert_eq!(try_lock_byte(&second).unwrap(), Some(OsLock::Busy));
        drop(open(&path));
        assert_eq!(try_lock_byte(&second).unwrap(), Some(OsLock::Busy), "another descriptor's end does not end it");
        assert_eq!(try_guard(&second).unwrap(), OsLock::Acquired);
        assert_eq!(try_guard(&first).unwrap(), OsLock::Busy);
        unguard(&second).unwrap();
        assert_eq!(try_lock_byte(&second).unwrap(), Some(OsLock::Busy), "the guard's end does not end it");
        drop(first);
        assert_eq!(try_lock_byte(&second).unwrap(), Some(OsLock::Acquired));
    }

    #[test]
    fn who_may_only_read_a_file_locks_all_of_it() {
        let (_directory, path) = scratch();
        std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        let (first, second) = (File::open(&path).unwrap(), File::open(&path).unwrap());
        assert_eq!(try_lock_byte(&first).unwrap(), None);
        assert_eq!(try_lock(&first).unwrap(), OsLock::Acquired);
        assert_eq!(try_lock(&second).unwrap(), OsLock::Busy);
        unlock(&first).unwrap();
        assert_eq!(try_lock(&second).unwrap(), OsLock::Acquired);
    }

    #[test]
    fn what_file_systems_say_is_told_from_faults() {
        let said = |code| busy_or_unsupported(io::Error::from_raw_os_error(code));
        for code in [libc::EAGAIN, libc::EACCES, libc::EINTR] {
            assert_eq!(said(code).unwrap(), OsLock::Busy);
        }
        for code in [libc::ENOLCK, libc::ENOSYS, libc::EOPNOTSUPP, libc::ENOTSUP, libc::EINVAL] {
            assert_eq!(said(code).unwrap(), OsLock::Unsupported);
        }
        assert_eq!(said(libc::EIO).unwrap_err().raw_os_error(), Some(libc::EIO));
    }
}
