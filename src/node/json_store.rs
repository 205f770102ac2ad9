//! Files that are read and replaced as a whole, for the JSON functions in `lib/`. All fail if the environment is not open.

#![expect(clippy::missing_errors_doc, reason = "see above")]
#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "JavaScript calls these, and napi hands it values"
)]

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Either, Either3, Env, Null, Result};
use napi_derive::napi;

use super::environment::{Environment, here};
use super::mailbox::{Mail, Mailbox};
use super::report::{Fault, js_number};
use crate::json_store::errand::{self, Purpose};
use crate::json_store::{Durability, Links, StoreError, read, write};
use crate::lock::error::LockError;
use crate::lock::registry::unique_id;
use crate::lock::sys::{FsClass, NewDirectories};
use crate::lock::{Hold, Target};

/// Reads a file, through links or not. The mailbox answers under the number returned, without contents if there is
/// no file.
#[napi(catch_unwind)]
pub fn read_file(env: Env, path: String, follow: bool) -> Result<f64> {
    let id = unique_id();
    let mailbox = here(env)?.mailbox.clone();
    let links = links(follow);
    errand::run(
        Path::new(&path),
        Purpose::Reading,
        Box::new(move |target| mailbox.post(Mail::Read(id, contents(target, links)))),
    );
    Ok(js_number(id))
}

/// Like `read_file`, but on this thread: the contents, null, or a fault.
#[napi(catch_unwind)]
pub fn read_file_sync(path: String, follow: bool) -> Either3<Buffer, Null, Fault> {
    match contents(Target::resolve_with(Path::new(&path), None), links(follow)) {
        Ok(Some(bytes)) => Either3::A(bytes.into()),
        Ok(None) => Either3::B(Null),
        Err(error) => Either3::C(Fault::from(&error)),
    }
}

/// Replaces a file; if an owner is given, only if its lease is held immediately before. The mailbox answers under
/// the number returned, which is absent if the owner has no lease.
#[napi(catch_unwind)]
pub fn write_file(env: Env, path: String, text: String, durable: bool, owner: Option<u32>) -> Result<Option<f64>> {
    let here = here(env)?;
    let begin = |hold| start(&here.mailbox, &path, text, durability(durable), hold);
    Ok(condition(&here, owner).map(begin))
}

/// Like `write_file`, but on this thread: null, or a fault.
#[napi(catch_unwind)]
pub fn write_file_sync(
    env: Env,
    path: String,
    text: String,
    durable: bool,
    owner: Option<u32>,
) -> Result<Option<Either<Null, Fault>>> {
    let act = |hold: Option<Arc<Hold>>| finish(&path, &text, durability(durable), hold.as_deref());
    Ok(condition(&*here(env)?, owner).map(act))
}

/// What a write depends on: nothing (`Some(None)`) if no owner is given; absent if the owner has no lease.
#[expect(clippy::option_option, reason = "one is for no owner, one for none of his")]
fn condition(here: &Environment, owner: Option<u32>) -> Option<Option<Arc<Hold>>> {
    owner.map_or(Some(None), |owner| here.owners.share(owner).map(Some))
}

fn links(follow: bool) -> Links {
    if follow { Links::Followed } else { Links::Refused }
}

fn durability(durable: bool) -> Durability {
    if durable { Durability::Disk } else { Durability::Memory }
}

fn contents(
    target: std::result::Result<Target, LockError>,
    links: Links,
) -> std::result::Result<Option<Vec<u8>>, StoreError> {
    match target {
        Ok(target) => read(target.path(), links),
        // The directory is missing, and so is the file.
        Err(LockError::Io { source, .. }) if crate::json_store::is_missing(&source) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Starts a write, unless the lock that it depends on is known to be lost.
fn start(mailbox: &Arc<Mailbox>, path: &str, text: String, durability: Durability, hold: Option<Arc<Hold>>) -> f64 {
    let id = unique_id();
    let mailbox = mailbox.clone();
    if let Err(error) = fence(hold.as_deref(), FsClass::Local) {
        mailbox.post(Mail::Written(id, Err(error.into())));
        return js_number(id);
    }
    let job = move |target: std::result::Result<Target, LockError>| {
        let written = target
            .map_err(StoreError::from)
            .and_then(|target| write(&target, text.as_bytes(), durability, &|| fence(hold.as_deref(), target.class())));
        // Before the answer: if this is the last reference to the lease, it must be given up by then.
        drop(hold);
        mailbox.post(Mail::Written(id, written));
    };
    errand::run(Path::new(path), Purpose::Writing, Box::new(job));
    js_number(id)
}

fn finish(path: &str, text: &str, durability: Durability, hold: Option<&Hold>) -> Either<Null, Fault> {
    let written = fence(hold, FsClass::Local).map_err(StoreError::from).and_then(|()| {
        let target = Target::resolve_with(Path::new(path), Some(NewDirectories::Private))?;
        write(&target, text.as_bytes(), durability, &|| fence(hold, target.class()))
    });
    match written {
        Ok(()) => Either::A(Null),
        Err(error) => Either::B(Fault::from(&error)),
    }
}

/// Checks that the lock is still held. A file system that may hang is queried only where work is done on it anyway:
/// `here` is the class of that work. Elsewhere the last heartbeat has to do.
fn fence(hold: Option<&Hold>, here: FsClass) -> std::result::Result<(), LockError> {
    match hold {
        None => Ok(()),
        Some(hold) if [FsClass::Local, here].contains(&hold.lease().target.class()) => hold.check(),
        Some(hold) => hold.believe(),
    }
}
