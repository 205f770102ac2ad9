//! Locks that are looked at, or cleared away, without being requested.
//!
//! Each job runs on a thread of its own: the file system may hang, and such jobs are rare.

use std::path::Path;
use std::time::SystemTime;

use napi::bindgen_prelude::{Env, Result, Unknown};
use napi_derive::napi;

use super::environment::here;
use super::mailbox::Mail;
use super::options::text_of;
use super::report::js_number;
use crate::lock::inspect;
use crate::lock::reclaim::{self, SweepTerms, reclaim_definitely_stale};
use crate::lock::registry::unique_id;
use crate::lock::sys;

/// Inspects a lock without requesting it; the mailbox answers under the number returned.
///
/// # Errors
///
/// A pending `TypeError` about the path, or an error when no thread can be started.
#[napi(catch_unwind)]
pub fn inspect(env: Env, path: Unknown<'_>) -> Result<f64> {
    let path = text_of(env, path, "path")?;
    elsewhere(env, "leasehold-inspect", move |id| Mail::Inspected(id, inspect::inspect(Path::new(&path))))
}

/// Inspects every session lock file in a directory, and removes those that are stale if `remove` is set. The
/// mailbox answers under the number returned. `claimed` are the names of lock files that OpenClaw's JavaScript
/// holds in this process; `null` when it may hold any.
///
/// # Errors
///
/// When no thread can be started.
#[napi(catch_unwind)]
pub fn sweep(
    env: Env,
    directory: String,
    stale_ms: f64,
    now_ms: f64,
    remove: bool,
    claimed: Option<Vec<String>>,
) -> Result<f64> {
    let terms = SweepTerms { stale_ms, now_ms, remove, claimed, asked: SystemTime::now() };
    elsewhere(env, "leasehold-sweep", move |id| Mail::Swept(id, reclaim::sweep(Path::new(&directory), &terms)))
}

/// Removes a lock file whose owner is certainly gone; the mailbox answers under the number returned.
///
/// # Errors
///
/// A pending `TypeError` about the path, or an error when no thread can be started.
#[napi(catch_unwind)]
pub fn reclaim(env: Env, lock_path: Unknown<'_>) -> Result<f64> {
    let path = text_of(env, lock_path, "lockPath")?;
    elsewhere(env, "leasehold-reclaim", move |id| Mail::Reclaimed(id, reclaim_definitely_stale(Path::new(&path))))
}

/// Runs `job` on a thread of its own; the mailbox gets what it returns for the number of the answer.
fn elsewhere(env: Env, name: &str, job: impl FnOnce(u64) -> Mail + Send + 'static) -> Result<f64> {
    let id = unique_id();
    let mailbox = here(env)?.mailbox.clone();
    sys::spawn(name, move || mailbox.post(job(id)))?;
    Ok(js_number(id))
}
