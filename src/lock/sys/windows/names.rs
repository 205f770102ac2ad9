//! Names: given, changed and removed as on POSIX, even while others have the files open.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::windows::io::AsRawHandle as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, ERROR_NOT_SUPPORTED};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_DISPOSITION_FLAG_DELETE, FILE_DISPOSITION_FLAG_POSIX_SEMANTICS, FILE_DISPOSITION_INFO,
    FILE_DISPOSITION_INFO_EX, GetVolumeInformationByHandleW, MoveFileExW,
};

use super::super::NewDirectories;
use super::errors::{LONG_PAUSES, PAUSES, is_transient, is_unsupported, may_pass, os_error, patiently};
use super::handles::{done, set, wide};
use super::open::{find, open_to_delete};
use super::paths::fits;

/// Creates a directory and its missing parents, with the access rights that they inherit.
pub fn create_dir_all(path: &Path, _new: NewDirectories) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// There are no unnamed files here: drafts get a private name.
pub fn create_unnamed(_directory: &Path) -> io::Result<File> {
    Err(os_error(ERROR_NOT_SUPPORTED))
}

/// There are no unnamed files here.
pub fn link_unnamed(_file: &File, _path: &Path) -> io::Result<()> {
    Err(os_error(ERROR_NOT_SUPPORTED))
}

/// Gives the file named `temporary` the second name `path`, which must be free.
pub fn link(temporary: &Path, path: &Path) -> io::Result<()> {
    std::fs::hard_link(temporary, path)
}

/// Replaces the file that `path` names by the one named `temporary`, even while others have it open.
#[expect(clippy::disallowed_methods, reason = "the seam is where names are replaced")]
pub fn rename(temporary: &Path, path: &Path) -> io::Result<()> {
    let rename = || std::fs::rename(temporary, path);
    let is_promised = || find(path).map_or(true, |file| has_posix_names(&file));
    let renamed = match rename() {
        Err(error) if may_pass(&error) && is_promised() => patiently(&PAUSES, rename),
        renamed => renamed,
    };
    match renamed {
        // The volume cannot do it; or it promised too much, as when a driver or a server in between cannot.
        Err(error) if may_pass(&error) => replace_aside(temporary, path),
        renamed => renamed,
    }
}

/// Replaces an open file where that cannot be done in one step: it is moved aside first, and its name is free for a
/// moment. If somebody takes the name meanwhile, that is `AlreadyExists`.
pub(super) fn replace_aside(temporary: &Path, path: &Path) -> io::Result<()> {
    // If one of the two is kept from us, or is a directory, the name had better not become free.
    drop((open_to_delete(temporary)?, open_to_delete(path)?));
    let aside = aside(path);
    move_file(path, &aside)?;
    let renamed = rename_noreplace(temporary, path);
    // What cannot be removed now will be swept later, like any other private name.
    let _ = if renamed.is_err() { move_file(&aside, path).or_else(|_| delete(&aside)) } else { delete(&aside) };
    renamed
}

/// Like `rename`, for files that others only read: the name is never free in between. If somebody (a virus
/// scanner, say) has the file open without sharing it, waits for a second at most.
#[expect(clippy::disallowed_methods, reason = "the seam is where names are replaced")]
pub fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    patiently(&LONG_PAUSES, || std::fs::rename(temporary, path))
}

/// Flushes the name that `file` has got, and its contents, to the disk. Directories cannot be flushed here: a name is
/// flushed with its file, which was opened for writing.
pub fn sync_name(file: &File, _directory: &Path) -> io::Result<()> {
    file.sync_all()
}

/// Gives the file named `temporary` the name `path` instead, never replacing anything.
pub fn rename_noreplace(temporary: &Path, path: &Path) -> io::Result<()> {
    patiently(&PAUSES, || {
        let error = match move_file(temporary, path) {
            Err(error) if may_pass(&error) => error,
            moved => return moved,
        };
        // Access is also denied while a deleted file lingers under the name: then the name is taken.
        // When nothing is there, somebody (a virus scanner, say) looks at our own file.
        match find(path) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => Err(error),
            _ => Err(os_error(ERROR_ALREADY_EXISTS)),
        }
    })
}

fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    fits(to)?;
    let (from, to) = (wide(from)?, wide(to)?);
    // SAFETY: both are NUL-terminated and outlive the call, which only reads them.
    done(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) })
}

/// A free name beside `path`, which is swept like any private one: `<lock file>.<pid>-<time>-aside.tmp`, cut
/// short where that would be too long a name.
fn aside(path: &Path) -> PathBuf {
    let unique = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = super::super::name_before(".4294967295-0123456789abcdef0-4294967295.tmp", path);
    path.with_file_name(format!("{name}.{}-{unique:x}-aside.tmp", std::process::id()))
}

/// Removes a name at once, even while others have the file open. `ResourceBusy` when they have it open
/// in a way that forbids it.
pub fn unlink(path: &Path) -> io::Result<()> {
    patiently(&PAUSES, || remove(path))
        .map_err(|error| if is_transient(&error) { io::Error::new(ErrorKind::ResourceBusy, error) } else { error })
}

fn remove(path: &Path) -> io::Result<()> {
    // Directories cannot be opened like this, and so are not moved.
    drop(open_to_delete(path)?);
    // Until it is closed, the handle that deletes a file keeps its name, and opening that name fails with
    // "access denied". So it is better done under a name that nobody wants. A private name is one already; moved aside,
    // that of a JSON file would be swept by nobody if we were killed here.
    let is_private = path.extension().is_some_and(|extension| extension == "tmp");
    let aside = aside(path);
    if is_private || move_file(path, &aside).is_err() {
        return delete(path);
    }
    // What cannot be removed now will be swept later, like any other private name.
    let _ = delete(&aside);
    Ok(())
}

/// Removes a name: at once where the volume can, even while others have the file open; else when nobody has it open.
fn delete(path: &Path) -> io::Result<()> {
    let file = open_to_delete(path)?;
    if has_posix_names(&file) {
        let flags = FILE_DISPOSITION_FLAG_DELETE | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS;
        match set(&file, &FILE_DISPOSITION_INFO_EX { Flags: flags }) {
            // The volume promised too much: a filter driver or a server in between cannot.
            Err(error) if is_unsupported(&error) => {}
            removed => return removed,
        }
    }
    set(&file, &FILE_DISPOSITION_INFO { DeleteFile: true })
}

/// Whether names on the volume of `file` can be removed and replaced while the files are open. FAT,
/// old file servers and wine cannot.
fn has_posix_names(file: &File) -> bool {
    const FILE_SUPPORTS_POSIX_UNLINK_RENAME: u32 = 0x400;
    let mut flags = 0;
    let nothing = std::ptr::null_mut();
    // SAFETY: the handle is open, `flags` is filled, and the call takes null for what it need not return.
    let told = done(unsafe {
        let handle = file.as_raw_handle();
        GetVolumeInformationByHandleW(handle, nothing, 0, nothing.cast(), nothing.cast(), &raw mut flags, nothing, 0)
    });
    told.is_ok() && flags & FILE_SUPPORTS_POSIX_UNLINK_RENAME != 0
}
