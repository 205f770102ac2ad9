//! A new lock file: locked and filled before it gets its name (rule 2).
//!
//! It is made in the first of these ways that the file system supports:
//!
//! 1. an unnamed file, given its name with `linkat`;
//! 2. a private temporary name, moved to the public one without replacing anything;
//! 3. the same, but linked to the public name, unlinked from the private one, and locked again through the public one;
//! 4. where hard links are refused too, `O_EXCL` on the public name, filled at once. Only here can a
//!    kill leave an empty lock file behind; rule 3 bounds how long that one counts as held.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::inspect::read_contents;
use super::post::Post;
use super::record::{Claim, Contents, OwnRecord, token_after_release};
use super::sys::{self, FileId, FsClass, Instant, Life, OsLock};
use super::target::Target;

/// A complete lock file without its public name.
pub struct Draft {
    file: File,
    name: Name,
    record: OwnRecord,
    /// When `record` was written.
    written: Instant,
    len: usize,
    /// Which file it is, where that was found out ahead of time.
    id: Option<FileId>,
}

/// How old the record of a draft may be when it gets its name: its dates are rewritten right afterwards.
const FRESH: Duration = Duration::from_secs(1);

enum Name {
    /// It vanishes with its descriptor.
    Unnamed,
    /// It has a private name beside the public one.
    Temporary(TemporaryName),
}

/// A private name, removed on drop.
struct TemporaryName {
    /// Empty once the name has been removed.
    path: PathBuf,
    class: FsClass,
}

impl TemporaryName {
    /// Removes it, now or as soon as possible. Returns whether it is gone.
    fn remove(&mut self) -> bool {
        let path = std::mem::take(&mut self.path);
        // A rename may have removed it before us.
        let is_gone = |path: &Path| match sys::unlink(path) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        if path.as_os_str().is_empty() || is_gone(&path) {
            return true;
        }
        // If this process ends first, a later `sweep` removes it.
        Post::of(self.class).heart.keep_trying(move || is_gone(&path));
        false
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A lock file that has its public name, with what is known about it.
pub struct Published {
    /// The open, locked file.
    pub file: File,
    /// What it contains.
    pub record: OwnRecord,
    /// Its length in bytes.
    pub len: usize,
    /// Which file it is, where that is known.
    pub id: Option<FileId>,
}

impl Draft {
    /// Prepares a lock file for `target` whose record holds `claim` and the token that `token` derives
    /// from the time of writing.
    pub fn new(target: &Target, claim: &Arc<Claim>, token: impl Fn(SystemTime) -> u64) -> io::Result<Self> {
        match Self::unnamed(target, claim, &token) {
            Err(error) if sys::is_unsupported(&error) => Self::named(target, claim, token),
            draft => draft,
        }
    }

    /// Prepares one without a name: it leaves nothing behind if we are killed.
    pub fn unnamed(target: &Target, claim: &Arc<Claim>, token: impl Fn(SystemTime) -> u64) -> io::Result<Self> {
        Self::fill(sys::create_unnamed(target.directory())?, Name::Unnamed, claim, token)
    }

    /// Prepares one under a private name, for `replace` or where unnamed files are not supported.
    pub fn named(target: &Target, claim: &Arc<Claim>, token: impl Fn(SystemTime) -> u64) -> io::Result<Self> {
        sweep(target);
        let temporary = temporary_name(target);
        let file = sys::create_new(&temporary)?;
        let name = Name::Temporary(TemporaryName { path: temporary, class: target.class() });
        Self::fill(file, name, claim, token)
    }

    fn fill(file: File, name: Name, claim: &Arc<Claim>, token: impl Fn(SystemTime) -> u64) -> io::Result<Self> {
        let os_lock = sys::try_lock(&file)? == OsLock::Acquired;
        let now = SystemTime::now();
        let record = OwnRecord::new(claim, token(now), os_lock, now);
        let mut draft = Self { file, name, record, written: Instant::now(), len: 0, id: None };
        draft.write()?;
        Ok(draft)
    }

    /// Finds out which file it is: its owner will want to know.
    pub fn identify(&mut self) {
        self.id = sys::stat_file(&self.file).ok().map(|meta| meta.id);
    }

    fn write(&mut self) -> io::Result<()> {
        let bytes = self.record.render(self.record.acquired_at(), self.len);
        sys::write_at(&self.file, &bytes, 0)?;
        self.len = bytes.len();
        Ok(())
    }

    /// Brings a draft made earlier up to date, but leaves dates and a token that are good enough: they are rewritten
    /// once we have the lock. (Only they may be: the file is public by then, and a reader may see half of that write.)
    pub fn renew(&mut self, claim: &Arc<Claim>, last_token: u64) -> io::Result<()> {
        if self.written.elapsed() < FRESH && self.record.token > last_token && self.record.claim == *claim {
            return Ok(());
        }
        let now = SystemTime::now();
        self.record = OwnRecord::new(claim, token_after_release(last_token, now), self.record.os_lock, now);
        self.written = Instant::now();
        self.write()
    }

    /// Whether it may be kept while waiting, because it leaves nothing behind if we are killed.
    pub fn is_traceless(&self) -> bool {
        matches!(self.name, Name::Unnamed)
    }

    /// Gives the draft its public name. If the name is taken, the inner `Err` returns the draft.
    pub fn publish(self, target: &Target, claim: &Arc<Claim>) -> io::Result<Result<Published, Self>> {
        let linked = match &self.name {
            Name::Unnamed => sys::link_unnamed(&self.file, target.lock_path()),
            Name::Temporary(temporary) => sys::rename_noreplace(&temporary.path, target.lock_path()),
        };
        match (linked, &self.name) {
            (Ok(()), _) => Ok(Ok(self.published())),
            (Err(error), _) if error.kind() == ErrorKind::AlreadyExists => Ok(Err(self)),
            // Without /proc an unnamed file cannot get a name, and the error is "not found".
            (Err(error), Name::Unnamed) if sys::is_unsupported(&error) || error.kind() == ErrorKind::NotFound => {
                let token = self.record.token;
                Self::named(target, claim, |_| token)?.publish(target, claim)
            }
            (Err(error), Name::Temporary(_)) if sys::is_unsupported(&error) => self.publish_linked(target, claim),
            (Err(error), _) => Err(error),
        }
    }

    /// Links the draft to its public name.
    ///
    /// A file system that goes by names (FUSE) may take the two names for two files, each with a lock of
    /// its own. So the record says that no lock backs it until we have the lock of the public name.
    fn publish_linked(mut self, target: &Target, claim: &Arc<Claim>) -> io::Result<Result<Published, Self>> {
        let Name::Temporary(temporary) = &self.name else { return Ok(Err(self)) };
        let temporary = temporary.path.clone();
        self.record.os_lock = false;
        self.write()?;
        match sys::link(&temporary, target.lock_path()) {
            Ok(()) => {
                let mut published = self.published();
                published.lock_public_name(target);
                Ok(Ok(published))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Err(self)),
            Err(error) if sys::is_unsupported(&error) => self.publish_in_place(target, claim),
            Err(error) => Err(error),
        }
    }

    fn publish_in_place(self, target: &Target, claim: &Arc<Claim>) -> io::Result<Result<Published, Self>> {
        let file = match sys::create_new(target.lock_path()) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Err(self)),
            Err(error) => return Err(error),
        };
        match Self::fill(file, Name::Unnamed, claim, |_| self.record.token) {
            Ok(draft) => Ok(Ok(draft.published())),
            Err(error) => {
                // A full disk, say: an empty lock file must not stay behind. It is ours: we just
                // created it, and nobody takes over an empty file this young.
                let _ = sys::unlink(target.lock_path());
                Err(error)
            }
        }
    }

    /// Gives the draft its public name, replacing whatever has it. Only for drafts made by `named`.
    pub fn replace(self, target: &Target) -> io::Result<Published> {
        if let Name::Temporary(temporary) = &self.name {
            sys::rename(&temporary.path, target.lock_path())?;
        }
        Ok(self.published())
    }

    fn published(self) -> Published {
        Published { file: self.file, record: self.record, len: self.len, id: self.id }
    }
}

impl Published {
    /// Exchanges the lock of the private name for that of the public one, and says so in the record. If that
    /// fails, usually because somebody is looking at the file just now, it stays without a lock.
    fn lock_public_name(&mut self, target: &Target) {
        // On most file systems both names have the same lock, so our other descriptor must give it up first.
        let _ = sys::unlock(&self.file);
        let _ = self.try_lock_public_name(target);
    }

    fn try_lock_public_name(&mut self, target: &Target) -> io::Result<()> {
        let file = sys::open_lock_file(target.lock_path())?;
        if sys::try_lock(&file)? != OsLock::Acquired {
            return Ok(());
        }
        // We may have been frozen meanwhile, and the file may be somebody else's by now.
        let contents = read_contents(&file, &sys::stat_file(&file)?)?;
        let written_at = self.record.acquired_at();
        if !matches!(contents, Contents::Native(record) if *record == self.record.renewed_at(written_at)) {
            return Ok(());
        }
        let record = OwnRecord { os_lock: true, ..self.record.clone() };
        let bytes = record.render(written_at, self.len);
        sys::write_at(&file, &bytes, 0)?;
        self.len = bytes.len();
        self.record = record;
        self.file = file;
        self.id = None;
        Ok(())
    }
}

/// A private name beside the lock file: `<lock file>.<pid>-<time>-<count>.tmp`.
fn temporary_name(target: &Target) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let unique = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    target.directory().join(format!("{}{}-{unique:x}-{count}.tmp", temporary_prefix(target), std::process::id()))
}

/// How the private names of a lock file begin, cut short where a full name would be too long.
fn temporary_prefix(target: &Target) -> String {
    format!("{}.", sys::name_before(".4294967295-0123456789abcdef0-4294967295.tmp", target.lock_path()))
}

/// Removes private names that killed processes left beside `target`'s lock file, once per lock and
/// process. The maker of a private name holds the file's operating-system lock until it dies.
fn sweep(target: &Target) {
    static SWEPT: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    {
        let mut swept = SWEPT.lock();
        let swept = swept.get_or_insert_default();
        if swept.len() >= 4096 {
            swept.clear();
        }
        if !swept.insert(target.lock_path().to_path_buf()) {
            return;
        }
    }
    let prefix = temporary_prefix(target);
    let Ok(entries) = std::fs::read_dir(target.directory()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".tmp")) else { continue };
        let mut parts = rest.split('-');
        let Some(maker) = parts.next().and_then(|pid| pid.parse().ok()).filter(|_| parts.count() == 2) else {
            continue;
        };
        // A living maker may not have locked it yet.
        let lives = sys::process_life(maker) != Life::Dead;
        if lives && !is_old(&entry.path()) {
            continue;
        }
        if let Ok(file) = sys::open_lock_file(&entry.path())
            && let Ok(OsLock::Acquired) = sys::try_lock(&file)
        {
            // If this fails, the leftover harms nobody and the next process tries again.
            let _ = sys::unlink(&entry.path());
        }
    }
}

/// Whether `path` is older than a minute: nobody takes that long between creating and locking it.
fn is_old(path: &Path) -> bool {
    let age = |meta: sys::Meta| sys::age(SystemTime::now(), meta.modified);
    sys::stat_path(path).is_ok_and(|meta| age(meta) > Duration::from_mins(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Terms;

    type Make = fn(&Target, &Arc<Claim>, u64) -> io::Result<Draft>;

    #[test]
    fn every_way_of_publishing_shows_a_complete_file_or_none() {
        let claim = Terms::default().claim;
        let unnamed: Make = |target, claim, token| Draft::new(target, claim, |_| token);
        let named: Make = |target, claim, token| Draft::named(target, claim, |_| token);
        for make in [unnamed, named] {
            let (_directory, target) = Target::scratch("file");
            let draft = make(&target, &claim, 1).unwrap();
            assert!(!target.lock_path().exists());
            assert!(draft.publish(&target, &claim).unwrap().is_ok());
            assert_eq!(target.entries(), ["file.lock"]);
            let second = make(&target, &claim, 2).unwrap().publish(&target, &claim).unwrap();
            assert!(second.is_err(), "the name is taken");
            drop(second);
            assert_eq!(target.entries(), ["file.lock"], "the loser leaves nothing behind");
        }
    }

    #[test]
    fn without_links_the_public_name_is_filled_in_place() {
        let claim = Terms::default().claim;
        let (_directory, target) = Target::scratch("file");
        let published = Draft::named(&target, &claim, |_| 1).unwrap().publish_in_place(&target, &claim).unwrap();
        assert!(published.is_ok());
        assert_eq!(target.entries(), ["file.lock"]);
        assert!(Draft::named(&target, &claim, |_| 2).unwrap().publish_in_place(&target, &claim).unwrap().is_err());
    }

    #[test]
    fn leftovers_of_killed_processes_are_swept_and_live_ones_are_not() {
        let (_directory, target) = Target::scratch("file");
        let others = target.directory().join("file.lock.notes.tmp");
        std::fs::write(&others, "x").unwrap();
        let dead = target.directory().join("file.lock.4194305-1-0.tmp");
        std::fs::write(&dead, "x").unwrap();
        let live = target.directory().join("file.lock.4194306-2-0.tmp");
        std::fs::write(&live, "x").unwrap();
        let holder = sys::open_lock_file(&live).unwrap();
        assert_eq!(sys::try_lock(&holder).unwrap(), OsLock::Acquired);
        drop(Draft::named(&target, &Terms::default().claim, |_| 1).unwrap());
        assert_eq!(target.entries(), ["file.lock.4194306-2-0.tmp", "file.lock.notes.tmp"]);
    }
}
