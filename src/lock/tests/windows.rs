//! What only Windows has: several spellings of one name, and files that are opened without sharing.

use std::os::windows::fs::OpenOptionsExt as _;

use super::*;
use crate::lock::terms::Scope;
use crate::lock::{Target, inspect};

fn lock_path(path: &Path) -> PathBuf {
    Target::resolve(path).unwrap().lock_path().to_path_buf()
}

#[test]
fn all_ways_to_write_a_path_lead_to_one_lock() {
    let place = place();
    fs::create_dir(place.path.with_file_name("sub")).unwrap();
    let text = place.path.to_str().unwrap();
    let (drive, rest) = text.split_at(2);
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    assert_eq!(hold.lease().target.lock_path(), place.lock_path);
    for same in [
        format!(r"\\?\{text}"),
        format!(r"\\.\{text}"),
        text.replace('\\', "/"),
        text.to_uppercase(),
        format!("{}{rest}", drive.to_lowercase()),
        format!("{text}."),
        format!("{text} "),
        format!(r"{}\sub\..\.\file", text.strip_suffix(r"\file").unwrap()),
    ] {
        let again = Terms { chain: vec![Scope { lease: hold.lease().id, hold: hold.id }], ..at_once() };
        let nested = acquire_blocking(Path::new(&same), again).unwrap_or_else(|error| panic!("{same}: {error}"));
        assert_eq!(nested.lease().id, hold.lease().id, "{same}");
    }
}

#[test]
fn a_path_relative_to_a_drive_is_taken_from_the_directory_there() {
    let here = std::env::current_dir().unwrap();
    let drive = &here.to_str().unwrap()[..2];
    let target = Target::split(Path::new(&format!("{drive}file"))).unwrap();
    assert_eq!(target, (here, "file".into()));
}

#[test]
fn paths_resolve_as_in_node() {
    for (given, directory, name) in [
        (r"C:\a\b\..\c.json", r"C:\a", "c.json"),
        (r"C:/a/./b//c.json/", r"C:\a\b", "c.json"),
        (r"C:\..\c", r"C:\", "c"),
        (r"\\server\share\a\..\c", r"\\server\share\", "c"),
        (r"\\?\C:\a\..\c", r"\\?\C:\", "c"),
    ] {
        let (directory, name) = (PathBuf::from(directory), name.into());
        assert_eq!(Target::split(Path::new(given)).unwrap(), (directory, name), "{given}");
    }
}

#[test]
fn streams_devices_and_names_that_few_can_reach_are_refused() {
    for bad in [r"C:\a\file:stream", "file::$DATA", r"C:\a\NUL", "con", r"C:\a\lpt1.txt", r"\\?\C:\a\b.", r"C:\a\b*"] {
        let refused = Target::split(Path::new(bad));
        assert!(matches!(refused, Err(LockError::InvalidPath { .. })), "{bad}: {refused:?}");
    }
}

#[test]
fn servers_and_shares_are_no_files() {
    for bad in [r"\\server", "//server/", r"\\server\share", r"\\server\share\"] {
        let refused = Target::split(Path::new(bad));
        assert!(matches!(refused, Err(LockError::InvalidPath { .. })), "{bad}: {refused:?}");
    }
}

#[test]
fn nobody_sees_a_prefix_that_nobody_wrote() {
    let place = place();
    assert!(!lock_path(&place.path).to_str().unwrap().contains('?'));
    assert_eq!(lock_path(&Path::new(r"\\?\").join(&place.path)), place.lock_path);
}

#[test]
fn a_lock_file_that_is_shared_with_nobody_is_waited_for() {
    let place = place();
    drop(stranger(&place.lock_path, 5));
    let scanner = File::options().read(true).share_mode(0).open(&place.lock_path).unwrap();
    let quick = Terms { timeout: Some(Duration::from_millis(100)), ..patient() };
    let refused = acquire_blocking(&place.path, quick);
    assert!(matches!(refused, Err(LockError::Timeout { .. })), "a wait that ends, and no fault");
    assert!(inspect::inspect(&place.path).unwrap().owner.is_some(), "somebody has it");
    let waiting = ask(&place.path, patient());
    drop(scanner);
    assert_eq!(waiting.recv().unwrap().unwrap().lease().taken_from, Some(Cause::OwnerDied));
}

#[test]
fn a_release_tells_nobody_of_a_lock_file_that_cannot_be_removed_just_now() {
    let place = place();
    let hold = acquire_blocking(&place.path, patient()).unwrap();
    // It lets others read and write, as the holder does, but forbids the removal.
    let scanner = File::options().read(true).share_mode(3).open(&place.lock_path).unwrap();
    let (sender, receiver) = mpsc::channel();
    hold.release(move |released| sender.send(released).unwrap());
    receiver.recv().unwrap().unwrap();
    assert!(place.lock_path.exists());
    drop(acquire_blocking(&place.path, patient()).unwrap());
    drop(scanner);
    eventually("the removal is tried again", || !place.lock_path.exists());
}
