//! Opening lock files: with every share mode, as std does, and for this process alone.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;

use windows_sys::Win32::Foundation::ERROR_STOPPED_ON_SYMLINK;
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_TAG_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

use super::super::FileKind;
use super::errors::{PAUSES, created, os_error, patiently, reached};
use super::facts::kind;
use super::handles::query;
use super::paths::fits;

const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Opens an existing lock file for reading and writing, refusing to follow a symbolic link.
pub fn open_lock_file(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true).write(true))
}

/// Opens a lock file for reading only, under the same precautions.
pub fn open_read(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true))
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = reached(options.share_mode(SHARE_ALL).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path))?;
    // The flag above opens a link itself, where O_NOFOLLOW would fail: fail in the same way.
    let FILE_ATTRIBUTE_TAG_INFO { FileAttributes: attributes, ReparseTag: tag } = query(&file)?;
    if kind(attributes, tag) == FileKind::Symlink { Err(os_error(ERROR_STOPPED_ON_SYMLINK)) } else { Ok(file) }
}

/// Creates `path`, with the access rights that it inherits from its directory, failing with
/// `AlreadyExists` where something has that name.
pub fn create_new(path: &Path) -> io::Result<File> {
    fits(path)?;
    let mut options = File::options();
    options.read(true).write(true).create_new(true).share_mode(SHARE_ALL).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    created(patiently(&PAUSES, || options.open(path)))
}

/// Opens `path` for appending, creating it where it is missing.
pub fn open_append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).share_mode(SHARE_ALL).open(path)
}

/// Opens a file for reading only, whatever links lead to it.
pub fn open_read_through(path: &Path) -> io::Result<File> {
    File::options().read(true).share_mode(SHARE_ALL).open(path)
}

/// Opens whatever `path` names, for its facts alone: that needs no right to read it.
pub(super) fn find(path: &Path) -> io::Result<File> {
    File::options()
        .access_mode(FILE_READ_ATTRIBUTES)
        .share_mode(SHARE_ALL)
        // Directories can only be opened with the first flag.
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

pub(super) fn open_to_delete(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    reached(options.access_mode(DELETE).share_mode(SHARE_ALL).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path))
}
