//! Operations on a lease, by the number of its owner. If the owner has no lease, the answer is absent. All fail if the
//! environment is not open.

#![expect(clippy::missing_errors_doc, reason = "see above")]
#![expect(clippy::needless_pass_by_value, reason = "JavaScript calls these, and napi hands it values")]

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{BigInt, Either, Either4, Env, Null, Object, Result, Uint8Array};
use napi_derive::napi;
use parking_lot::Mutex;

use super::environment::here;
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

/// Makes `object` an owner: when it is collected, its lease is given back. All other calls know it by the number
/// returned; 0 is nobody's.
#[napi(catch_unwind)]
pub fn enrol(env: Env, object: Object<'_>) -> Result<u32> {
    here(env)?.owners.enrol(env, &object)
}

/// The number of the lease, which is the same for all handles that share it.
#[napi(catch_unwind)]
pub fn lease_of(env: Env, owner: u32) -> Result<Option<f64>> {
    look(env, owner, |hold| js_number(hold.lease().id))
}

/// The number of this handle on the lease.
#[napi(catch_unwind)]
pub fn hold_of(env: Env, owner: u32) -> Result<Option<f64>> {
    look(env, owner, |hold| js_number(hold.id))
}

/// The other facts about a lease.
#[napi(catch_unwind)]
pub fn facts_of(env: Env, owner: u32) -> Result<Option<Facts>> {
    look(env, owner, |hold| {
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
pub fn is_held(env: Env, owner: u32) -> Result<bool> {
    Ok(look(env, owner, Hold::is_held)?.unwrap_or_default())
}

/// How the lease was lost, if it was.
#[napi(catch_unwind)]
pub fn loss_of(env: Env, owner: u32) -> Result<Option<Fault>> {
    Ok(look(env, owner, Hold::loss)?.flatten().map(|loss| Fault::from(&LockError::from(loss))))
}

/// Whether the lease is still ours: `null`, or what is wrong (if the owner has none, that `lock_path` was
/// released). On remote file systems, which may hang, the last heartbeat decides instead of a new look.
#[napi(catch_unwind)]
pub fn check(env: Env, owner: u32, lock_path: String) -> Result<Either<Null, Fault>> {
    let is_local = |hold: &Hold| hold.lease().target.class() == FsClass::Local;
    let checked = look(env, owner, |hold| if is_local(hold) { hold.check() } else { hold.believe() })?;
    Ok(match checked.unwrap_or_else(|| Err(LockError::Released { lock_path: Path::new(&lock_path).into() })) {
        Ok(()) => Either::A(Null),
        Err(error) => Either::B(Fault::from(&error)),
    })
}

/// Releases this handle. Returns whether that ended the lease (others may share it, or it was lost), a fault, or
/// the number under which the mailbox will answer. If it ended the lease and there is nothing else to be asked
/// about it, returns the token instead, and the owner can have another lease.
#[napi(catch_unwind)]
pub fn release(env: Env, owner: u32) -> Result<Option<Either4<bool, Fault, f64, u64>>> {
    let here = here(env)?;
    let state = Arc::new(Mutex::new(Released::NotYet));
    let done = {
        let state = state.clone();
        let mailbox = here.mailbox.clone();
        move |result| {
            let mut state = state.lock();
            if let Released::ByMail(id) = *state {
                mailbox.post(Mail::Done(id, result));
            } else {
                *state = Released::Done(result);
            }
        }
    };
    let release = |hold: &Hold| {
        here.mailbox.quietly(|| hold.release(done));
        (hold.lease().is_released(), hold.lease().taken_from, hold.lease().token)
    };
    let Some(ended) = here.owners.look(owner, release) else { return Ok(None) };
    let mut state = state.lock();
    Ok(Some(match std::mem::replace(&mut *state, Released::NotYet) {
        Released::Done(Ok(())) => match ended {
            (true, None, token) => {
                here.owners.take(owner);
                Either4::D(token)
            }
            (ended, ..) => Either4::A(ended),
        },
        Released::Done(Err(error)) => Either4::B(Fault::from(&error)),
        Released::NotYet | Released::ByMail(_) => {
            let id = unique_id();
            *state = Released::ByMail(id);
            Either4::C(js_number(id))
        }
    }))
}

/// Appends to the protected file, after making sure that the lock is still ours. The mailbox
/// answers under the number returned. Appends of one file system are done in order.
#[napi(catch_unwind)]
pub fn append(env: Env, owner: u32, data: Either<String, Uint8Array>) -> Result<Option<f64>> {
    let here = here(env)?;
    let id = unique_id();
    let Some(hold) = here.owners.share(owner) else { return Ok(None) };
    let mailbox = here.mailbox.clone();
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
    Ok(Some(js_number(id)))
}

/// What `look` returns for the hold of an owner, if it has one.
fn look<T>(env: Env, owner: u32, look: impl FnOnce(&Hold) -> T) -> Result<Option<T>> {
    Ok(here(env)?.owners.look(owner, look))
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
