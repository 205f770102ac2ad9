//! Lock files that stay when they are released (`keepLockFile`), left open for a task of this process that wants the
//! lock again at once: opening and closing a file takes as long as all the rest.
//!
//! They are unlocked, so they keep no other process waiting. But it is the close that wakes waiters, so a file that
//! somebody was seen to wait for is closed at once, and every other one after at most a tenth of a second.

use std::fs::File;

use super::post::Post;
use super::sync::{Mutex, global};
use super::sys::{self, FileId, FsClass};
use super::target::Target;

/// At most this many are left open.
const ROOM: usize = 16;

/// A released lock file.
pub(super) struct Kept {
    pub(super) file: File,
    pub(super) id: FileId,
    /// What was left in it, and the token in that.
    pub(super) bytes: Vec<u8>,
    pub(super) token: u64,
}

#[derive(Default)]
struct Store {
    files: Vec<(Target, Kept)>,
    /// Whether the heart is going to close them.
    is_attended: bool,
}

global! {
    static KEPT: Mutex<Option<Store>> = Mutex::new(None);
}

/// Takes out the lock file of `target`, if this process has just released it.
pub(super) fn take(target: &Target) -> Option<Kept> {
    let mut store = KEPT.lock();
    let files = &mut store.as_mut()?.files;
    let at = files.iter().position(|(kept, _)| kept == target)?;
    Some(files.swap_remove(at).1)
}

/// Leaves a released file of a local file system open for a while, or closes it if there is no room.
pub(super) fn put(target: &Target, released: Kept) {
    // Not waited for: the process may be ending, and the thread that has the store may never run again.
    let Some(mut store) = KEPT.try_lock() else { return };
    let store = store.get_or_insert_default();
    if sys::OPEN_FILES_HINDER || store.files.len() == ROOM {
        return;
    }
    store.files.push((target.clone(), released));
    if !std::mem::replace(&mut store.is_attended, true) {
        Post::of(FsClass::Local).heart.keep_trying(close_all);
    }
}

fn close_all() -> bool {
    // Closed outside the store's lock, so that nobody has to wait for it.
    let all = KEPT.lock().take();
    drop(all);
    true
}
