//! Windows: byte-range locks far past the end of the file, POSIX semantics for names.
//!
//! Locked bytes are closed to every other handle here, even for reading, so no lock covers the
//! record: each one is a byte that no record ever reaches. (fs4 would lock the whole file.)
//!
//! All handles are opened with every share mode, as std does, and none is inherited.

#[cfg(not(all(test, shuttle)))]
mod clock;
mod contents;
mod errno;
mod errors;
mod facts;
mod handles;
mod locks;
mod machine;
mod names;
mod open;
mod paths;
mod processes;
#[cfg(test)]
mod tests;

#[cfg(not(all(test, shuttle)))]
pub(super) use clock::passed;
pub use contents::{mark, read_start, touch, write_at};
pub use errno::errno;
pub use errors::{busy, is_symlink_error, is_transient, is_unsupported};
pub use facts::{Access, set_access, stat_file, stat_path};
pub use locks::{try_guard, try_lock, unguard, unlock};
pub use machine::{at_exit, boot_id, fs_class, machine_id, pid_namespace, spawn};
pub use names::{
    create_dir_all, create_unnamed, link, link_unnamed, rename, rename_noreplace, replace, sync_name, unlink,
};
pub use open::{create_new, open_append, open_lock_file, open_read, open_read_through};
pub use paths::{ONE_SPELLING, Spelling, full_name, one_spelling, real_path, refusal};
pub use processes::{is_first_thread, process_life};

/// Whether a file has the same [`FileId`] for as long as it lives, whatever is written to it. Some here have no number,
/// and are known by their dates.
pub const IDS_LAST: bool = false;

/// Whether a file that was unlinked, or that another one was renamed over, at once shows no links through
/// its handle.
pub const LINKS_TELL: bool = false;
