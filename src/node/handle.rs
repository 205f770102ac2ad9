//! The value that owns a lease.
//!
//! It is all that stands between JavaScript and a lock: as long as anything can reach it the lease
//! is kept, and when nothing can, its finalizer drops the [`Hold`] and the lock is free.
//!
//! To make such a value and to have it collected takes as long as two system calls, so it can be used again when its
//! lease was given back.

#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "JavaScript calls these, and napi hands it values"
)]

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{Either, Either3, External, Null, Uint8Array};
use napi_derive::napi;
use parking_lot::Mutex;

use super::mailbox::{Mail, Mailbox};
use super::report::{Fault, js_number};
use crate::lock::Hold;
use crate::lock::error::LockError;
use crate::lock::post::Post;
use crate::lock::registry::unique_id;
use crate::lock::sys::{self, FsClass};

/// What JavaScript has a lease by, as an `External`: that is made in half the time of a class instance, and called in a
/// third. Empty before it is given a lease, and after that was given back.
#[derive(Default)]
pub struct Owner(RefCell<Option<Lease>>);

/// One handle on a lease.
pub struct Lease {
    pub(super) hold: Arc<Hold>,
    pub(super) mailbox: Arc<Mailbox>,
}

/// What became of a release.
enum Released {
    NotYet,
    Done(Result<(), LockError>),
    /// The answer goes to the mailbox, under this number.
    ByMail(u64),
}

impl Owner {
    /// Gives it a lease; the lock file. `numbers` are filled with what else there is to know: the number of the lease
    /// (handles that share it have the same), that of this handle (both as JavaScript numbers), and the fencing token.
    pub(super) fn fill(&self, hold: Hold, mailbox: &Arc<Mailbox>, numbers: &mut [u64]) -> String {
        let lease = hold.lease().clone();
        for (place, number) in
            numbers.iter_mut().zip([js_number(lease.id).to_bits(), js_number(hold.id).to_bits(), lease.token])
        {
            *place = number;
        }
        *self.0.borrow_mut() = Some(Lease { hold: Arc::new(hold), mailbox: mailbox.clone() });
        lease.target.lock_path.to_string_lossy().into_owned()
    }

    /// Its handle, and the mailbox for the answers; `None` when it is empty.
    pub(super) fn lease(&self) -> Option<(Arc<Hold>, Arc<Mailbox>)> {
        self.0.borrow().as_ref().map(|lease| (lease.hold.clone(), lease.mailbox.clone()))
    }

    fn hold(&self) -> Option<Arc<Hold>> {
        Some(self.lease()?.0)
    }
}

/// Something that can be given a lease.
#[napi(catch_unwind)]
pub fn owner() -> External<Owner> {
    External::new(Owner::default())
}

/// The protected file; absent when the owner is empty, as in what follows.
#[napi(catch_unwind)]
pub fn target_path_of(owner: &External<Owner>) -> Option<String> {
    Some(owner.hold()?.lease().target.path.to_string_lossy().into_owned())
}

/// From what state the lock was recovered; absent when it was free.
#[napi(catch_unwind)]
pub fn taken_from(owner: &External<Owner>) -> Option<&'static str> {
    owner.hold()?.lease().taken_from.map(crate::lock::verdict::Cause::name)
}

/// Whether the lease is held, as far as is known without asking the file system.
#[napi(catch_unwind)]
pub fn is_held(owner: &External<Owner>) -> bool {
    owner.hold().is_some_and(|hold| hold.is_held())
}

/// How the lease was lost, if it was.
#[napi(catch_unwind)]
pub fn loss_of(owner: &External<Owner>) -> Option<Fault> {
    owner.hold()?.loss().map(|loss| Fault::from(&LockError::from(loss)))
}

/// Whether the lease is still ours: `null`, or what is wrong; that of `lock_path` was given back when the owner is empty.
/// On remote file systems, which may hang, it goes by the last heartbeat instead of asking.
#[napi(catch_unwind)]
pub fn check(owner: &External<Owner>, lock_path: String) -> Either<Null, Fault> {
    let checked = match owner.hold() {
        None => Err(LockError::Released { lock_path: Path::new(&lock_path).into() }),
        Some(hold) if hold.lease().target.class == FsClass::Local => hold.check(),
        Some(hold) => hold.believe(),
    };
    match checked {
        Ok(()) => Either::A(Null),
        Err(error) => Either::B(Fault::from(&error)),
    }
}

/// Releases this handle: whether that ended the lease (others may share it, or it was lost), a fault, or the
/// number under which the mailbox will answer. Nothing when it ended the lease and nothing is left to be known about it:
/// the owner is empty then.
#[napi(catch_unwind)]
pub fn release(owner: &External<Owner>) -> Option<Either3<bool, Fault, f64>> {
    let (hold, mailbox) = owner.lease()?;
    let state = Arc::new(Mutex::new(Released::NotYet));
    let done = {
        let state = state.clone();
        let mailbox = mailbox.clone();
        move |result| {
            let mut state = state.lock();
            if let Released::ByMail(id) = *state {
                mailbox.post(Mail::Done(id, result));
            } else {
                *state = Released::Done(result);
            }
        }
    };
    mailbox.quietly(|| hold.release(done));
    let mut state = state.lock();
    Some(match std::mem::replace(&mut *state, Released::NotYet) {
        Released::Done(Ok(())) => {
            let ended = hold.lease().is_released();
            if ended && hold.lease().taken_from.is_none() {
                owner.0.take();
                return None;
            }
            Either3::A(ended)
        }
        Released::Done(Err(error)) => Either3::B(Fault::from(&error)),
        Released::NotYet | Released::ByMail(_) => {
            let id = unique_id();
            *state = Released::ByMail(id);
            Either3::C(js_number(id))
        }
    })
}

/// Appends to the protected file, after making sure that the lock is still ours. The mailbox
/// answers under the number returned. Appends of one file system are done in order.
#[napi(catch_unwind)]
pub fn append(owner: &External<Owner>, data: Either<String, Uint8Array>) -> Option<f64> {
    let id = unique_id();
    let (hold, mailbox) = owner.lease()?;
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
    Some(js_number(id))
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
