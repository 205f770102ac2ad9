//! The system's calls on an open file, with types.

use std::ffi::c_void;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::AsRawHandle as _;
use std::path::{Component, Path, Prefix};

use windows_sys::Win32::Foundation::MAX_PATH;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_CASE_SENSITIVE_INFO, FILE_DISPOSITION_INFO,
    FILE_DISPOSITION_INFO_EX, FILE_ID_INFO, FILE_INFO_BY_HANDLE_CLASS, FILE_STANDARD_INFO, FileAttributeTagInfo,
    FileBasicInfo, FileCaseSensitiveInfo, FileDispositionInfo, FileDispositionInfoEx, FileIdInfo, FileStandardInfo,
    GetFileInformationByHandleEx, SetFileInformationByHandle,
};

/// What can be asked about, or done to, an open file.
///
/// # Safety
///
/// `CLASS` must be the number under which the system knows the structure, and any bytes that the
/// system fills it with must be a valid value of it.
pub(super) unsafe trait Info {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS;
}

// SAFETY: the class of that name; integers only.
unsafe impl Info for FILE_BASIC_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileBasicInfo;
}
// SAFETY: the class of that name; integers only.
unsafe impl Info for StandardInfo {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileStandardInfo;
}
// SAFETY: the class of that name; integers only.
unsafe impl Info for FILE_ID_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileIdInfo;
}
// SAFETY: the class of that name; integers only.
unsafe impl Info for FILE_ATTRIBUTE_TAG_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileAttributeTagInfo;
}
// SAFETY: the class of that name; an integer.
unsafe impl Info for FILE_CASE_SENSITIVE_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileCaseSensitiveInfo;
}
// SAFETY: the class of that name, never filled by the system.
unsafe impl Info for FILE_DISPOSITION_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileDispositionInfo;
}
// SAFETY: the class of that name, never filled by the system.
unsafe impl Info for FILE_DISPOSITION_INFO_EX {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileDispositionInfoEx;
}

/// `FILE_STANDARD_INFO` as a driver fills it: nothing keeps its BOOLEANs from being other than 0 and 1.
#[repr(C)]
#[derive(Default)]
pub(super) struct StandardInfo {
    _allocation_size: i64,
    pub(super) end_of_file: i64,
    pub(super) number_of_links: u32,
    pub(super) delete_pending: u8,
    _directory: u8,
}

const _: () = assert!(size_of::<StandardInfo>() == size_of::<FILE_STANDARD_INFO>());

#[expect(clippy::cast_possible_truncation, reason = "these structures have a few dozen bytes")]
pub(super) fn query<T: Info + Default>(file: &File) -> io::Result<T> {
    let mut info = T::default();
    let at: *mut c_void = (&raw mut info).cast();
    // SAFETY: the handle is open, `at` has the size that is passed, and `Info` promises that what
    // the call puts there is a `T`.
    done(unsafe { GetFileInformationByHandleEx(file.as_raw_handle(), T::CLASS, at, size_of::<T>() as u32) })?;
    Ok(info)
}

#[expect(clippy::cast_possible_truncation, reason = "these structures have a few bytes")]
pub(super) fn set<T: Info>(file: &File, info: &T) -> io::Result<()> {
    let at: *const c_void = (&raw const *info).cast();
    // SAFETY: the handle is open, and `at` has the size that is passed and is only read.
    done(unsafe { SetFileInformationByHandle(file.as_raw_handle(), T::CLASS, at, size_of::<T>() as u32) })
}

pub(super) fn done(answer: windows_sys::core::BOOL) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `path`, which is absolute, in the form that the system takes.
pub(super) fn wide(path: &Path) -> io::Result<Vec<u16>> {
    /// Longer ones need the prefix that lifts the limit (which leaves room for a short name in a directory).
    const LIMIT: usize = MAX_PATH as usize - 13;
    let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
    if units.contains(&0) {
        return Err(ErrorKind::InvalidInput.into());
    }
    if units.len() > LIMIT {
        let (prefix, skipped) = match path.components().next() {
            Some(Component::Prefix(prefix)) => match prefix.kind() {
                Prefix::Disk(_) => (r"\\?\", 0),
                Prefix::UNC(..) => (r"\\?\UNC\", 2),
                _ => ("", 0),
            },
            _ => ("", 0),
        };
        units.splice(..skipped, prefix.encode_utf16());
    }
    units.push(0);
    Ok(units)
}
