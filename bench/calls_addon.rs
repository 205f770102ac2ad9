//! `calls` from Node: the cost of an addon that does nothing else, and so the least that any lock can cost. The lock is
//! an external that gives it back when it is collected; `endCalls` does so at once. (The library's own functions are in
//! here, too, under their names.)

#![cfg(target_os = "linux")]
#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "JavaScript calls these, and napi hands it values"
)]

mod calls;

use std::fs::File;

use calls::{Calls, KeptCalls};
use napi::bindgen_prelude::External;
use napi_derive::napi;

/// A lock that is held until it is given back. If its file is not kept, it has the calls to remove it.
pub struct Held(Option<(File, Option<Calls>)>);

impl Held {
    fn release(&mut self) {
        if let Some((file, Some(calls))) = self.0.take() {
            calls.release(&file);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// Takes the lock of `file`, which must be free.
#[napi]
pub fn make_calls(file: String) -> External<Held> {
    let calls = Calls::new(&file);
    External::new(Held(Some((calls.acquire(), Some(calls)))))
}

/// Makes the lock file of `file`, which stays.
#[napi]
pub fn create_kept_file(file: String) {
    KeptCalls::new(&file).create();
}

/// Takes the lock of `file`, which must be free and have its lock file.
#[napi]
pub fn make_kept_calls(file: String) -> External<Held> {
    External::new(Held(Some((KeptCalls::new(&file).acquire(), None))))
}

/// Gives the lock back.
#[napi]
pub fn end_calls(held: &mut External<Held>) {
    held.release();
}
