//! What the system's error codes mean to the protocol.

use std::fs::File;
use std::io;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_DELETE_PENDING, ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_FUNCTION, ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER, ERROR_LOCK_VIOLATION, ERROR_NOT_SAME_DEVICE,
    ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION, ERROR_STOPPED_ON_SYMLINK, ERROR_TOO_MANY_LINKS, NTSTATUS,
    STATUS_DELETE_PENDING, WIN32_ERROR,
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

/// Whether `error` passes by itself: it says nothing about who owns a lock.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    matches!(code(error), ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION | ERROR_DELETE_PENDING)
}

/// Whether `error` says that a symbolic link stands at the path.
#[must_use]
pub fn is_symlink_error(error: &io::Error) -> bool {
    code(error) == ERROR_STOPPED_ON_SYMLINK
}

/// The result of opening a file, of which one that is deleted and merely lingers counts as missing.
pub(super) fn reached(opened: io::Result<File>) -> io::Result<File> {
    #[link(name = "ntdll")]
    unsafe extern "system" {
        fn RtlGetLastNtStatus() -> NTSTATUS;
    }
    opened.map_err(|error| {
        let lingers = match code(&error) {
            ERROR_DELETE_PENDING => true,
            // The same word for many reasons; the thread still knows the true one.
            // SAFETY: the call takes nothing and reads a field of this thread's own block.
            ERROR_ACCESS_DENIED => unsafe { RtlGetLastNtStatus() == STATUS_DELETE_PENDING },
            _ => false,
        };
        if lingers { os_error(ERROR_FILE_NOT_FOUND) } else { error }
    })
}

pub(super) fn code(error: &io::Error) -> WIN32_ERROR {
    error.raw_os_error().map_or(0, i32::cast_unsigned)
}

pub(super) fn os_error(code: WIN32_ERROR) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}
