//! Byte-range locks, far past the end of the file.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle as _;

use windows_sys::Win32::Foundation::{ERROR_LOCK_VIOLATION, ERROR_NOT_LOCKED};
use windows_sys::Win32::Storage::FileSystem::{
    LOCK_FILE_FLAGS, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use super::super::OsLock;
use super::errors::{code, is_transient, is_unsupported};
use super::handles::done;

/// The byte that is the operating-system lock. The one after it is its witness, see `lock`.
const LOCK_BYTE: u64 = 1 << 40;
/// The byte that is the guard of rule 8, likewise.
const GUARD_BYTE: u64 = LOCK_BYTE + 2;

/// Asks for the exclusive operating-system lock, without waiting.
pub fn try_lock(file: &File) -> io::Result<OsLock> {
    lock(file, LOCK_BYTE)
}

/// Gives the operating-system lock up.
pub fn unlock(file: &File) -> io::Result<()> {
    release(file, LOCK_BYTE)
}

/// Takes the guard, by which changes of a lock file's name exclude each other, without waiting.
///
/// It is another byte: independent of the lock on the same file, and gone with the handle. A process
/// that freezes with the guard delays the others and endangers nobody.
pub fn try_guard(file: &File) -> io::Result<OsLock> {
    lock(file, GUARD_BYTE)
}

/// Gives the guard up. Closing the handle does too.
pub fn unguard(file: &File) -> io::Result<()> {
    release(file, GUARD_BYTE)
}

/// Locks `byte` for `file`, any number of times: flock grants what its caller already has, and so do we.
///
/// Windows does not, nor does it say whose lock is in the way. So the owner of the byte also has a shared
/// lock on the next one, its witness: only a handle that has the witness can give it up.
fn lock(file: &File, byte: u64) -> io::Result<OsLock> {
    let witness = byte + 1;
    match lock_byte(file, byte, LOCKFILE_EXCLUSIVE_LOCK) {
        Ok(()) => {
            lock_byte(file, witness, 0).or_else(|error| unlock_byte(file, byte).and(Err(error)))?;
            Ok(OsLock::Acquired)
        }
        Err(error) if is_transient(&error) => match unlock_byte(file, witness) {
            Ok(()) => lock_byte(file, witness, 0).map(|()| OsLock::Acquired),
            Err(_) => Ok(OsLock::Busy),
        },
        Err(error) if is_unsupported(&error) => Ok(OsLock::Unsupported),
        Err(error) => Err(error),
    }
}

/// Unlocks `byte` and its witness. As with flock it is no error when they were not locked.
fn release(file: &File, byte: u64) -> io::Result<()> {
    // The witness first: the byte must never be free while we still have its witness.
    for byte in [byte + 1, byte] {
        match unlock_byte(file, byte) {
            Err(error) if is_not_locked(&error) => {}
            unlocked => unlocked?,
        }
    }
    Ok(())
}

/// Whether `error` says that nothing was locked; wine says so with the second code.
pub(super) fn is_not_locked(error: &io::Error) -> bool {
    matches!(code(error), ERROR_NOT_LOCKED | ERROR_LOCK_VIOLATION)
}

fn lock_byte(file: &File, byte: u64, exclusively: LOCK_FILE_FLAGS) -> io::Result<()> {
    let flags = exclusively | LOCKFILE_FAIL_IMMEDIATELY;
    let mut position = position(byte);
    // SAFETY: the handle is open for as long as `file` is borrowed. It was opened for synchronous
    // use, so the call is done with the structure when it returns.
    done(unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &raw mut position) })
}

fn unlock_byte(file: &File, byte: u64) -> io::Result<()> {
    let mut position = position(byte);
    // SAFETY: as in `lock_byte`.
    done(unsafe { UnlockFileEx(file.as_raw_handle(), 0, 1, 0, &raw mut position) })
}

#[expect(clippy::cast_possible_truncation, reason = "the offset is passed in two halves")]
fn position(byte: u64) -> OVERLAPPED {
    let halves = OVERLAPPED_0_0 { Offset: byte as u32, OffsetHigh: (byte >> 32) as u32 };
    OVERLAPPED { Anonymous: OVERLAPPED_0 { Anonymous: halves }, ..OVERLAPPED::default() }
}
