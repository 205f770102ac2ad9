//! Requests for locks. All fail if the environment is not open.

#![expect(clippy::missing_errors_doc, reason = "see above")]
#![expect(clippy::too_many_arguments, reason = "objects would be read property by property, which takes longer")]

use std::path::Path;
use std::time::SystemTime;

use napi::bindgen_prelude::{Either, Either3, Env, Result, ToNapiValue, Unknown};
use napi::sys;
use napi_derive::napi;

use super::environment::{Environment, here};
use super::mailbox::Mail;
use super::options::{Given, file_terms, session_terms, text_of};
use super::report::{Fault, js_number, number};
use crate::lock::registry::unique_id;
use crate::lock::sys::NewDirectories;
use crate::lock::terms::{OwnPid, Scope};
use crate::lock::{self, Acquired, Hold, Target, Terms};

/// The path of a lock file, for JavaScript.
pub struct LockFile(Target);

impl ToNapiValue for LockFile {
    unsafe fn to_napi_value(env: sys::napi_env, LockFile(target): Self) -> Result<sys::napi_value> {
        // SAFETY: `env` is that of the current call.
        unsafe { ToNapiValue::to_napi_value(env, &*target.lock_path().to_string_lossy()) }
    }
}

/// Sets the options of the calls that follow, which usually share them. `options` are the numbers and values of
/// those that are given; `session` is true for `acquireSessionWriteLock`.
///
/// # Errors
///
/// A pending `TypeError` or `RangeError` about an option; nothing has changed then.
#[napi(catch_unwind)]
pub fn understand(env: Env, options: Given<'_>, session: bool) -> Result<()> {
    let understood = if session { session_terms(env, options) } else { file_terms(env, options) }?;
    here(env)?.terms.borrow_mut()[usize::from(session)] = understood;
    Ok(())
}

/// Requests a lock: its lock file if granted at once, a fault, or the number under which the mailbox will answer.
///
/// `session` is true for `acquireSessionWriteLock`; `chain` is the calling chain, if there is one: the numbers of
/// lease and hold of each scope, outermost first; `listed` says whether OpenClaw's JavaScript lists the lock among
/// those it holds in this process, if it is used here; `asks` whether to report a stale lock instead of taking it
/// over; `private_directories` whether only their owner may use directories that are created. The lease is given to
/// `owner`.
///
/// # Errors
///
/// A pending `TypeError` about the path.
#[napi(catch_unwind)]
pub fn acquire(
    env: Env,
    path: Unknown<'_>,
    session: bool,
    chain: Option<Vec<f64>>,
    listed: Option<bool>,
    asks: bool,
    private_directories: bool,
    owner: u32,
) -> Result<Either3<LockFile, Fault, f64>> {
    let here = here(env)?;
    let path = path_of(env, path, session)?;
    let new_directories = if private_directories { NewDirectories::Private } else { NewDirectories::Ordinary };
    let terms = Terms { asks, new_directories, ..here.terms(session, chain, listed) };
    let id = unique_id();
    let settle = {
        let mailbox = here.mailbox.clone();
        Box::new(move |settled| mailbox.post(Mail::Settled(id, settled)))
    };
    Ok(match lock::acquire(Path::new(&path), terms, settle) {
        Ok(Acquired::Now(hold)) => Either3::A(here.give(owner, hold)),
        Ok(Acquired::Later(ticket)) => {
            here.waiting.borrow_mut().insert(id, ticket);
            Either3::C(js_number(id))
        }
        Err(error) => Either3::B(Fault::from(&error)),
    })
}

/// Like `acquire`, but blocks this thread until the lock is granted or the timeout expires.
///
/// # Errors
///
/// As `acquire`.
#[napi(catch_unwind)]
pub fn acquire_sync(
    env: Env,
    path: Unknown<'_>,
    chain: Option<Vec<f64>>,
    listed: Option<bool>,
    asks: bool,
    owner: u32,
) -> Result<Either<LockFile, Fault>> {
    let here = here(env)?;
    let path = path_of(env, path, false)?;
    let terms = Terms { blocking: true, asks, ..here.terms(false, chain, listed) };
    Ok(match lock::acquire_blocking(Path::new(&path), terms) {
        Ok(hold) => Either::A(here.give(owner, hold)),
        Err(error) => Either::B(Fault::from(&error)),
    })
}

/// Cancels a request. `false` when its answer is already under way.
#[napi(catch_unwind)]
pub fn cancel(env: Env, id: f64) -> Result<bool> {
    let ticket = here(env)?.waiting.borrow_mut().remove(&number(id));
    Ok(ticket.is_some_and(|ticket| ticket.cancel()))
}

/// Gives the lease that was granted for a request to `owner`, as `acquire` does. Returns nothing if there is none.
#[napi(catch_unwind)]
pub fn accept(env: Env, id: f64, owner: u32) -> Result<Option<LockFile>> {
    let here = here(env)?;
    let hold = {
        let mut granted = here.granted.borrow_mut();
        let at = granted.iter().rposition(|(granted, _)| *granted == number(id));
        at.map(|at| granted.swap_remove(at).1)
    };
    Ok(hold.map(|hold| here.give(owner, hold)))
}

impl Environment {
    /// Gives `owner` a lease, and returns its lock file.
    fn give(&self, owner: u32, hold: Hold) -> LockFile {
        let lock_file = LockFile(hold.lease().target.clone());
        self.owners.give(owner, hold);
        lock_file
    }

    fn terms(&self, session: bool, chain: Option<Vec<f64>>, listed: Option<bool>) -> Terms {
        Terms {
            env: self.id,
            chain: scopes(&chain.unwrap_or_default()),
            own_pid: match listed {
                None => OwnPid::Unclaimed,
                Some(false) => OwnPid::Unlisted { asked: SystemTime::now() },
                Some(true) => OwnPid::Claimed,
            },
            ..self.terms.borrow()[usize::from(session)].clone()
        }
    }
}

fn scopes(numbers: &[f64]) -> Vec<Scope> {
    let (pairs, _) = numbers.as_chunks();
    pairs.iter().map(|&[lease, hold]| Scope { lease: number(lease), hold: number(hold) }).collect()
}

fn path_of(env: Env, path: Unknown<'_>, session: bool) -> Result<String> {
    text_of(env, path, if session { "params.sessionFile" } else { "path" })
}
