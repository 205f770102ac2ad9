//! The value that owns a lease.
//!
//! It is all that stands between JavaScript and a lock: as long as anything can reach it the lease
//! is kept, and when nothing can, its finalizer drops the [`Hold`] and the lock is free.

#![expect(clippy::must_use_candidate, reason = "JavaScript calls these")]

use std::sync::Arc;

use napi::bindgen_prelude::{BigInt, Either, Either3, External, Null, Uint8Array};
use napi_derive::napi;
use parking_lot::Mutex;

use super::mailbox::{Mail, Mailbox};
use super::report::{Fault, js_number};
use crate::lock::Hold;
use crate::lock::error::LockError;
use crate::lock::post::Post;
use crate::lock::registry::unique_id;
use crate::lock::sys::{self, FsClass};

/// One handle on a lease. JavaScript has it as an `External`: that is made in half the time of a class instance, and
/// called in a third.
pub struct Lease {
    pub(super) hold: Arc<Hold>,
    pub(super) mailbox: Arc<Mailbox>,
}

/// A lease as JavaScript gets it: what owns it, the number of the lease (handles that share it have the same), the
/// number of this handle, and the lock file.
pub type Granted = (External<Lease>, f64, f64, String);

/// What became of a release.
enum Released {
    NotYet,
    Done(Result<(), LockError>),
    /// The answer goes to the mailbox, under this number.
    ByMail(u64),
}

impl Lease {
    pub(super) fn grant(hold: Hold, mailbox: &Arc<Mailbox>) -> Granted {
        let (lease, id) = (hold.lease().clone(), hold.id);
        let owner = External::new(Self { hold: Arc::new(hold), mailbox: mailbox.clone() });
        (owner, js_number(lease.id), js_number(id), lease.target.lock_path.to_string_lossy().into_owned())
    }
}

/// The protected file.
#[napi(catch_unwind)]
pub fn target_path_of(lease: &External<Lease>) -> String {
    lease.hold.lease().target.path.to_string_lossy().into_owned()
}

/// The fencing token.
#[napi(catch_unwind)]
pub fn token_of(lease: &External<Lease>) -> BigInt {
    lease.hold.lease().token.into()
}

/// From what state the lock was recovered; absent when it was free.
#[napi(catch_unwind)]
pub fn taken_from(lease: &External<Lease>) -> Option<&'static str> {
    lease.hold.lease().taken_from.map(crate::lock::verdict::Cause::name)
}

/// Whether the lease is held, as far as is known without asking the file system.
#[napi(catch_unwind)]
pub fn is_held(lease: &External<Lease>) -> bool {
    lease.hold.is_held()
}

/// How the lease was lost, if it was.
#[napi(catch_unwind)]
pub fn loss_of(lease: &External<Lease>) -> Option<Fault> {
    lease.hold.loss().map(|loss| Fault::from(&LockError::from(loss)))
}

/// Whether the lease is still ours: `null`, or what is wrong. On remote file systems, which may
/// hang, it goes by the last heartbeat instead of asking.
#[napi(catch_unwind)]
pub fn check(lease: &External<Lease>) -> Either<Null, Fault> {
    let checked = match lease.hold.lease().target.class {
        FsClass::Local => lease.hold.check(),
        FsClass::Remote { .. } => lease.hold.believe(),
    };
    match checked {
        Ok(()) => Either::A(Null),
        Err(error) => Either::B(Fault::from(&error)),
    }
}

/// Releases this handle: whether that ended the lease (others may share it, or it was lost), a fault, or the
/// number under which the mailbox will answer.
#[napi(catch_unwind)]
pub fn release(lease: &External<Lease>) -> Either3<bool, Fault, f64> {
    let state = Arc::new(Mutex::new(Released::NotYet));
    let done = {
        let state = state.clone();
        let mailbox = lease.mailbox.clone();
        move |result| {
            let mut state = state.lock();
            if let Released::ByMail(id) = *state {
                mailbox.post(Mail::Done(id, result));
            } else {
                *state = Released::Done(result);
            }
        }
    };
    lease.mailbox.quietly(|| lease.hold.release(done));
    let mut state = state.lock();
    match std::mem::replace(&mut *state, Released::NotYet) {
        Released::Done(Ok(())) => Either3::A(lease.hold.lease().is_released()),
        Released::Done(Err(error)) => Either3::B(Fault::from(&error)),
        Released::NotYet | Released::ByMail(_) => {
            let id = unique_id();
            *state = Released::ByMail(id);
            Either3::C(js_number(id))
        }
    }
}

/// Appends to the protected file, after making sure that the lock is still ours. The mailbox
/// answers under the number returned. Appends of one file system are done in order.
#[napi(catch_unwind)]
pub fn append(lease: &External<Lease>, data: Either<String, Uint8Array>) -> f64 {
    let id = unique_id();
    let hold = lease.hold.clone();
    let mailbox = lease.mailbox.clone();
    let bytes = match data {
        Either::A(text) => text.into_bytes(),
        Either::B(bytes) => bytes.to_vec(),
    };
    let class = hold.lease().target.class;
    Post::of(class).hands.run(move || {
        let appended = append_to(&hold, &bytes);
        // Before the answer: a lease whose last reference this is must be given up by then.
        drop(hold);
        mailbox.post(Mail::Done(id, appended));
    });
    js_number(id)
}

impl Drop for Lease {
    /// Runs as the finalizer: nothing can reach this handle any more. What was not released until
    /// now never will be, and is worth a warning before it is given back.
    fn drop(&mut self) {
        if self.hold.is_held() && self.hold.lease().handles() == 1 {
            self.mailbox.post(Mail::Leaked(self.hold.lease().clone()));
        }
    }
}

fn append_to(hold: &Hold, bytes: &[u8]) -> Result<(), LockError> {
    use std::io::Write as _;

    let path = &hold.lease().target.path;
    let io = |action, error| LockError::Io { action, path: path.clone(), source: error };
    // Twice: before anything is created, and as close to the write as it can stand.
    hold.check()?;
    let mut file = sys::open_append(path).map_err(|error| io("open", error))?;
    let meta = sys::stat_file(&file).map_err(|error| io("inspect", error))?;
    if meta.kind != sys::FileKind::Regular {
        let problem = std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("it is {}", meta.kind));
        return Err(io("append to", problem));
    }
    hold.check()?;
    file.write_all(bytes).map_err(|error| io("append to", error))
}
