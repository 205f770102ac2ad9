//! The facts of a file, by its name or by a handle.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TAG_INFO,
    FILE_BASIC_INFO, FILE_ID_INFO, GetFileInformationByHandle,
};

use super::super::{FileId, FileKind, Meta};
use super::contents::is_mark;
use super::errors::{is_unsupported, reached};
use super::handles::{StandardInfo, done, query};
use super::open::find;

/// The facts of what `path` names, without following a symbolic link.
pub fn stat_path(path: &Path) -> io::Result<Meta> {
    stat_file(&reached(find(path))?)
}

/// The facts of an open file.
pub fn stat_file(file: &File) -> io::Result<Meta> {
    let basic: FILE_BASIC_INFO = query(file)?;
    let standard: StandardInfo = query(file)?;
    let tag = if basic.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        0
    } else {
        query::<FILE_ATTRIBUTE_TAG_INFO>(file)?.ReparseTag
    };
    Ok(Meta {
        id: identity(number(file)?, basic.CreationTime, basic.LastWriteTime),
        kind: kind(basic.FileAttributes, tag),
        // The name of a deleted file counts until the last handle is closed; for us it is gone.
        links: if standard.delete_pending == 0 { standard.number_of_links.into() } else { 0 },
        len: standard.end_of_file.try_into().unwrap_or(0),
        modified: time(basic.LastWriteTime),
        // Only marks count, not reads.
        accessed: if is_mark(basic.LastAccessTime) { time(basic.LastAccessTime) } else { SystemTime::UNIX_EPOCH },
        access: Access,
    })
}

/// Who may use a file: whoever its directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access;

/// Does nothing: a file that was created in a directory inherits its rights from there.
pub fn set_access(_file: &File, _like: Option<Access>) -> io::Result<()> {
    Ok(())
}

/// The number of a file on its volume.
fn number(file: &File) -> io::Result<u128> {
    match query::<FILE_ID_INFO>(file) {
        Ok(id) => Ok(u128::from_le_bytes(id.FileId.Identifier)),
        // FAT, for one. Only then: the two ways must not be mixed for one file.
        Err(error) if is_unsupported(&error) => {
            let mut facts = BY_HANDLE_FILE_INFORMATION::default();
            // SAFETY: the handle is open, and `facts` is of the type that the call fills.
            done(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut facts) })?;
            Ok(u128::from(facts.nFileIndexHigh) << 32 | u128::from(facts.nFileIndexLow))
        }
        Err(error) => Err(error),
    }
}

/// Which file it is on its volume. The volume is left out: a path does not come to lead to another volume
/// while a file there is open, and wine forgets the volume of a file that was renamed.
///
/// A file without a number of its own is the same only for as long as nobody writes to it: its dates stand in. (The
/// date of creation alone would not do. A new file inherits it from one that had its name until a moment ago.)
pub(super) fn identity(number: u128, created: i64, written: i64) -> FileId {
    /// These say that there is none, with 64 bits or with 128 (MS-FSCC 2.1.9 and 2.1.10).
    const NONE: [u128; 3] = [0, u64::MAX as u128, u128::MAX];
    if NONE.contains(&number) {
        FileId::new(1, u128::from(created.cast_unsigned()) << 64 | u128::from(written.cast_unsigned()))
    } else {
        FileId::new(0, number)
    }
}

pub(super) fn kind(attributes: u32, tag: u32) -> FileKind {
    /// Set in the tags of reparse points that stand for another name: links, junctions, mounts.
    const NAME_SURROGATE: u32 = 0x2000_0000;
    /// `AF_UNIX` sockets, and the FIFOs and devices of Linux subsystems.
    const SPECIAL: std::ops::RangeInclusive<u32> = 0x8000_0023..=0x8000_0026;
    if attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 && tag & NAME_SURROGATE != 0 {
        FileKind::Symlink
    } else if attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 && SPECIAL.contains(&tag) {
        FileKind::Special
    } else if attributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
        FileKind::Directory
    } else {
        FileKind::Regular
    }
}

/// 1970 in ticks of 100 ns since 1601.
pub(super) const UNIX_EPOCH: i64 = 116_444_736_000_000_000;

/// The ticks in a time that comes in two halves.
pub(super) fn ticks(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

/// A time in ticks.
pub(super) fn time(ticks: i64) -> SystemTime {
    let since = ticks.saturating_sub(UNIX_EPOCH);
    let distance = Duration::from_nanos_u128(u128::from(since.unsigned_abs()) * 100);
    let time = if since < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}
