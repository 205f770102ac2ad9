//! What the system's error codes mean to the protocol.

use std::fs::File;
use std::io;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_BUSY, ERROR_CALL_NOT_IMPLEMENTED, ERROR_DELETE_PENDING,
    ERROR_FILE_NOT_FOUND, ERROR_INVALID_FUNCTION, ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER, ERROR_LOCK_VIOLATION,
    ERROR_NOT_SAME_DEVICE, ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION, ERROR_STOPPED_ON_SYMLINK,
    ERROR_TOO_MANY_LINKS, ERROR_USER_MAPPED_FILE, NTSTATUS, STATUS_DELETE_PENDING, WIN32_ERROR,
};

/// Whether `error` means that the file system cannot do what was asked, rather than that it failed.
#[must_use]
pub fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        code(error),
        ERROR_NOT_SUPPORTED
            | ERROR_INVALID_FUNCTION
            | ERROR_INVALID_PARAMETER
            | ERROR_INVALID_LEVEL
            | ERROR_CALL_NOT_IMPLEMENTED
            | ERROR_NOT_SAME_DEVICE
            | ERROR_TOO_MANY_LINKS
    )
}

/// Whether `error` passes by itself: somebody uses the file in a way that keeps us out just now. It says
/// nothing about who owns a lock.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    matches!(
        code(error),
        ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION | ERROR_DELETE_PENDING | ERROR_BUSY | ERROR_USER_MAPPED_FILE
    )
}

/// Whether `error` may pass by itself. Access is denied for good reasons, but also while somebody (a virus
/// scanner, say) looks at a file, or while a deleted one lingers.
pub(super) fn may_pass(error: &io::Error) -> bool {
    is_transient(error) || code(error) == ERROR_ACCESS_DENIED
}

/// 63 ms in all: lock files are opened for moments only.
pub(super) const PAUSES: [u64; 6] = [1, 2, 4, 8, 16, 32];
/// A second in all, in many steps: others may come and go all the time.
pub(super) const LONG_PAUSES: [u64; 128] = [8; 128];

/// Repeats an action that fails because of others, pausing in between for these numbers of milliseconds.
pub(super) fn patiently<T>(pauses: &[u64], mut action: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for pause in pauses {
        match action() {
            Err(error) if may_pass(&error) => std::thread::sleep(Duration::from_millis(*pause)),
            finished => return finished,
        }
    }
    action()
}

/// The system's error for something that others are using.
#[must_use]
pub fn busy() -> io::Error {
    os_error(ERROR_BUSY)
}

/// Whether `error` says that a symbolic link stands at the path.
#[must_use]
pub fn is_symlink_error(error: &io::Error) -> bool {
    code(error) == ERROR_STOPPED_ON_SYMLINK
}

/// The result of opening a file. One that is deleted and merely lingers counts as missing.
pub(super) fn reached(opened: io::Result<File>) -> io::Result<File> {
    if_lingering(opened, ERROR_FILE_NOT_FOUND)
}

/// The result of creating a file. The name of one that is deleted and merely lingers is still taken.
pub(super) fn created(opened: io::Result<File>) -> io::Result<File> {
    if_lingering(opened, ERROR_ALREADY_EXISTS)
}

fn if_lingering(opened: io::Result<File>, meaning: WIN32_ERROR) -> io::Result<File> {
    #[link(name = "ntdll")]
    unsafe extern "system" {
        fn RtlGetLastNtStatus() -> NTSTATUS;
    }
    opened.map_err(|error| {
        // SAFETY: the call takes nothing and reads a field of this thread's own block.
        if lingers(&error, unsafe { RtlGetLastNtStatus() }) { os_error(meaning) } else { error }
    })
}

/// Whether `error` is about a file that was deleted and that somebody still has open. "Access denied" stands
/// for many reasons; the true one is the thread's last `status`.
pub(super) fn lingers(error: &io::Error, status: NTSTATUS) -> bool {
    match code(error) {
        ERROR_DELETE_PENDING => true,
        ERROR_ACCESS_DENIED => status == STATUS_DELETE_PENDING,
        _ => false,
    }
}

pub(super) fn code(error: &io::Error) -> WIN32_ERROR {
    error.raw_os_error().map_or(0, i32::cast_unsigned)
}

pub(super) fn os_error(code: WIN32_ERROR) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use windows_sys::Win32::Foundation::STATUS_ACCESS_DENIED;

    use super::*;

    /// What comes of an action that fails with these codes, one after the other, and how often it was tried.
    fn outcome(codes: &[WIN32_ERROR]) -> (Result<&'static str, WIN32_ERROR>, usize) {
        let tries = Cell::new(0);
        let result = patiently(&PAUSES, || {
            let failure = codes.get(tries.replace(tries.get() + 1));
            failure.map_or(Ok("done"), |&code| Err(os_error(code)))
        });
        (result.map_err(|error| code(&error)), tries.get())
    }

    #[test]
    fn what_others_cause_is_tried_again() {
        for passing in [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_DELETE_PENDING] {
            assert_eq!(outcome(&[passing; 3]), (Ok("done"), 4));
        }
        assert_eq!(outcome(&[ERROR_SHARING_VIOLATION, ERROR_ACCESS_DENIED]), (Ok("done"), 3));
    }

    #[test]
    fn patience_has_an_end_and_tells_the_last_error() {
        assert_eq!(outcome(&[ERROR_SHARING_VIOLATION; 100]), (Err(ERROR_SHARING_VIOLATION), 7));
    }

    #[test]
    fn other_errors_are_told_at_once() {
        assert_eq!(outcome(&[ERROR_FILE_NOT_FOUND; 9]), (Err(ERROR_FILE_NOT_FOUND), 1));
        assert_eq!(outcome(&[ERROR_LOCK_VIOLATION, ERROR_NOT_SUPPORTED]), (Err(ERROR_NOT_SUPPORTED), 2));
    }

    #[test]
    fn a_deleted_file_that_somebody_has_open_is_told_from_a_forbidden_one() {
        assert!(lingers(&os_error(ERROR_ACCESS_DENIED), STATUS_DELETE_PENDING));
        assert!(lingers(&os_error(ERROR_DELETE_PENDING), STATUS_ACCESS_DENIED));
        assert!(!lingers(&os_error(ERROR_ACCESS_DENIED), STATUS_ACCESS_DENIED));
        assert!(!lingers(&os_error(ERROR_SHARING_VIOLATION), STATUS_DELETE_PENDING));
    }

    #[test]
    fn the_name_of_a_deleted_file_that_lingers_leads_nowhere_and_is_taken() {
        let lingering = || Err(os_error(ERROR_DELETE_PENDING));
        assert_eq!(reached(lingering()).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(created(lingering()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn only_what_certainly_passes_is_waited_for_without_end() {
        for code in [ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_DELETE_PENDING, ERROR_BUSY] {
            assert!(is_transient(&os_error(code)) && !is_unsupported(&os_error(code)), "{code}");
        }
        assert!(!is_transient(&os_error(ERROR_ACCESS_DENIED)), "a missing permission must be told some day");
    }
}
