//! The engine's system calls and nothing else: the cost of a lock that does no more than never leak and never be seen
//! half-made. Linux only; any Unix where the file is kept.

#![allow(clippy::disallowed_methods, reason = "these calls are what the engine is measured against")]

use std::fs::File;
use std::path::PathBuf;

use leasehold::lock::sys;

/// The length of one of our records.
const RECORD: [u8; 400] = [b' '; 400];

/// A lock file that comes and goes.
pub struct Calls {
    directory: PathBuf,
    path: PathBuf,
}

impl Calls {
    /// The lock of `file`.
    pub fn new(file: &str) -> Self {
        let path = PathBuf::from(format!("{file}.lock"));
        Self { directory: path.parent().expect("a directory").into(), path }
    }

    /// Takes the lock, which must be free.
    pub fn acquire(&self) -> File {
        let file = sys::create_unnamed(&self.directory).expect("unnamed files");
        let _ = sys::try_lock(&file).expect("the lock");
        sys::write_at(&file, &RECORD, 0).expect("room for a record");
        sys::link_unnamed(&file, &self.path).expect("a free name");
        file
    }

    /// Gives the lock back, except for the descriptor.
    pub fn release(&self, file: &File) {
        let _ = sys::try_guard(file).expect("the guard");
        sys::stat_file(file).expect("our own file");
        sys::unlink(&self.path).expect("our own name");
    }
}

/// A lock file that stays: closing it gives the lock back.
pub struct KeptCalls {
    path: PathBuf,
}

impl KeptCalls {
    /// The lock of `file`.
    pub fn new(file: &str) -> Self {
        Self { path: format!("{file}.lock").into() }
    }

    /// Makes its lock file.
    pub fn create(&self) {
        std::fs::write(&self.path, RECORD).expect("room for a record");
    }

    /// Takes the lock, which must be free.
    pub fn acquire(&self) -> File {
        let file = sys::open_lock_file(&self.path).expect("the lock file");
        let _ = sys::try_lock(&file).expect("the lock");
        sys::stat_file(&file).expect("our own file");
        sys::stat_path(&self.path).expect("our own name");
        sys::write_at(&file, &RECORD, 0).expect("room for a record");
        file
    }
}
