//! The seam as the protocol uses it.

use std::ffi::c_void;
use std::io::ErrorKind;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::AsRawHandle as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_DIRECTORY, ERROR_DISK_FULL, ERROR_INVALID_PARAMETER, ERROR_LOCK_VIOLATION,
    ERROR_NOT_LOCKED, ERROR_SHARING_VIOLATION, GetHandleInformation, HANDLE_FLAG_INHERIT,
};
use windows_sys::Win32::Storage::FileSystem::{LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::super::{FileKind, FsClass, NewDirectories, OsLock};
use super::errors::os_error;
use super::facts::{identity, time};
use super::locks::is_not_locked;
use super::names::replace_aside;
use super::*;

/// A directory, and the path of a file with a record in it.
fn record() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lock");
    write_at(&create_new(&path).unwrap(), b"record", 0).unwrap();
    (directory, path)
}

/// The names in `directory`, in order.
fn names(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether this is wine, which keeps counting a deleted file's name until the file is closed.
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
    assert_eq!(read_start(&open_read(&path).unwrap(), &mut buffer, 6).unwrap(), 6);
    assert_eq!(std::fs::read(&path).unwrap(), b"record");
    write_at(&open_lock_file(&path).unwrap(), b"R", 0).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"Record");
    assert_eq!(stat_file(&holder).unwrap().len, 6, "locking does not make it longer");
}

/// The next two show even on wine, where locked bytes can be read, that Windows lets others read the record.
#[test]
fn no_byte_that_a_record_can_have_is_locked() {
    let (_directory, path) = record();
    let (holder, other) = (open_lock_file(&path).unwrap(), open_lock_file(&path).unwrap());
    assert_eq!(try_lock(&holder).unwrap(), OsLock::Acquired);
    assert_eq!(try_guard(&holder).unwrap(), OsLock::Acquired);
    assert!(lock_range(&other, 1 << 40), "everything before the first locked byte is free");
    assert!(!lock_range(&other, (1 << 40) + 1));
}

#[test]
fn who_locks_what_stands_in_a_file_is_not_in_the_way() {
    let (_directory, path) = record();
    let (editor, holder) = (open_lock_file(&path).unwrap(), open_lock_file(&path).unwrap());
    assert!(lock_range(&editor, 1 << 32));
    assert_eq!(try_lock(&holder).unwrap(), OsLock::Acquired);
    assert_eq!(try_guard(&holder).unwrap(), OsLock::Acquired);
}

/// Whether the first `length` bytes could be locked for `file` alone.
#[expect(clippy::cast_possible_truncation, reason = "the length is passed in two halves")]
fn lock_range(file: &std::fs::File, length: u64) -> bool {
    let mut start = OVERLAPPED::default();
    let (flags, low, high) =
        (LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, length as u32, (length >> 32) as u32);
    // SAFETY: the handle is open, and the call is done with the structure when it returns.
    unsafe { LockFileEx(file.as_raw_handle(), flags, 0, low, high, &raw mut start) != 0 }
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
fn unlink_leaves_directories_alone_and_nothing_behind() {
    let (directory, path) = record();
    let inner = directory.path().join("inner.lock");
    std::fs::create_dir(&inner).unwrap();
    assert!(unlink(&inner).is_err());
    assert!(inner.is_dir());
    unlink(&path).unwrap();
    assert_eq!(names(&directory), ["inner.lock"], "it was moved aside, and is gone there");
}

#[test]
fn who_opens_a_name_that_is_being_removed_finds_it_or_does_not() {
    let (_directory, path) = record();
    std::thread::scope(|scope| {
        let remover = scope.spawn(|| {
            for _ in 0..100 {
                unlink(&path).unwrap();
                drop(create_new(&path).unwrap());
            }
        });
        while !remover.is_finished() {
            // As libuv does.
            if let Err(error) = std::fs::File::open(&path) {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            }
        }
    });
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
fn where_an_open_file_cannot_be_replaced_it_is_moved_out_of_the_way() {
    let (directory, path) = record();
    let frozen = open_lock_file(&path).unwrap();
    let temporary = directory.path().join("file.lock.tmp");
    let draft = create_new(&temporary).unwrap();
    assert_eq!(try_lock(&draft).unwrap(), OsLock::Acquired);
    replace_aside(&temporary, &path).unwrap();
    assert_eq!(stat_path(&path).unwrap().id, stat_file(&draft).unwrap().id);
    assert_eq!(try_lock(&open_lock_file(&path).unwrap()).unwrap(), OsLock::Busy, "the lock came along");
    drop(frozen);
    assert_eq!(names(&directory), ["file.lock"], "nothing else is left");
}

#[test]
fn a_name_does_not_become_free_for_a_replacement_that_cannot_be_had() {
    let (directory, path) = record();
    let temporary = directory.path().join("file.lock.tmp");
    assert_eq!(replace_aside(&temporary, &path).unwrap_err().kind(), ErrorKind::NotFound);
    drop(create_new(&temporary).unwrap());
    let scanner = std::fs::File::options().read(true).share_mode(0).open(&temporary).unwrap();
    assert!(is_transient(&replace_aside(&temporary, &path).unwrap_err()));
    drop(scanner);
    let inner = directory.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    assert!(rename(&temporary, &inner).is_err(), "a directory is not replaced");
    assert!(stat_path(&inner).unwrap().kind == FileKind::Directory);
    assert_eq!(names(&directory), ["file.lock", "file.lock.tmp", "inner"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"record");
}

#[test]
fn a_private_name_is_removed_where_it_stands() {
    let (directory, _) = record();
    let private = directory.path().join("file.json.leasehold-0.tmp");
    let writer = create_new(&private).unwrap();
    unlink(&private).unwrap();
    let left = names(&directory);
    assert!(!left.iter().any(|name| name.contains("aside")), "only its own name is swept: {left:?}");
    drop(writer);
    assert_eq!(names(&directory), ["file.lock"]);
}

#[test]
fn a_name_is_flushed_with_its_file() {
    let (directory, path) = record();
    let temporary = directory.path().join("file.lock.tmp");
    let file = create_new(&temporary).unwrap();
    replace(&temporary, &path).unwrap();
    sync_name(&file, directory.path()).unwrap();
    let denied = sync_name(&open_read(&path).unwrap(), directory.path()).unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied, "the file is asked for, and who only reads may not ask");
}

#[test]
fn a_file_without_a_number_is_known_by_its_dates() {
    for number in [0, u64::MAX.into(), u128::MAX] {
        let file = identity(number, 1, 2);
        assert_eq!(identity(number, 1, 2), file);
        assert_ne!(identity(number, 1, 3), file, "somebody wrote, or it is another file that inherited the first date");
        assert_ne!(identity(number, 2, 2), file);
        assert_ne!(identity(1 << 64 | 2, 1, 2), file, "a file with such a number");
    }
    assert_eq!(identity(7, 1, 2), identity(7, 3, 4));
    assert_ne!(identity(7, 1, 2), identity(8, 1, 2));
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
    waiter
        .set_times(std::fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)))
        .unwrap();
    let read = stat_file(&holder).unwrap();
    assert!(read.accessed < read.modified, "somebody who reads it is no waiter");
}

#[test]
fn a_symbolic_link_is_seen_and_refused() {
    let (directory, path) = record();
    let planted = directory.path().join("planted");
    // Needs a right that not every account has; wine reports success and does nothing.
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

#[test]
fn a_file_that_somebody_shares_with_nobody_is_busy_and_nothing_else() {
    let (directory, path) = record();
    let exclusive = std::fs::File::options().read(true).share_mode(0).open(&path).unwrap();
    assert!(is_transient(&open_lock_file(&path).unwrap_err()));
    assert!(is_transient(&open_read(&path).unwrap_err()));
    assert_eq!(unlink(&path).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(stat_path(&path).unwrap().len, 6, "its facts can be had all the same");
    let temporary = directory.path().join("file.lock.tmp");
    drop(create_new(&temporary).unwrap());
    assert_eq!(rename_noreplace(&temporary, &path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(rename(&temporary, &path).is_err());
    drop(exclusive);
    rename(&temporary, &path).unwrap();
    unlink(&path).unwrap();
}

#[test]
fn what_passes_in_a_moment_is_not_reported() {
    let (_directory, path) = record();
    let scanner = std::fs::File::options().read(true).share_mode(0).open(&path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(5));
            drop(scanner);
        });
        unlink(&path).unwrap();
    });
}

#[test]
fn no_handle_is_inherited_by_child_processes() {
    let (directory, path) = record();
    let new = create_new(&directory.path().join("new")).unwrap();
    for file in [open_lock_file(&path).unwrap(), open_read(&path).unwrap(), open_append(&path).unwrap(), new] {
        let mut flags = 0;
        // SAFETY: the handle is open, and `flags` is filled.
        assert_ne!(unsafe { GetHandleInformation(file.as_raw_handle(), &raw mut flags) }, 0);
        assert_eq!(flags & HANDLE_FLAG_INHERIT, 0);
    }
}

#[test]
fn paths_beyond_the_old_limit_work_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let deep = (0..6).fold(real_path(directory.path()).unwrap(), |path, _| path.join("d".repeat(60)));
    create_dir_all(&deep, NewDirectories::Ordinary).unwrap();
    if !is_wine() {
        // Wine's GetFinalPathNameByHandleW knows short paths only.
        assert_eq!(real_path(&deep).unwrap(), deep);
    }
    assert_eq!(fs_class(&deep).unwrap(), FsClass::Local);
    let (temporary, path) = (deep.join("file.lock.tmp"), deep.join("file.lock"));
    let draft = create_new(&temporary).unwrap();
    rename_noreplace(&temporary, &path).unwrap();
    assert_eq!(stat_path(&path).unwrap().id, stat_file(&draft).unwrap().id);
    let next = create_new(&temporary).unwrap();
    rename(&temporary, &path).unwrap();
    assert_eq!(stat_path(&path).unwrap().id, stat_file(&next).unwrap().id);
    unlink(&path).unwrap();
    assert_eq!(stat_path(&path).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn unlocking_what_is_not_locked_is_no_error_on_any_version() {
    let (_directory, path) = record();
    let file = open_lock_file(&path).unwrap();
    unlock(&file).unwrap();
    unguard(&file).unwrap();
    for code in [ERROR_NOT_LOCKED, ERROR_LOCK_VIOLATION] {
        assert!(is_not_locked(&os_error(code)));
    }
    assert!(!is_not_locked(&os_error(ERROR_INVALID_PARAMETER)));
}

#[test]
fn node_knows_errors_by_its_own_numbers() {
    for (code, number) in
        [(ERROR_ACCESS_DENIED, 4048), (ERROR_SHARING_VIOLATION, 4082), (ERROR_DISK_FULL, 4055), (ERROR_DIRECTORY, 4052)]
    {
        assert_eq!(errno(&os_error(code)), Some(number));
    }
    assert_eq!(errno(&os_error(0xDEAD)), Some(4094), "unknown to Node, too");
    assert_eq!(errno(&ErrorKind::ResourceBusy.into()), None);
}

#[test]
fn the_installation_has_a_name() {
    assert!(machine_id().is_some_and(|id| id.len() > 8));
}
