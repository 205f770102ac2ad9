use std::cell::Cell;
use std::sync::Arc;

use super::*;
use crate::lock::loss::{Loss, LossReason};

const OPEN: &dyn Fn() -> Result<(), LockError> = &|| Ok(());

fn content(target: &Target) -> Vec<u8> {
    read(target.path(), Links::Refused).unwrap().unwrap()
}

fn save(target: &Target, bytes: &[u8]) -> Result<(), StoreError> {
    write(target, bytes, Durability::Memory, OPEN)
}

fn save_named(target: &Target, bytes: &[u8], fence: &dyn Fn() -> Result<(), LockError>) -> Result<(), StoreError> {
    Content { target, bytes, durability: Durability::Disk }.write_named(occupant(target.path())?, fence).map(drop)
}

#[test]
fn every_way_of_writing_replaces_the_whole_file_and_leaves_nothing_else() {
    let (_directory, target) = Target::scratch("file");
    assert_eq!(read(target.path(), Links::Refused).unwrap(), None);
    for (turn, text) in ["a long text at first", "short", ""].iter().enumerate() {
        let bytes = text.as_bytes();
        match turn {
            0 => write(&target, bytes, Durability::Disk, OPEN).unwrap(),
            1 => save(&target, bytes).unwrap(),
            _ => save_named(&target, bytes, OPEN).unwrap(),
        }
        assert_eq!(content(&target), bytes);
        assert_eq!(target.entries(), ["file"]);
    }
}

#[test]
fn a_fence_that_closes_while_the_file_is_written_keeps_it_from_its_name() {
    let (_directory, target) = Target::scratch("file");
    let lost = || {
        LockError::from(Arc::new(Loss {
            lease: 1,
            lock_path: target.lock_path().into(),
            token: 1,
            label: None,
            held_for: std::time::Duration::ZERO,
            reason: LossReason::Removed,
        }))
    };
    for existing in [None, Some("old")] {
        if let Some(text) = existing {
            save(&target, text.as_bytes()).unwrap();
        }
        for way in [write_closing, write_named_closing] {
            assert!(matches!(way(&target, &lost), Err(StoreError::Lock(LockError::Lost(_)))));
            assert_eq!(read(target.path(), Links::Refused).unwrap().as_deref(), existing.map(str::as_bytes));
            assert_eq!(target.entries().len(), usize::from(existing.is_some()), "the private name is gone");
        }
    }
}

/// A fence that is open once.
fn closing(lost: &dyn Fn() -> LockError) -> impl Fn() -> Result<(), LockError> {
    let asked = Cell::new(false);
    move || if asked.replace(true) { Err(lost()) } else { Ok(()) }
}

fn write_closing(target: &Target, lost: &dyn Fn() -> LockError) -> Result<(), StoreError> {
    write(target, b"new", Durability::Disk, &closing(lost))
}

fn write_named_closing(target: &Target, lost: &dyn Fn() -> LockError) -> Result<(), StoreError> {
    save_named(target, b"new", &|| Err(lost()))
}

#[test]
fn leftovers_of_killed_writers_go_with_the_next_write_and_those_of_live_ones_stay() {
    let (_directory, target) = Target::scratch("file");
    let leftover = |slot| target.directory().join(format!("file.leasehold-{slot}.tmp"));
    for existing in [false, true] {
        std::fs::write(leftover(0), "x").unwrap();
        std::fs::write(leftover(1), "x").unwrap();
        assert_eq!(target.path().exists(), existing);
        save(&target, b"new").unwrap();
        assert_eq!(target.entries(), ["file"]);
    }
    std::fs::write(leftover(0), "x").unwrap();
    let writer = sys::open_lock_file(&leftover(0)).unwrap();
    assert_eq!(sys::try_lock(&writer).unwrap(), sys::OsLock::Acquired);
    std::fs::write(leftover(2), "x").unwrap();
    save(&target, b"newer").unwrap();
    save_named(&target, b"newest", OPEN).unwrap();
    assert_eq!(content(&target), b"newest");
    assert_eq!(target.entries(), ["file", "file.leasehold-0.tmp"]);
}

#[test]
fn writers_at_the_same_moment_all_get_their_turn() {
    let (_directory, target) = Target::scratch("file");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let target = &target;
            scope.spawn(move || {
                for turn in 0..50 {
                    let text = format!("{writer}").repeat(turn + 1);
                    if writer % 2 == 0 {
                        save(target, text.as_bytes()).unwrap();
                    } else {
                        save_named(target, text.as_bytes(), OPEN).unwrap();
                    }
                    let seen = content(target);
                    assert!(seen.iter().all(|byte| *byte == seen[0]), "it is somebody's whole text");
                }
            });
        }
    });
    assert_eq!(target.entries(), ["file"]);
}

#[test]
fn a_directory_that_vanished_is_made_again() {
    let (directory, _) = Target::scratch("file");
    let target = Target::resolve(&directory.path().join("below/file")).unwrap();
    for way in [save, |target: &Target, bytes: &[u8]| save_named(target, bytes, OPEN)] {
        std::fs::remove_dir_all(target.directory()).unwrap();
        way(&target, b"new").unwrap();
        assert_eq!(content(&target), b"new");
    }
}

#[test]
fn very_long_names_have_private_names_too() {
    let (_directory, target) = Target::scratch(&"ä".repeat(125));
    save(&target, b"1").unwrap();
    save(&target, b"2").unwrap();
    save_named(&target, b"3", OPEN).unwrap();
    assert_eq!(content(&target), b"3");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Puts something at the first path that may lead to the second.
    type Plant = fn(&Path, &Path);

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn modes_are_kept_and_new_files_and_directories_are_private() {
        let (directory, _) = Target::scratch("file");
        let path = directory.path().join("a/b/file");
        let target = Target::resolve_with(&path, Some(NewDirectories::Private)).unwrap();
        save(&target, b"1").unwrap();
        assert_eq!(mode(target.path()), 0o600);
        assert_eq!((mode(&directory.path().join("a")), mode(target.directory())), (0o700, 0o700));
        for kept in [0o640, 0o400, 0o666] {
            std::fs::set_permissions(target.path(), std::fs::Permissions::from_mode(kept)).unwrap();
            save(&target, b"2").unwrap();
            assert_eq!(mode(target.path()), kept);
            save_named(&target, b"3", OPEN).unwrap();
            assert_eq!(mode(target.path()), kept);
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_left_as_it_is() {
        let (directory, target) = Target::scratch("file");
        let precious = directory.path().join("precious");
        std::fs::write(&precious, "precious").unwrap();
        let plants: [(FileKind, Plant); 4] = [
            (FileKind::Directory, |path, _| std::fs::create_dir(path).unwrap()),
            (FileKind::Symlink, |path, precious| symlink(precious, path).unwrap()),
            (FileKind::Symlink, |path, _| symlink("nowhere", path).unwrap()),
            (FileKind::Special, |path, _| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
        ];
        for (kind, plant) in plants {
            plant(target.path(), &precious);
            let before = target.entries();
            let refused = |result| matches!(result, Err(StoreError::NotAFile { found, .. }) if found == kind);
            assert!(refused(save(&target, b"new")), "{kind:?}");
            assert!(refused(read(target.path(), Links::Refused).map(drop)), "{kind:?}");
            assert_eq!(target.entries(), before);
            let gone = if kind == FileKind::Directory { std::fs::remove_dir } else { sys::unlink };
            gone(target.path()).unwrap();
        }
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    }

    #[test]
    fn links_are_read_through_when_that_is_asked_for() {
        let (directory, target) = Target::scratch("file");
        std::fs::write(directory.path().join("real"), "real").unwrap();
        symlink("real", target.path()).unwrap();
        assert_eq!(read(target.path(), Links::Followed).unwrap().unwrap(), b"real");
        sys::unlink(target.path()).unwrap();
        symlink("nowhere", target.path()).unwrap();
        assert_eq!(read(target.path(), Links::Followed).unwrap(), None, "there is nothing to read");
    }
}
