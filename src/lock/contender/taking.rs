//! The ways to take a lock: a new file where there is none, our record in the old file, or a new file in its place.

use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime};

use super::{Contender, Look, Outcome, Seen};
use crate::lock::draft::{Draft, Published};
use crate::lock::error::LockError;
use crate::lock::guard::{Guard, is_reclaimed_by_javascript};
use crate::lock::inspect::read_contents;
use crate::lock::kept::{self, Kept};
use crate::lock::post::Post;
use crate::lock::record::{MAX_LEN, OwnRecord, clock_token, next_token, token_after_release};
use crate::lock::sidecar::Sidecar;
use crate::lock::sys::{self, FileId, Instant, Meta, OsLock};
use crate::lock::terms::{LEASE_MIN, Terms};
use crate::lock::verdict::Cause;

impl Contender {
    /// Puts a new lock file at the path, unless there is one.
    pub(super) fn publish(&mut self, terms: &Terms) -> Result<Option<Sidecar>, LockError> {
        let begun = Instant::now();
        let published = match self.publish_prepared(terms) {
            Some(published) => published,
            None => self.publish_new(terms).map_err(|error| self.io("create", error))?,
        };
        match published {
            Ok(published) => {
                let mut sidecar = Sidecar::new(self.target.clone(), published, terms.keep_file);
                sidecar.begin(&terms.claim, SystemTime::now());
                // A superseder watches the file for longer than this, and so reads the token just written, unless we
                // were frozen since the file got its name: then look.
                let is_certain = begun.elapsed() < LEASE_MIN / 2 || sidecar.is_still_ours();
                Ok(is_certain.then_some(sidecar))
            }
            Err(draft) => {
                self.draft = draft.is_traceless().then_some(draft);
                Ok(None)
            }
        }
    }

    /// Publishes a draft that was made ahead, as [`Draft::publish`] does. `None` if there is none or it is no longer
    /// usable, for whatever reason: making a new one will tell.
    fn publish_prepared(&mut self, terms: &Terms) -> Option<Result<Published, Draft>> {
        let spares = &Post::of(self.target.class()).spares;
        let mut draft = self.draft.take().or_else(|| spares.take(&self.target))?;
        let renewed = draft.renew(&terms.claim, self.last_token);
        let published = renewed.and_then(|()| draft.publish(&self.target, &terms.claim));
        if published.is_err() {
            spares.forget(&self.target);
        }
        published.ok()
    }

    fn publish_new(&self, terms: &Terms) -> io::Result<Result<Published, Draft>> {
        let new = || Draft::new(&self.target, &terms.claim, |now| token_after_release(self.last_token, now));
        let draft = match new() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The directory vanished: make it again, as for a first request.
                self.target.forget();
                sys::create_dir_all(self.target.directory(), terms.new_directories).and_then(|()| new())
            }
            draft => draft,
        };
        draft?.publish(&self.target, &terms.claim)
    }

    /// Takes the lock file that this process has just released and kept, if nobody has touched it since: then its
    /// record needs no verdict.
    pub(super) fn retake(&self, terms: &Terms) -> Option<Sidecar> {
        let target = self.target.clone();
        let Kept { file, id, bytes, token } = kept::take(&target)?;
        // If anything is not as expected, the file is looked at in the usual way; both locks end with the descriptor.
        if sys::try_lock(&file).ok()? != OsLock::Acquired {
            return None;
        }
        let guard = Guard::take(&target, &file).ok()??;
        let meta = sys::stat_path(target.lock_path()).ok()?;
        // A waiter has left its mark after the last write, and is woken when the file is closed.
        let is_wanted = meta.accessed > meta.modified;
        if is_wanted || meta.id != id || meta.len != bytes.len() as u64 {
            return None;
        }
        let mut found = vec![0; bytes.len()];
        if sys::read_start(&file, &mut found, meta.len).ok()? != bytes.len() || found != bytes {
            return None;
        }
        let now = SystemTime::now();
        let record = OwnRecord::new(&terms.claim, clock_token(now).max(token + 1), true, now);
        let bytes = record.render(now, bytes.len());
        sys::write_at(&file, &bytes, 0).ok()?;
        guard.release(&file).ok()?;
        let published = Published { file, record, len: bytes.len(), id: Some(id) };
        Some(Sidecar::new(target, published, terms.keep_file))
    }

    /// Takes over the lock file that was just examined.
    pub(in crate::lock) fn take(
        &mut self,
        terms: &Terms,
        cause: Cause,
        os_lock: OsLock,
        meta: &Meta,
    ) -> Result<Outcome, LockError> {
        if meta.len <= MAX_LEN as u64 {
            self.adopt(terms, cause, os_lock, meta)
        } else {
            self.supersede(terms, cause, os_lock, meta)
        }
    }

    /// Writes our record over the old one, under the old file's operating-system lock and guard.
    fn adopt(&mut self, terms: &Terms, cause: Cause, os_lock: OsLock, meta: &Meta) -> Result<Outcome, LockError> {
        let target = self.target.clone();
        let io = |action, error| LockError::io(action, target.lock_path(), error);
        let Some(seen) = self.seen.as_mut() else { return Ok(Outcome::Moved) };
        let Some(guard) = Guard::take(&target, &seen.file).map_err(|error| io("guard", error))? else {
            return self.stand_back(os_lock);
        };
        let still_there = |id: FileId| sys::stat_path(target.lock_path()).is_ok_and(|meta| meta.id == id);
        // Where there are no operating-system locks, somebody else may have adopted it meanwhile; and JS peers respect
        // neither lock nor guard. Only native peers share lock files that are kept on release.
        let is_private = cause == Cause::Released && os_lock == OsLock::Acquired;
        let is_rewritten = || read_contents(&seen.file, meta).map(|now| now != seen.contents);
        if !is_private && is_rewritten().map_err(|error| io("read", error))? || !still_there(seen.id) {
            return Ok(Outcome::Moved);
        }
        if cause != Cause::Released && is_reclaimed_by_javascript(&target, seen.unmoved) {
            guard.release(&seen.file).map_err(|error| io("unlock", error))?;
            return self.stand_back(os_lock);
        }
        let token = match cause {
            // Its last owner recorded the last token it had handed out.
            Cause::Released => clock_token(SystemTime::now()).max(seen.contents.token() + 1),
            _ => next_token(self.last_token, SystemTime::now()),
        };
        let record = OwnRecord::new(&terms.claim, token, os_lock == OsLock::Acquired, SystemTime::now());
        let bytes = record.render(record.acquired_at(), usize::try_from(meta.len).unwrap_or(MAX_LEN));
        sys::write_at(&seen.file, &bytes, 0).map_err(|error| io("write", error))?;
        // Asked for anew: a file that has no number is known by its dates, and we have just moved one.
        let is_still_there = || sys::stat_file(&seen.file).is_ok_and(|meta| still_there(meta.id));
        if !is_private && !is_still_there() {
            return Ok(Outcome::Moved);
        }
        let Some(Seen { file, id, .. }) = self.seen.take() else { return Ok(Outcome::Moved) };
        guard.release(&file).map_err(|error| io("unlock", error))?;
        let published = Published { file, record, len: bytes.len(), id: Some(id) };
        let sidecar = Sidecar::new(target, published, terms.keep_file);
        Ok(Outcome::Done(Look::Taken { sidecar, from: Some(cause).filter(|cause| *cause != Cause::Released) }))
    }

    /// Puts a complete new file in the place of one that is too long, or whose operating-system lock is busy or proves
    /// nothing. The guard keeps out every other change of the name: between our last look and the rename, a thawed
    /// holder cannot release, and another waiter can neither adopt nor supersede.
    pub(super) fn supersede(
        &mut self,
        terms: &Terms,
        cause: Cause,
        os_lock: OsLock,
        meta: &Meta,
    ) -> Result<Outcome, LockError> {
        let target = self.target.clone();
        let io = |action, error| LockError::io(action, target.lock_path(), error);
        let Some(seen) = self.seen.as_ref() else { return Ok(Outcome::Moved) };
        let Some(guard) = Guard::take(&target, &seen.file).map_err(|error| io("guard", error))? else {
            return self.stand_back(os_lock);
        };
        let unchanged = match sys::stat_path(target.lock_path()) {
            Ok(now) if now.id == meta.id && now.modified == meta.modified => {
                read_contents(&seen.file, meta).is_ok_and(|contents| contents == seen.contents)
            }
            _ => false,
        };
        // The holder may have died since: then whoever gets its lock next owns the file.
        let lock_still = sys::try_lock(&seen.file).map_err(|error| io("lock", error))?;
        if !unchanged || lock_still != os_lock {
            return Ok(Outcome::Moved);
        }
        if is_reclaimed_by_javascript(&target, seen.unmoved) {
            guard.release(&seen.file).map_err(|error| io("unlock", error))?;
            return self.stand_back(os_lock);
        }
        let replaced = Draft::named(&target, &terms.claim, |now| next_token(self.last_token, now))
            .and_then(|draft| draft.replace(&target));
        let published = match replaced {
            // Where an open file can only be moved out of the way, somebody may take its name in that moment.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Outcome::Moved),
            replaced => replaced.map_err(|error| io("replace", error))?,
        };
        // A byte lock ends with the old file's descriptor.
        self.seen = None;
        drop(guard);
        let sidecar = Sidecar::new(target, published, terms.keep_file);
        Ok(Outcome::Done(Look::Taken { sidecar, from: Some(cause) }))
    }

    /// Somebody else is changing the name this moment: let them.
    fn stand_back(&mut self, os_lock: OsLock) -> Result<Outcome, LockError> {
        if let (OsLock::Acquired, Some(seen)) = (os_lock, &self.seen) {
            sys::unlock(&seen.file).map_err(|error| self.io("unlock", error))?;
        }
        Ok(Outcome::Done(self.again(Some(Duration::from_millis(2)))))
    }
}
