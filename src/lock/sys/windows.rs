//! Windows: byte-range locks far past the end of the file, POSIX semantics for names.
//!
//! Locked bytes are closed to every other handle here, even for reading, so no lock covers the
//! record: each one is a byte that no record ever reaches. (fs4 would lock the whole file.)
//!
//! All handles are opened with every share mode, which is also std's way, and none is inherited.

use std::ffi::c_void;
use std::fs::{File, FileTimes, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::{FileExt as _, OpenOptionsExt as _};
use std::os::windows::io::AsRawHandle as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemTimeOfDayInformation};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_CALL_NOT_IMPLEMENTED, ERROR_DELETE_PENDING, ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_FUNCTION, ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER, ERROR_LOCK_VIOLATION, ERROR_NOT_LOCKED,
    ERROR_NOT_SAME_DEVICE, ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION, ERROR_STOPPED_ON_SYMLINK,
    ERROR_TOO_MANY_LINKS, MAX_PATH, NTSTATUS, STATUS_DELETE_PENDING, WIN32_ERROR,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, DELETE, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_DISPOSITION_FLAG_DELETE, FILE_DISPOSITION_FLAG_POSIX_SEMANTICS,
    FILE_DISPOSITION_INFO, FILE_DISPOSITION_INFO_EX, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_ID_INFO, FILE_INFO_BY_HANDLE_CLASS, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FILE_STANDARD_INFO, FileAttributeTagInfo, FileBasicInfo, FileDispositionInfo,
    FileDispositionInfoEx, FileIdInfo, FileStandardInfo, GetDriveTypeW, GetFileInformationByHandle,
    GetFileInformationByHandleEx, GetVolumeInformationByHandleW, GetVolumeInformationW, GetVolumePathNameW,
    LOCK_FILE_FLAGS, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, MoveFileExW,
    SetFileInformationByHandle, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use super::{FileId, FileKind, FsClass, Meta, NewDirectories, OsLock};

/// The byte that is the operating-system lock. The one after it is its witness, see `lock`.
const LOCK_BYTE: u64 = 1 << 40;
/// The byte that is the guard of rule 8, likewise.
const GUARD_BYTE: u64 = LOCK_BYTE + 2;

const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Whether a file that another one was renamed over, or that was unlinked, shows no links through its
/// descriptor at once.
pub const LINKS_TELL: bool = false;

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
    // The flag above opens the link itself, where O_NOFOLLOW would fail: fail as it does.
    let FILE_ATTRIBUTE_TAG_INFO { FileAttributes: attributes, ReparseTag: tag } = query(&file)?;
    if kind(attributes, tag) == FileKind::Symlink { Err(os_error(ERROR_STOPPED_ON_SYMLINK)) } else { Ok(file) }
}

/// Creates `path`, with the access rights that its directory hands down, failing with
/// `AlreadyExists` where something has that name.
pub fn create_new(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    options.share_mode(SHARE_ALL).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
}

/// Opens `path` for appending, creating it where it is missing.
pub fn open_append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).share_mode(SHARE_ALL).open(path)
}

/// Opens a file for reading only, whatever links lead to it.
pub fn open_read_through(path: &Path) -> io::Result<File> {
    File::options().read(true).share_mode(SHARE_ALL).open(path)
}

/// Creates a directory and its missing parents, with the access rights that theirs hands down.
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

/// Replaces whatever `path` names by the file named `temporary`, also while others have it open.
#[expect(clippy::disallowed_methods, reason = "the seam is where names are replaced")]
pub fn rename(temporary: &Path, path: &Path) -> io::Result<()> {
    match std::fs::rename(temporary, path) {
        Err(error) if is_transient(&error) => {}
        renamed => return renamed,
    }
    if find(path).map_or(true, |file| has_posix_names(&file)) {
        return patiently(&PAUSES, || std::fs::rename(temporary, path));
    }
    // An open file cannot be replaced there, only moved. Whoever is quick enough to take the free
    // name has it, and we fail with `AlreadyExists`.
    let aside = aside(path);
    move_file(path, &aside)?;
    let renamed = rename_noreplace(temporary, path);
    // What cannot be removed now will be swept later, like any other private name.
    let _ = if renamed.is_err() { move_file(&aside, path).or_else(|_| delete(&aside)) } else { delete(&aside) };
    renamed
}

/// As `rename`, for files that others only read: the name is never free in between, and whoever has the
/// file open without sharing it (a virus scanner, say) is waited for, a second at most.
#[expect(clippy::disallowed_methods, reason = "the seam is where names are replaced")]
pub fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    patiently(&LONG_PAUSES, || std::fs::rename(temporary, path))
}

/// Names are kept by the file system's journal here.
pub fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Gives the file named `temporary` the name `path` instead, never replacing anything.
pub fn rename_noreplace(temporary: &Path, path: &Path) -> io::Result<()> {
    patiently(&PAUSES, || {
        let error = match move_file(temporary, path) {
            Err(error) if is_transient(&error) => error,
            moved => return moved,
        };
        // Access is also denied while a deleted file still lingers under the name: that is taken.
        // When nothing is there, somebody looks at our own file (a virus scanner, say).
        match find(path) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => Err(error),
            _ => Err(os_error(ERROR_ALREADY_EXISTS)),
        }
    })
}

fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (wide(from)?, wide(to)?);
    // SAFETY: both are NUL-terminated and outlive the call, which only reads them.
    done(unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) })
}

/// A free name beside `path`, which `sweep` knows as a private one.
fn aside(path: &Path) -> std::path::PathBuf {
    let unique = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{unique:x}-aside.tmp", std::process::id()));
    name.into()
}

/// 31 ms in all: lock files are opened for moments only.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];
/// A second in all, in many steps: others may come and go all the time.
const LONG_PAUSES: [u64; 128] = [8; 128];

/// Repeats what fails because somebody else has a file open just now, pausing for so many milliseconds.
fn patiently(pauses: &[u64], mut action: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for pause in pauses {
        match action() {
            Err(error) if is_transient(&error) => std::thread::sleep(Duration::from_millis(*pause)),
            finished => return finished,
        }
    }
    action()
}

/// Removes a name, at once: also while others have the file open.
pub fn unlink(path: &Path) -> io::Result<()> {
    let file = open_to_delete(path)?;
    if has_posix_names(&file) {
        let flags = FILE_DISPOSITION_FLAG_DELETE | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS;
        return set(&file, &FILE_DISPOSITION_INFO_EX { Flags: flags });
    }
    drop(file);
    // A deleted file keeps its name until nobody has it open: better a name that nobody wants.
    let aside = aside(path);
    if move_file(path, &aside).is_err() {
        return delete(path);
    }
    // What cannot be removed now will be swept later, like any other private name.
    let _ = delete(&aside);
    Ok(())
}

/// Removes a name, in the end: when nobody has the file open any more.
fn delete(path: &Path) -> io::Result<()> {
    set(&open_to_delete(path)?, &FILE_DISPOSITION_INFO { DeleteFile: true })
}

fn open_to_delete(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    reached(options.access_mode(DELETE).share_mode(SHARE_ALL).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path))
}

/// Whether names on the volume of `file` can be removed and replaced while the files are open. FAT,
/// old file servers and wine cannot.
fn has_posix_names(file: &File) -> bool {
    const FILE_SUPPORTS_POSIX_UNLINK_RENAME: u32 = 0x400;
    let mut flags = 0;
    let nothing = std::ptr::null_mut();
    // SAFETY: the handle is open, `flags` is filled, and the call takes null for what it need not tell.
    let told = done(unsafe {
        let handle = file.as_raw_handle();
        GetVolumeInformationByHandleW(handle, nothing, 0, nothing.cast(), nothing.cast(), &raw mut flags, nothing, 0)
    });
    told.is_ok() && flags & FILE_SUPPORTS_POSIX_UNLINK_RENAME != 0
}

/// Asks for the exclusive operating-system lock, without waiting.
pub fn try_lock(file: &File) -> io::Result<OsLock> {
    lock(file, LOCK_BYTE)
}

/// Gives the operating-system lock up.
pub fn unlock(file: &File) -> io::Result<()> {
    release(file, LOCK_BYTE)
}

/// Takes the guard that changes of a lock file's name exclude each other with, without waiting.
///
/// It is another byte: independent of the lock on the same file, and gone with the handle. Whoever
/// freezes with the guard delays the others and endangers nobody.
pub fn try_guard(file: &File) -> io::Result<OsLock> {
    lock(file, GUARD_BYTE)
}

/// Gives the guard up. Closing the handle does too.
pub fn unguard(file: &File) -> io::Result<()> {
    release(file, GUARD_BYTE)
}

/// Locks `byte` for `file`, as often as one likes: flock grants what one has already, and so do we.
///
/// Windows does not, nor does it say who is in the way. So whoever has the byte also has a shared
/// lock on the next one, its witness: only a handle that has it can give it up.
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
    // The witness first: the byte may never be ours without it.
    for byte in [byte + 1, byte] {
        match unlock_byte(file, byte) {
            // Wine's word for it is the latter.
            Err(error) if matches!(code(&error), ERROR_NOT_LOCKED | ERROR_LOCK_VIOLATION) => {}
            unlocked => unlocked?,
        }
    }
    Ok(())
}

fn lock_byte(file: &File, byte: u64, exclusively: LOCK_FILE_FLAGS) -> io::Result<()> {
    let flags = exclusively | LOCKFILE_FAIL_IMMEDIATELY;
    let mut position = position(byte);
    // SAFETY: the handle is open for as long as `file` is borrowed. It was opened for synchronous
    // use, so that the call is done with the structure when it returns.
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

/// The facts of what `path` names, without following a symbolic link.
pub fn stat_path(path: &Path) -> io::Result<Meta> {
    stat_file(&reached(find(path))?)
}

/// The facts of an open file.
pub fn stat_file(file: &File) -> io::Result<Meta> {
    let basic: FILE_BASIC_INFO = query(file)?;
    let standard: FILE_STANDARD_INFO = query(file)?;
    let tag = if basic.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        0
    } else {
        query::<FILE_ATTRIBUTE_TAG_INFO>(file)?.ReparseTag
    };
    Ok(Meta {
        id: id(file)?,
        kind: kind(basic.FileAttributes, tag),
        // The name of a deleted file counts until the last handle is closed; for us it is gone.
        links: if standard.DeletePending { 0 } else { standard.NumberOfLinks.into() },
        len: standard.EndOfFile.try_into().unwrap_or(0),
        modified: time(basic.LastWriteTime),
        accessed: time(basic.LastAccessTime),
        access: Access,
    })
}

/// Who may use a file: whoever its directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access;

/// A file that was created in a directory has the rights that this one hands down.
pub fn set_access(_file: &File, _like: Option<Access>) -> io::Result<()> {
    Ok(())
}

/// Which file it is on its volume. The volume is left out: the same path does not lead to another one
/// while a file there is open, and wine forgets the volume of a file that was renamed.
fn id(file: &File) -> io::Result<FileId> {
    let index = match query::<FILE_ID_INFO>(file) {
        Ok(id) => u128::from_le_bytes(id.FileId.Identifier),
        // FAT, for one. Only then: the two ways must not be mixed for one file.
        Err(error) if is_unsupported(&error) => {
            let mut facts = BY_HANDLE_FILE_INFORMATION::default();
            // SAFETY: the handle is open, and `facts` is of the type that the call fills.
            done(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut facts) })?;
            u128::from(facts.nFileIndexHigh) << 32 | u128::from(facts.nFileIndexLow)
        }
        Err(error) => return Err(error),
    };
    Ok(FileId { device: 0, index })
}

fn kind(attributes: u32, tag: u32) -> FileKind {
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

/// Ticks of 100 ns since 1601.
fn time(ticks: i64) -> SystemTime {
    const UNIX_EPOCH: i64 = 116_444_736_000_000_000;
    let since = ticks.saturating_sub(UNIX_EPOCH);
    let distance = Duration::from_nanos_u128(u128::from(since.unsigned_abs()) * 100);
    let time = if since < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Reads up to `buffer.len()` bytes from the start of `file`.
pub fn read_start(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.seek_read(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all of `bytes` at `offset`. A record is one call: it fits in a page.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // By itself the date may wait for the handle to be closed, and a heart that seems not to beat
    // is superseded.
    touch(file)
}

/// Moves the modification time to now, for file systems too full for a write.
pub fn touch(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now())
}

/// Moves the access time to now and nothing else: the mark by which a waiter shows itself.
pub fn mark(file: &File) -> io::Result<()> {
    file.set_times(FileTimes::new().set_accessed(SystemTime::now()))
}

/// Starts a named thread. There are no signals here to be kept from it.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<std::thread::JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(body)
}

/// Runs `hook` when the process ends through `ExitProcess`, however Node got there.
///
/// The table belongs to this DLL and is worked off while it is detached: all other threads are gone
/// by then, with whatever locks they held, so `hook` must not wait for any.
pub fn at_exit(hook: extern "C" fn()) {
    unsafe extern "C" {
        fn atexit(hook: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: `hook` is a plain function that lives as long as this DLL, and so does the table.
    unsafe {
        atexit(hook);
    }
}

/// Which class of file system `path` is on.
pub fn fs_class(path: &Path) -> io::Result<FsClass> {
    /// File systems that keep a file's id while it is renamed. Everything else is treated as
    /// remote, which is merely slower.
    const LOCAL: [&str; 2] = ["NTFS", "ReFS"];
    const DRIVE_REMOTE: u32 = 4;
    let path = wide(path)?;
    let mut root = vec![0; path.len() + MAX_PATH as usize];
    let size = u32::try_from(root.len()).map_err(|_| os_error(ERROR_INVALID_PARAMETER))?;
    // SAFETY: `path` is NUL-terminated, and `root` has the size that is passed.
    done(unsafe { GetVolumePathNameW(path.as_ptr(), root.as_mut_ptr(), size) })?;
    root.truncate(root.iter().position(|&unit| unit == 0).map_or(root.len(), |end| end + 1));
    let mut name = [0; 32];
    // SAFETY: `root` is NUL-terminated, `name` has the size that is passed, and the call takes null
    // for what it need not tell.
    let is_local = unsafe {
        let nothing = std::ptr::null_mut();
        GetDriveTypeW(root.as_ptr()) != DRIVE_REMOTE
            && GetVolumeInformationW(
                root.as_ptr(),
                nothing,
                0,
                nothing.cast(),
                nothing.cast(),
                nothing.cast(),
                name.as_mut_ptr(),
                32,
            ) != 0
    } && LOCAL.contains(&String::from_utf16_lossy(&name).trim_end_matches('\0'));
    if is_local {
        return Ok(FsClass::Local);
    }
    // Its serial number would have to come over the network.
    let mut device = DefaultHasher::new();
    root.hash(&mut device);
    Ok(FsClass::Remote { device: device.finish() })
}

/// An identifier of this boot of the kernel: when it was, as first determined.
#[must_use]
pub fn boot_id() -> Option<String> {
    // SYSTEM_TIMEOFDAY_INFORMATION: the boot time comes first, in ticks of 100 ns, and moves with
    // every correction of the clock; the sum of these is the fifth number.
    let mut facts = [0_i64; 6];
    let size = u32::try_from(size_of_val(&facts)).ok()?;
    // SAFETY: `facts` has the size that is passed, and null is no wish to know how much was filled.
    let status = unsafe {
        NtQuerySystemInformation(SystemTimeOfDayInformation, facts.as_mut_ptr().cast(), size, std::ptr::null_mut())
    };
    let booted = facts[0].wrapping_sub(facts[4]);
    (status >= 0 && booted != 0).then(|| format!("{booted:016x}"))
}

/// There are no pid namespaces here.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    None
}

/// Opens whatever `path` names, for its facts alone: that needs no right to read it.
fn find(path: &Path) -> io::Result<File> {
    File::options()
        .access_mode(FILE_READ_ATTRIBUTES)
        .share_mode(SHARE_ALL)
        // Directories can only be opened with the former.
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

/// The result of opening a file, of which one that is deleted and merely lingers counts as missing.
fn reached(opened: io::Result<File>) -> io::Result<File> {
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

/// What can be asked about, or done to, an open file.
///
/// # Safety
///
/// `CLASS` must be the number under which the system knows the structure, and any bytes that the
/// system fills it with must be a valid value of it.
unsafe trait Info {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS;
}

// SAFETY: the class of that name; integers only.
unsafe impl Info for FILE_BASIC_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileBasicInfo;
}
// SAFETY: the class of that name; integers and BOOLEANs, which the system fills with 0 or 1.
unsafe impl Info for FILE_STANDARD_INFO {
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
// SAFETY: the class of that name, never filled by the system.
unsafe impl Info for FILE_DISPOSITION_INFO {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileDispositionInfo;
}
// SAFETY: the class of that name, never filled by the system.
unsafe impl Info for FILE_DISPOSITION_INFO_EX {
    const CLASS: FILE_INFO_BY_HANDLE_CLASS = FileDispositionInfoEx;
}

#[expect(clippy::cast_possible_truncation, reason = "these structures have a few dozen bytes")]
fn query<T: Info + Default>(file: &File) -> io::Result<T> {
    let mut info = T::default();
    let at: *mut c_void = (&raw mut info).cast();
    // SAFETY: the handle is open, `at` has the size that is passed, and `Info` promises that what
    // the call puts there is a `T`.
    done(unsafe { GetFileInformationByHandleEx(file.as_raw_handle(), T::CLASS, at, size_of::<T>() as u32) })?;
    Ok(info)
}

#[expect(clippy::cast_possible_truncation, reason = "these structures have a few bytes")]
fn set<T: Info>(file: &File, info: &T) -> io::Result<()> {
    let at: *const c_void = (&raw const *info).cast();
    // SAFETY: the handle is open, and `at` has the size that is passed and is only read.
    done(unsafe { SetFileInformationByHandle(file.as_raw_handle(), T::CLASS, at, size_of::<T>() as u32) })
}

fn done(answer: windows_sys::core::BOOL) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn code(error: &io::Error) -> WIN32_ERROR {
    error.raw_os_error().map_or(0, i32::cast_unsigned)
}

fn os_error(code: WIN32_ERROR) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// `path` as the system takes it.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
    if units.contains(&0) {
        return Err(ErrorKind::InvalidInput.into());
    }
    units.push(0);
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory, and the path of a file with a record in it.
    fn record() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.lock");
        write_at(&create_new(&path).unwrap(), b"record", 0).unwrap();
        (directory, path)
    }

    /// Whether this is not the real thing: wine keeps a deleted file's name count until it is closed.
    fn is_wine() -> bool {
        #[link(name = "kernel32")]
        unsafe extern "system" {
            fn GetModuleHandleA(name: *const std::ffi::c_char) -> *mut c_void;
            fn GetProcAddress(module: *mut c_void, name: *const std::ffi::c_char) -> *const c_void;
        }
        // SAFETY: both names are NUL-terminated, and ntdll is in every process.
        unsafe { !GetProcAddress(GetModuleHandleA(c"ntdll".as_ptr()), c"wine_get_version".as_ptr()).is_null() }
    }

    #[test]
    fn the_lock_excludes_a_second_handle_until_it_is_given_up() {
        let (_directory, path) = record();
        let (first, second) = (open_lock_file(&path).unwrap(), open_read(&path).unwrap());
        assert_eq!(try_lock(&first).unwrap(), OsLock::Acquired);
        assert_eq!(try_lock(&second).unwrap(), OsLock::Busy);
        unlock(&first).unwrap();
        assert_eq!(try_lock(&second).unwrap(), OsLock::Acquired);
        drop(second);
        assert_eq!(try_lock(&first).unwrap(), OsLock::Acquired, "closing gives it up too");
    }

    #[test]
    fn one_handle_can_lock_repeatedly_and_one_unlock_ends_it() {
        let (_directory, path) = record();
        let (first, second) = (open_lock_file(&path).unwrap(), open_lock_file(&path).unwrap());
        for _ in 0..3 {
            assert_eq!(try_lock(&first).unwrap(), OsLock::Acquired);
            assert_eq!(try_lock(&second).unwrap(), OsLock::Busy);
        }
        unlock(&second).unwrap();
        assert_eq!(try_lock(&second).unwrap(), OsLock::Busy, "only the owner can unlock");
        unlock(&first).unwrap();
        assert_eq!(try_lock(&second).unwrap(), OsLock::Acquired);
    }

    #[test]
    fn the_record_can_be_read_and_written_by_others_while_it_is_locked() {
        let (_directory, path) = record();
        let holder = open_lock_file(&path).unwrap();
        assert_eq!(try_lock(&holder).unwrap(), OsLock::Acquired);
        assert_eq!(try_guard(&holder).unwrap(), OsLock::Acquired);
        let mut buffer = [0; 64];
        assert_eq!(read_start(&open_read(&path).unwrap(), &mut buffer).unwrap(), 6);
        assert_eq!(std::fs::read(&path).unwrap(), b"record");
        write_at(&open_lock_file(&path).unwrap(), b"R", 0).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"Record");
        assert_eq!(stat_file(&holder).unwrap().len, 6, "locking does not make it longer");
    }

    #[test]
    fn the_guard_is_independent_of_the_lock() {
        let (_directory, path) = record();
        let (holder, taker) = (open_lock_file(&path).unwrap(), open_lock_file(&path).unwrap());
        assert_eq!(try_lock(&holder).unwrap(), OsLock::Acquired);
        assert_eq!(try_guard(&taker).unwrap(), OsLock::Acquired);
        assert_eq!(try_guard(&holder).unwrap(), OsLock::Busy);
        unguard(&taker).unwrap();
        assert_eq!(try_guard(&holder).unwrap(), OsLock::Acquired);
        unguard(&holder).unwrap();
        assert_eq!(try_lock(&taker).unwrap(), OsLock::Busy, "the lock is still there");
    }

    #[test]
    fn unlink_frees_the_name_at_once() {
        let (_directory, path) = record();
        let holder = open_lock_file(&path).unwrap();
        let before = stat_file(&holder).unwrap();
        assert_eq!(try_lock(&holder).unwrap(), OsLock::Acquired);
        assert_eq!(before.links, 1);
        unlink(&path).unwrap();
        assert_eq!(stat_path(&path).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(is_wine() || stat_file(&holder).unwrap().links == 0);
        let next = create_new(&path).unwrap();
        assert_ne!(stat_file(&next).unwrap().id, before.id, "the old file is still open");
        assert_eq!(try_lock(&next).unwrap(), OsLock::Acquired);
        assert_eq!(unlink(&path.with_extension("missing")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn rename_noreplace_moves_an_open_file_and_never_replaces_one() {
        let (directory, path) = record();
        let temporary = directory.path().join("file.lock.tmp");
        let draft = create_new(&temporary).unwrap();
        let refused = rename_noreplace(&temporary, &path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"record");
        let free = directory.path().join("free.lock");
        rename_noreplace(&temporary, &free).unwrap();
        assert_eq!(stat_path(&free).unwrap().id, stat_file(&draft).unwrap().id);
        assert_eq!(link(&free, &path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let missing = rename_noreplace(&temporary, &directory.path().join("other")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn rename_replaces_a_file_that_others_have_open_and_locked() {
        let (directory, path) = record();
        let frozen = open_lock_file(&path).unwrap();
        assert_eq!(try_lock(&frozen).unwrap(), OsLock::Acquired);
        let temporary = directory.path().join("file.lock.tmp");
        let draft = create_new(&temporary).unwrap();
        assert_eq!(try_lock(&draft).unwrap(), OsLock::Acquired);
        rename(&temporary, &path).unwrap();
        assert_eq!(stat_path(&path).unwrap().id, stat_file(&draft).unwrap().id);
        assert!(is_wine() || stat_file(&frozen).unwrap().links == 0, "the loser can tell");
        assert_eq!(try_lock(&open_lock_file(&path).unwrap()).unwrap(), OsLock::Busy, "the lock came along");
    }

    #[test]
    fn path_and_handle_tell_the_same_facts() {
        let (directory, path) = record();
        let file = open_lock_file(&path).unwrap();
        link(&path, &directory.path().join("second")).unwrap();
        let (by_path, by_handle) = (stat_path(&path).unwrap(), stat_file(&file).unwrap());
        assert_eq!(by_path.id, by_handle.id);
        assert_eq!((by_path.kind, by_path.links, by_path.len), (FileKind::Regular, 2, 6));
        assert_eq!(stat_path(directory.path()).unwrap().kind, FileKind::Directory);
        assert!(open_lock_file(directory.path()).is_err());
    }

    #[test]
    fn a_write_moves_the_modification_time_and_a_mark_only_the_access_time() {
        let (_directory, path) = record();
        let (holder, waiter) = (open_lock_file(&path).unwrap(), open_lock_file(&path).unwrap());
        let first = stat_path(&path).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        write_at(&holder, b"beat", 0).unwrap();
        let beaten = stat_path(&path).unwrap();
        assert!(beaten.modified > first.modified, "seen by path while the handle is open");
        std::thread::sleep(Duration::from_millis(20));
        mark(&waiter).unwrap();
        let marked = stat_file(&holder).unwrap();
        assert_eq!(marked.modified, beaten.modified);
        assert!(marked.accessed > marked.modified);
    }

    #[test]
    fn a_symbolic_link_is_seen_and_refused() {
        let (directory, path) = record();
        let planted = directory.path().join("planted");
        // Needs a right that not every account has; wine says that it did and does nothing.
        let _ = std::os::windows::fs::symlink_file(&path, &planted);
        if std::fs::symlink_metadata(&planted).is_ok() {
            assert!(is_symlink_error(&open_lock_file(&planted).unwrap_err()));
            assert_eq!(stat_path(&planted).unwrap().kind, FileKind::Symlink);
        }
    }

    #[test]
    fn the_boot_has_one_name_and_temporary_files_are_local() {
        assert!(boot_id().is_some());
        assert_eq!(boot_id(), boot_id());
        let (directory, _) = record();
        assert_eq!(fs_class(&directory.path().canonicalize().unwrap()).unwrap(), FsClass::Local);
        assert!(matches!(fs_class(Path::new(r"\\?\UNC\server\share\directory")), Err(_) | Ok(FsClass::Remote { .. })));
    }

    #[test]
    fn file_times_are_understood() {
        assert_eq!(time(116_444_736_000_000_000), SystemTime::UNIX_EPOCH);
        assert_eq!(time(116_444_736_010_000_001), SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_100));
        assert!(time(0) < SystemTime::UNIX_EPOCH);
    }
}
