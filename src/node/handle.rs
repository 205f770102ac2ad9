//! Operations on a lease, by the number of its owner. If the owner has no lease, the answer is absent.

#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "JavaScript calls these, and napi hands it values"
)]

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{BigInt, Either, Either4, Env, Null, Object, Result, Uint8Array};
use napi_derive::napi;
use parking_lot::Mutex;

use super::environment::Environment;
use super::mailbox::Mail;
use super::report::{Fault, js_number};
use crate::lock::Hold;
use crate::lock::error::LockError;
use crate::lock::post::Post;
use crate::lock::registry::unique_id;
use crate::lock::sys::{self, FsClass};
use crate::lock::verdict::Cause;

/// What became of a release.
enum Released {
    NotYet,
    Done(std::result::Result<(), LockError>),
    /// The answer goes to the mailbox, under this number.
    ByMail(u64),
}

/// About a lease.
#[napi(object, object_from_js = false)]
pub struct Facts {
    /// The fencing token.
    pub token: BigInt,
    /// The protected file.
    pub target_path: String,
    /// From what state the lock was recovered; absent when it was free.
    pub taken_from: Option<&'static str>,
}

#[napi]
impl Environment {
    /// Makes `object` an owner: when it is collected, its lease is given back. All other calls know it by the number
    /// returned; 0 is nobody's.
    ///
    /// # Errors
    ///
    /// Node's, when it cannot attach a finalizer.
    #[napi(catch_unwind)]
    pub fn enrol(&self, env: Env, object: Object<'_>) -> Result<u32> {
        self.owners.enrol(env, &object)
    }

    /// The number of the lease, which is the same for all handles that share it.
    #[napi(catch_unwind)]
    pub fn lease_of(&self, owner: u32) -> Option<f64> {
        self.owners.look(owner, |hold| js_number(hold.lease().id))
    }

    /// The number of this handle on the lease.
    #[napi(catch_unwind)]
    pub fn hold_of(&self, owner: u32) -> Option<f64> {
        self.owners.look(owner, |hold| js_number(hold.id))
    }

    /// The other facts about a lease.
    #[napi(catch_unwind)]
    pub fn facts_of(&self, owner: u32) -> Option<Facts> {
        self.owners.look(owner, |hold| {
            let lease = hold.lease();
            Facts {
                token: lease.token.into(),
                target_path: lease.target.path().to_string_lossy().into_owned(),
                taken_from: lease.taken_from.map(Cause::name),
            }
        })
    }

    /// Whether the lease is held, as far as is known without asking the file system.
    #[napi(catch_unwind)]
    pub fn is_held(&self, owner: u32) -> bool {
        self.owners.look(owner, Hold::is_held).unwrap_or_default()
    }

    /// How the lease was lost, if it was.
    #[napi(catch_unwind)]
    pub fn loss_of(&self, owner: u32) -> Option<Fault> {
        self.owners.look(owner, Hold::loss)?.map(|loss| Fault::from(&LockError::from(loss)))
    }

    /// Whether the lease is still ours: `null`, or what is wrong (if the owner has none, that `lock_path` was
    /// released). On remote file systems, which may hang, the last heartbeat decides instead of a new look.
    #[napi(catch_unwind)]
    pub fn check(&self, owner: u32, lock_path: String) -> Either<Null, Fault> {
        let is_local = |hold: &Hold| hold.lease().target.class() == FsClass::Local;
        let checked = self.owners.look(owner, |hold| if is_local(hold) { hold.check() } else { hold.believe() });
        match checked.unwrap_or_else(|| Err(LockError::Released { lock_path: Path::new(&lock_path).into() })) {
            Ok(()) => Either::A(Null),
            Err(error) => Either::B(Fault::from(&error)),
        }
    }

    /// Releases this handle. Returns whether that ended the lease (others may share it, or it was lost), a fault, or
    /// the number under which the mailbox will answer. If it ended the lease and there is nothing else to be asked
    /// about it, returns the token instead, and the owner can have another lease.
    #[napi(catch_unwind)]
    pub fn release(&self, owner: u32) -> Option<Either4<bool, Fault, f64, BigInt>> {
        let state = Arc::new(Mutex::new(Released::NotYet));
        let done = {
            let state = state.clone();
            let mailbox = self.mailbox.clone();
            move |result| {
                let mut state = state.lock();
                if let Released::ByMail(id) = *state {
                    mailbox.post(Mail::Done(id, result));
                } else {
                    *state = Released::Done(result);
                }
            }
        };
        self.owners.look(owner, |hold| self.mailbox.quietly(|| hold.release(done)))?;
        let mut state = state.lock();
        Some(match std::mem::replace(&mut *state, Released::NotYet) {
            Released::Done(Ok(())) => {
                let ended = |hold: &Hold| (hold.lease().is_released(), hold.lease().taken_from, hold.lease().token);
                match self.owners.look(owner, ended)? {
                    (true, None, token) => {
                        self.owners.take(owner);
                        Either4::D(token.into())
                    }
                    (ended, ..) => Either4::A(ended),
                }
            }
            Released::Done(Err(error)) => Either4::B(Fault::from(&error)),
            Released::NotYet | Released::ByMail(_) => {
                let id = unique_id();
                *state = Released::ByMail(id);
                Either4::C(js_number(id))
            }
        })
    }

    /// Appends to the protected file, after making sure that the lock is still ours. The mailbox
    /// answers under the number returned. Appends of one file system are done in order.
    #[napi(catch_unwind)]
    pub fn append(&self, owner: u32, data: Either<String, Uint8Array>) -> Option<f64> {
        let id = unique_id();
        let hold = self.owners.share(owner)?;
        let mailbox = self.mailbox.clone();
        let bytes = match data {
            Either::A(text) => text.into_bytes(),
            Either::B(bytes) => bytes.to_vec(),
        };
        let class = hold.lease().target.class();
        Post::of(class).hands.run(move || {
            let appended = append_to(&hold, &bytes);
            // Before the answer: if this is the last reference to the lease, it must be given up by then.
            drop(hold);
            mailbox.post(Mail::Done(id, appended));
        });
        Some(js_number(id))
    }
}

fn append_to(hold: &Hold, bytes: &[u8]) -> std::result::Result<(), LockError> {
    use std::io::Write as _;

    let path = hold.lease().target.path();
    let io = |action, error| LockError::Io { action, path: path.to_owned(), source: error };
    // Twice: before anything is created, and as close to the write as possible.
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
