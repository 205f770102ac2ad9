//! Lock files that stay when they are released (`keepLockFile`), left open for whoever in this process wants the lock
//! again at once: to open and to close one takes as long as all the rest.
//!
//! They are unlocked, so no other process has to wait for that. But it is the closing that wakes those who wait, so a
//! file is closed at once if somebody was seen to wait for it, and each of them after a tenth of a second anyway.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::post::Post;
use super::sync::{Mutex, global};
use super::sys::{self, FileId, FsClass};

/// As many are left open at most.
const ROOM: usize = 16;

/// A released lock file.
pub(super) struct Kept {
    pub(super) file: File,
    pub(super) id: FileId,
    /// What was left in it, and the token there.
    pub(super) bytes: Vec<u8>,
    pub(super) token: u64,
}

#[derive(Default)]
struct Store {
    files: Vec<(Arc<Path>, Kept)>,
    /// Whether they are going to be closed.
    is_attended: bool,
}

global! {
    static KEPT: Mutex<Option<Store>> = Mutex::new(None);
}

/// The file at `lock_path`, if this process released it just now.
pub(super) fn take(lock_path: &Path) -> Option<Kept> {
    let mut store = KEPT.lock();
    let files = &mut store.as_mut()?.files;
    let at = files.iter().position(|(path, _)| path.as_os_str() == lock_path.as_os_str())?;
    Some(files.swap_remove(at).1)
}

/// Leaves a released file of a local file system open for a while, or closes it where there is no room.
pub(super) fn put(lock_path: &Arc<Path>, released: Kept) {
    // Not while another thread is there: the process may be ending, and that thread never run again.
    let Some(mut store) = KEPT.try_lock() else { return };
    let store = store.get_or_insert_default();
    if sys::OPEN_FILES_HINDER || store.files.len() == ROOM {
        return;
    }
    store.files.push((lock_path.clone(), released));
    if !std::mem::replace(&mut store.is_attended, true) {
        Post::of(FsClass::Local).heart.keep_trying(close_all);
    }
}

fn close_all() -> bool {
    // Closed when nobody has to wait for that.
    let all = KEPT.lock().take();
    drop(all);
    true
}
