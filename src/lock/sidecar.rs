//! A lock file that is ours: beating, checking, giving up.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::draft::Published;
use super::guard::Guard;
use super::inspect::read_contents;
use super::kept::{self, Kept};
use super::post::Post;
use super::record::{CREATED_AT, Claim, Contents, OwnRecord, TOKEN_STRIDE, clock_token, iso_bytes};
use super::stamp::Stamp;
use super::sys::{self, FileId, FsClass, Instant, Meta, OsLock, WatchId, Watcher};
use super::target::Target;

/// The renewal date of a record that JS peers are to see as stale.
const LONG_AGO: SystemTime = SystemTime::UNIX_EPOCH;

/// An owned lock file: the open descriptor with its operating-system lock, and what we wrote. The claim is passed in on
/// each call instead of being stored: the lease already has it, and ten thousand may be held.
#[expect(clippy::struct_excessive_bools, reason = "they have nothing to do with each other, and take no room")]
pub struct Sidecar {
    file: File,
    /// Which file it is; looked up when first needed, to keep acquiring cheap.
    id: Option<FileId>,
    target: Target,
    token: u64,
    acquired_at: Stamp,
    /// The length of the record in the file: none is longer than [`MAX_LEN`](super::record::MAX_LEN).
    len: u16,
    /// How far `token` is ahead of the one that stood in the file when it became ours. Whoever takes the
    /// file over has read that or a larger one.
    turns: u32,
    /// How far `token` is ahead of the one in the file now, until the next beat.
    unwritten_turns: u32,
    held: bool,
    os_lock: bool,
    keep: bool,
    /// Whether the record has changed since it was last written.
    unwritten: bool,
    /// When others last looked at the lock file, as far as we have seen.
    looked_at: Stamp,
    /// Whether others have looked at it since it became ours.
    was_looked_at: bool,
    /// When the last beat was, or what is as good as one.
    beaten: Instant,
}

/// What a beat or a glance found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether the path still leads to our lock file.
    pub standing: Standing,
    /// How long ago somebody outside this process showed interest, if anybody did since the last time.
    pub interest: Option<Duration>,
}

/// Whether the path still leads to our lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Ours,
    /// Nothing has that name any more.
    Gone,
    /// Something else has that name now.
    Replaced,
}

/// What became of a lock file that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Whether the lock was still ours to give up.
    pub standing: Standing,
    /// Whether somebody outside this process waited for it, as far as could be seen in passing.
    pub wanted: bool,
}

impl Sidecar {
    /// Takes over what was just published or adopted.
    pub(super) fn new(target: Target, published: Published, keep: bool) -> Self {
        let Published { file, record, len, id } = published;
        Self {
            file,
            id,
            target,
            token: record.token,
            acquired_at: record.acquired_at,
            len: u16::try_from(len).unwrap_or(u16::MAX),
            turns: 0,
            unwritten_turns: 0,
            held: record.held,
            os_lock: record.os_lock,
            keep,
            unwritten: false,
            looked_at: SystemTime::now().into(),
            was_looked_at: false,
            beaten: Instant::now(),
        }
    }

    /// Writes down that the lock is ours from `now` on. The record and its token are a little older than the name of
    /// the file; whoever had the lock in between had it before now.
    pub(super) fn begin(&mut self, claim: &Arc<Claim>, now: SystemTime) {
        let drafted = (self.token, self.acquired_at);
        self.token = clock_token(now).max(self.token);
        self.acquired_at = now.into();
        if self.write(claim, now).is_err() {
            // The token that stands in the file is what counts. The rest follows with the next beat.
            (self.token, self.acquired_at) = drafted;
            self.unwritten = true;
        }
    }

    /// Whether the lock has stayed ours since the file got its name. If so, only somebody who has read the record as it
    /// is now can take it away later: a takeover needs the guard, which we hold while we look.
    pub(super) fn is_still_ours(&mut self) -> bool {
        let Ok(Some(guard)) = Guard::take(&self.target, &self.file) else { return false };
        let is_ours = !matches!(self.standing(), Ok(Standing::Gone | Standing::Replaced));
        // If this fails, only closing the file gives the guard back, which does not hinder our own release.
        let _ = guard.release(&self.file);
        is_ours
    }

    /// The record that is in the file, or is to be.
    fn record(&self, claim: &Arc<Claim>) -> OwnRecord {
        let Self { token, held, os_lock, acquired_at, .. } = *self;
        OwnRecord { token, held, os_lock, acquired_at, claim: claim.clone() }
    }

    /// Writes the whole record, renewed `now`, and returns its bytes.
    fn write(&mut self, claim: &Arc<Claim>, now: SystemTime) -> io::Result<Vec<u8>> {
        let bytes = self.record(claim).render(now, self.len.into());
        sys::write_at(&self.file, &bytes, 0)?;
        self.len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.note_written();
        Ok(bytes)
    }

    fn note_written(&mut self) {
        self.unwritten_turns = 0;
        self.unwritten = false;
    }

    /// The token of the owner on disk; hand-overs inside the process count on from it.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Whether an operating-system lock backs it.
    #[must_use]
    pub fn has_os_lock(&self) -> bool {
        self.os_lock
    }

    /// The target the lock file belongs to.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Passes the file to another task of this process, with the next token. The record follows with
    /// the next beat: an adopter's token exceeds all that were handed out since the one in the record.
    pub fn hand_over(&mut self, keep: bool) {
        self.turns += 1;
        self.unwritten_turns += 1;
        self.token += 1;
        self.acquired_at = SystemTime::now().into();
        self.keep = keep;
        self.unwritten = true;
    }

    /// Shows JS peers and native waiters that the owner lives, and checks whether it still owns the lock
    /// and whether somebody waits.
    ///
    /// # Errors
    ///
    /// The file system's, when it could not tell: that is no loss.
    pub fn beat(&mut self, claim: &Arc<Claim>) -> io::Result<Seen> {
        self.beaten = Instant::now();
        let now = SystemTime::now();
        let written = if self.unwritten {
            self.write(claim, now).map(drop)
        } else {
            sys::write_at(&self.file, &iso_bytes(now), CREATED_AT as u64)
        };
        if written.is_err() {
            sys::touch(&self.file)?;
        }
        self.glance()
    }

    /// Checks whether it is still ours and whether somebody waits, and changes nothing: a waiter shows
    /// itself again each time the file was changed.
    ///
    /// # Errors
    ///
    /// The file system's, when it could not tell: that is no loss.
    pub fn glance(&mut self) -> io::Result<Seen> {
        let (standing, meta) = self.look()?;
        let looked_at = meta.map_or(self.looked_at, |meta| meta.accessed.into());
        let interest = (looked_at > self.looked_at).then(|| sys::age(SystemTime::now(), looked_at.into()));
        self.was_looked_at |= interest.is_some();
        self.looked_at = looked_at;
        Ok(Seen { standing, interest })
    }

    /// Has `watcher` watch the file.
    #[must_use]
    pub fn watch(&self, watcher: &Watcher) -> Option<WatchId> {
        watcher.watch_own(&self.file)
    }

    /// Whether the path still leads here.
    ///
    /// # Errors
    ///
    /// The file system's, when it could not tell.
    pub fn standing(&mut self) -> io::Result<Standing> {
        self.look().map(|(standing, _)| standing)
    }

    fn look(&mut self) -> io::Result<(Standing, Option<Meta>)> {
        let id = match self.id {
            Some(id) if sys::IDS_LAST => id,
            _ => self.id.insert(sys::stat_file(&self.file)?.id).to_owned(),
        };
        let by_path = match sys::stat_path(self.target.lock_path()) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Standing::Gone, None)),
            Err(error) => return Err(error),
        };
        let same_file = by_path.id == id;
        if self.target.class() == FsClass::Local && self.has_os_lock() {
            return Ok((if same_file { Standing::Ours } else { Standing::Replaced }, Some(by_path)));
        }
        // Elsewhere inode numbers drift (VirtioFS) and locks may not be shared (NFS): the token
        // in the file decides.
        let there = match sys::open_read(self.target.lock_path()) {
            Ok(file) => read_contents(&file, &by_path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Standing::Gone, None)),
            Err(error) if sys::is_symlink_error(&error) => return Ok((Standing::Replaced, None)),
            Err(error) => return Err(error),
        };
        let ours = there.token() == self.token() - u64::from(self.unwritten_turns)
            && matches!(&there, Contents::Native(record) if record.pid == std::process::id());
        // A record torn by our own beat reads as nothing: if it is the same file, it is still ours.
        let torn = same_file && there == Contents::Unreadable;
        Ok((if ours || torn { Standing::Ours } else { Standing::Replaced }, Some(by_path)))
    }

    /// Whether the lock file may be handed over once more. The tokens are counted from the one that it was taken with,
    /// whatever was written later: a superseder may have read that one.
    #[must_use]
    pub fn has_tokens_left(&self) -> bool {
        u64::from(self.turns) < TOKEN_STRIDE - 1
    }

    /// When the last beat was.
    pub(super) fn beaten(&self) -> Instant {
        self.beaten
    }

    /// Whether the next task of this process can have it: if it is still ours, and nobody outside wants it.
    ///
    /// # Errors
    ///
    /// The file system's, when it could not tell.
    pub(super) fn pause(&mut self) -> io::Result<GivenUp> {
        let Seen { standing, .. } = self.glance()?;
        Ok(GivenUp { standing, wanted: self.was_looked_at })
    }

    /// Writes the record for another `claim`. That is as good as a beat.
    pub(super) fn rewrite(&mut self, claim: &Arc<Claim>) -> io::Result<()> {
        self.beaten = Instant::now();
        self.write(claim, SystemTime::now()).map(drop)
    }

    /// Gives the lock up: removes the name while the operating-system lock is held, then closes.
    ///
    /// # Errors
    ///
    /// The name could not be removed. The lock is free for native peers all the same, and the
    /// record tells JS peers that it is stale; the [`Leftover`] can be removed later.
    pub fn release(mut self, claim: &Arc<Claim>) -> Result<GivenUp, Box<Leftover>> {
        if self.keep {
            return Ok(self.release_and_keep(claim));
        }
        match self.remove() {
            Ok(given_up) => {
                // Waiters watch the file: closing it late would only keep two threads busy.
                if given_up == (GivenUp { standing: Standing::Ours, wanted: false }) {
                    Post::of(self.target.class()).spares.put_away(&self.target, claim, self.file);
                }
                Ok(given_up)
            }
            Err(error) => Err(Box::new(Leftover::new(self, claim, error))),
        }
    }

    fn release_and_keep(mut self, claim: &Arc<Claim>) -> GivenUp {
        if !self.links_tell() {
            let standing = self.standing();
            if !matches!(standing, Ok(Standing::Ours)) {
                // Where there are no locks, whoever took it over may have written into this very file.
                let _ = sys::unlock(&self.file);
                return GivenUp { standing: standing.unwrap_or(Standing::Ours), wanted: false };
            }
        }
        self.held = false;
        // If this fails, the next native peer sees an owner without a lock, which is just as free.
        let written = self.write(claim, SystemTime::now());
        // Not left to close: a child process between fork and exec has the descriptor, too.
        let unlocked = sys::unlock(&self.file);
        // Asked last: a waiter that finds the lock taken shows itself first, and then asks for the lock once more.
        let seen = sys::stat_file(&self.file);
        let wanted = self.is_wanted(seen.as_ref().ok());
        let (Ok(bytes), Ok(()), Ok(meta)) = (written, unlocked, seen) else {
            return GivenUp { standing: Standing::Ours, wanted };
        };
        if self.links_tell() && meta.links == 0 {
            // Whoever had the lock in the meantime, and removed the file, wrote into it first.
            let is_as_left = read_contents(&self.file, &meta).is_ok_and(|found| found == Contents::parse(&bytes));
            let standing = if is_as_left { self.standing() } else { Ok(Standing::Ours) };
            return GivenUp { standing: standing.unwrap_or(Standing::Ours), wanted };
        }
        if !wanted && self.target.class() == FsClass::Local && self.has_os_lock() {
            kept::put(&self.target, Kept { token: self.token(), file: self.file, id: meta.id, bytes });
        }
        GivenUp { standing: Standing::Ours, wanted }
    }

    /// Whether the number of links of the open file tells whether it still has its name.
    fn links_tell(&self) -> bool {
        sys::LINKS_TELL && self.target.class() == FsClass::Local && self.has_os_lock()
    }

    /// Whether others have looked at it since it became ours, as far as can be seen now.
    fn is_wanted(&self, seen: Option<&Meta>) -> bool {
        self.was_looked_at || seen.is_some_and(|meta| Stamp::from(meta.accessed) > self.looked_at)
    }

    fn remove(&mut self) -> io::Result<GivenUp> {
        // Byte locks on a network file system may be the very lock we hold, so no guard there.
        if self.target.class() == FsClass::Local && sys::try_guard(&self.file)? == OsLock::Busy {
            return Err(io::Error::new(ErrorKind::ResourceBusy, "another process is taking it over"));
        }
        let (found, meta) = self.look()?;
        let standing = match found {
            Standing::Ours => match sys::unlink(self.target.lock_path()) {
                Ok(()) => Standing::Ours,
                Err(error) if error.kind() == ErrorKind::NotFound => Standing::Gone,
                Err(error) => return Err(error),
            },
            lost => lost,
        };
        let wanted = self.is_wanted(meta.as_ref());
        Ok(GivenUp { standing, wanted })
    }
}

/// A lock file that was given up and could not be removed yet.
pub struct Leftover {
    sidecar: Sidecar,
    claim: Arc<Claim>,
    /// Why it could not be removed.
    pub error: io::Error,
}

impl Leftover {
    fn new(mut sidecar: Sidecar, claim: &Arc<Claim>, error: io::Error) -> Self {
        sidecar.held = false;
        // The best that can be done: if it fails, JS peers wait until their `stale`.
        let _ = sidecar.write(claim, LONG_AGO);
        let _ = sys::unlock(&sidecar.file);
        let _ = sys::unguard(&sidecar.file);
        Self { sidecar, claim: claim.clone(), error }
    }

    /// Where it stands.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.sidecar.target
    }

    /// Has the heart remove it as soon as that is possible.
    pub(super) fn clear_away(mut self) {
        Post::of(self.target().class()).heart.keep_trying(move || self.retry());
    }

    /// Tries to remove it once more, unless somebody else uses it by now. Whether that settles it.
    fn retry(&mut self) -> bool {
        let Self { sidecar, claim, .. } = self;
        let removed: io::Result<()> = (|| {
            match sys::try_lock(&sidecar.file)? {
                // Somebody adopted it, or is about to.
                OsLock::Busy => return Ok(()),
                OsLock::Acquired | OsLock::Unsupported => {}
            }
            let meta = sys::stat_file(&sidecar.file)?;
            let contents = read_contents(&sidecar.file, &meta)?;
            let untouched =
                matches!(contents, Contents::Native(record) if *record == sidecar.record(claim).renewed_at(LONG_AGO));
            if untouched { sidecar.remove().map(drop) } else { Ok(()) }
        })();
        if removed.is_err() {
            let _ = sys::unlock(&sidecar.file);
            let _ = sys::unguard(&sidecar.file);
        }
        removed.is_ok()
    }
}
