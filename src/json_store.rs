//! Small files that are read and replaced as a whole.
//!
//! A new file is written and synced before it gets its name, so readers see either the old content or the new, even
//! after a crash:
//!
//! 1. where there is no file yet, an unnamed one is linked to the name;
//! 2. where there is one, the unnamed file gets a private name and is renamed over it at once;
//! 3. where unnamed files are unsupported, the file has the private name from the start.
//!
//! A process killed between the two steps of 2, or during 3, leaves the private name behind; the next writer of the
//! same file removes it ([`temporary`]).
//!
//! Links are never written through. Anything other than a regular file under the name is left alone.

pub mod errand;
pub mod temporary;

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use self::temporary::Temporary;
use crate::lock::error::LockError;
use crate::lock::sys::{self, FileKind, Meta, NewDirectories};
use crate::lock::target::Target;

/// Longer files are not read: they would not fit into a JavaScript string.
const LONGEST: u64 = 1 << 29;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The path cannot name a file, whatever is on disk.
    #[error("cannot use {path:?} as a file: {problem}", path = path.to_string_lossy())]
    InvalidPath {
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// Something other than a regular file has the name.
    #[error("cannot use {} as a file: it is {found}, and was left as it is", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        found: FileKind,
    },

    /// The file is too long to be read as a whole.
    #[error("cannot read {}: it has {len} bytes, more than a string can hold", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// How long it is, in bytes.
        len: u64,
    },

    /// The operating system refused ([`LockError::Io`]), or the lock that the write depends on is not held.
    #[error(transparent)]
    Lock(LockError),
}

impl From<LockError> for StoreError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::InvalidPath { path, problem } => Self::InvalidPath { path, problem },
            other => Self::Lock(other),
        }
    }
}

impl StoreError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Lock(LockError::io(action, path, error))
    }

    /// The stable code of this kind of error; `None` where the code of the system error applies.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::InvalidPath { .. } => Some("ERR_INVALID_ARG_VALUE"),
            Self::NotAFile { .. } => Some("json_file_not_a_file"),
            Self::TooLarge { .. } => Some("json_file_too_large"),
            Self::Lock(error) => error.code(),
        }
    }
}

/// What to do about a symbolic link at the path of a file to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Read what it leads to.
    Followed,
    /// Refuse it.
    Refused,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the disk has it: it survives a power cut.
    Disk,
    /// When other processes see it.
    Memory,
}

/// Reads a file; `None` when there is none.
///
/// # Errors
///
/// [`StoreError::NotAFile`], [`StoreError::TooLarge`], or what the system answered.
pub fn read(path: &Path, links: Links) -> Result<Option<Vec<u8>>, StoreError> {
    let opened = match links {
        Links::Followed => sys::open_read_through(path),
        Links::Refused => sys::open_read(path),
    };
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => {
            // Refused links, and sockets, cannot even be opened.
            if links == Links::Refused || !sys::is_symlink_error(&error) {
                occupant(path)?;
            }
            return Err(StoreError::io("open", path)(error));
        }
    };
    let meta = sys::stat_file(&file).map_err(StoreError::io("stat", path))?;
    regular(path, &meta)?;
    if meta.len > LONGEST {
        return Err(StoreError::TooLarge { path: path.to_owned(), len: meta.len });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len).unwrap_or_default());
    file.take(LONGEST).read_to_end(&mut bytes).map_err(StoreError::io("read", path))?;
    Ok(Some(bytes))
}

/// Whether `error` says that nothing has the name.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Replaces the file at `target` by one with the content `bytes` and the same owner, group and mode, or
/// creates it with mode 0600. Missing directories are created with mode 0700.
///
/// `fence` is called before anything is done, and again immediately before the file gets its name: an error from it
/// ends the write with nothing changed.
///
/// # Errors
///
/// [`StoreError::NotAFile`], what the system answered (the old content is still there, unless it was the sync of the
/// name that failed), or the error of `fence`.
///
/// # Examples
///
/// ```
/// use leasehold::json_store::{Durability, Links, read, write};
/// use leasehold::lock::Target;
///
/// # let directory = tempfile::tempdir().unwrap();
/// let target = Target::resolve(&directory.path().join("settings.json")).unwrap();
/// write(&target, b"{}\n", Durability::Disk, &|| Ok(())).unwrap();
/// assert_eq!(read(target.path(), Links::Followed).unwrap().as_deref(), Some(&b"{}\n"[..]));
/// ```
pub fn write(
    target: &Target,
    bytes: &[u8],
    durability: Durability,
    fence: &dyn Fn() -> Result<(), LockError>,
) -> Result<(), StoreError> {
    fence()?;
    let new = Content { target, bytes, durability };
    let replaced = occupant(target.path())?;
    let file = match new.write_unnamed(replaced, fence)? {
        Some(file) => file,
        None => new.write_named(replaced, fence)?,
    };
    if durability == Durability::Disk {
        sys::sync_name(&file, target.directory()).map_err(StoreError::io("fsync", target.directory()))?;
    }
    Ok(())
}

/// The file that has the name now, if there is one.
fn occupant(path: &Path) -> Result<Option<Meta>, StoreError> {
    match sys::stat_path(path) {
        Ok(meta) => regular(path, &meta).map(|()| Some(meta)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(StoreError::io("stat", path)(error)),
    }
}

fn regular(path: &Path, meta: &Meta) -> Result<(), StoreError> {
    match meta.kind {
        FileKind::Regular => Ok(()),
        found => Err(StoreError::NotAFile { path: path.to_owned(), found }),
    }
}

/// Content to be written to a target.
struct Content<'a> {
    target: &'a Target,
    bytes: &'a [u8],
    durability: Durability,
}

impl Content<'_> {
    /// Ways 1 and 2. Returns the file, or `None` if this file system does not support them; nothing has changed then.
    fn write_unnamed(
        &self,
        mut replaced: Option<Meta>,
        fence: &dyn Fn() -> Result<(), LockError>,
    ) -> Result<Option<File>, StoreError> {
        let path = self.target.path();
        let file = match self.in_directory(sys::create_unnamed) {
            Err(error) if sys::is_unsupported(&error) => return Ok(None),
            created => created.map_err(StoreError::io("open", path))?,
        };
        self.fill(&file, replaced)?;
        if replaced.is_none() {
            fence()?;
            match sys::link_unnamed(&file, path) {
                Err(error) if is_unlinkable(&error) => return Ok(None),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // Somebody else has created it meanwhile.
                    replaced = occupant(path)?;
                    sys::set_access(&file, replaced.map(|meta| meta.access)).map_err(StoreError::io("chmod", path))?;
                }
                linked => {
                    linked.map_err(StoreError::io("link", path))?;
                    temporary::sweep(self.target, 0);
                    return Ok(Some(file));
                }
            }
        }
        match Temporary::link(&file, self.target) {
            Err(error) if is_unlinkable(&error) => Ok(None),
            linked => self.publish(linked.map_err(StoreError::io("link", path))?, fence).map(|()| Some(file)),
        }
    }

    /// Way 3. Returns the file.
    fn write_named(
        &self,
        replaced: Option<Meta>,
        fence: &dyn Fn() -> Result<(), LockError>,
    ) -> Result<File, StoreError> {
        let created = self.in_directory(|_| Temporary::create(self.target));
        // The private name must go before the file is closed: the lock on the file marks the name as in use.
        let (file, temporary) = created.map_err(StoreError::io("open", self.target.path()))?;
        self.fill(&file, replaced)?;
        self.publish(temporary, fence).map(|()| file)
    }

    /// Calls `create` with the directory, which is created again if it has vanished.
    fn in_directory<T>(&self, create: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
        let directory = self.target.directory();
        match create(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.target.forget();
                sys::create_dir_all(directory, NewDirectories::Private)?;
                create(directory)
            }
            created => created,
        }
    }

    fn fill(&self, mut file: &File, replaced: Option<Meta>) -> Result<(), StoreError> {
        let path = self.target.path();
        file.write_all(self.bytes).map_err(StoreError::io("write", path))?;
        sys::set_access(file, replaced.map(|meta| meta.access)).map_err(StoreError::io("chmod", path))?;
        match self.durability {
            Durability::Disk => sys::sync(file).map_err(StoreError::io("fsync", path)),
            Durability::Memory => Ok(()),
        }
    }

    fn publish(&self, temporary: Temporary, fence: &dyn Fn() -> Result<(), LockError>) -> Result<(), StoreError> {
        fence()?;
        let slot = temporary.replace(self.target.path()).map_err(StoreError::io("rename", self.target.path()))?;
        temporary::sweep(self.target, slot + 1);
        Ok(())
    }
}

/// Whether `error` says that unnamed files cannot get a name here; without /proc that is "not found".
fn is_unlinkable(error: &io::Error) -> bool {
    sys::is_unsupported(error) || error.kind() == ErrorKind::NotFound
}

#[cfg(test)]
mod tests;
