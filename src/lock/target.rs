//! From the path a caller names to the lock file that protects it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::hash::{Hash, Hasher};
use std::path::{Component, Path, PathBuf};
use std::{fmt, io};

use triomphe::ThinArc;

use super::error::LockError;
use super::sync::{Mutex, global};
use super::sys::{self, FsClass, NewDirectories, Spelling};

/// A protected file and where its lock file is. Its lock file tells it from others, and is the name under which the
/// process knows the lock.
///
/// Cheap to clone. What it consists of is in one place, since each lock has one and ten thousand may be held: the path of
/// the lock file, as std encodes it, behind everything else.
#[derive(Clone)]
pub struct Target(ThinArc<Header, u8>);

struct Header {
    /// Boxed because it is rare.
    unusual: Option<Box<Unusual>>,
    #[expect(dead_code, reason = "it is there to be dropped")]
    spelling: Spelling,
}

/// What is unusual about a target.
struct Unusual {
    /// The protected file, where the lock file's name does not tell it.
    path: Option<PathBuf>,
    class: FsClass,
}

// Compared byte by byte, because lock files have real paths, and taking paths apart takes longer than a system call.

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.0.slice == other.0.slice
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.slice.hash(state);
    }
}

impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Target {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.slice.cmp(&other.0.slice)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.lock_path()).finish()
    }
}

global! {
    /// What is known to be local.
    ///
    /// The first request for a directory is resolved on a thread of its own, because only touching it
    /// tells whether touching it hangs; later ones are served on the thread that makes them.
    static LOCAL: Mutex<Option<Local>> = Mutex::new(None);
}

#[derive(Default)]
struct Local {
    directories: HashMap<OsString, Led>,
    /// Targets in plain directories, by the absolute path that was given for them.
    targets: HashMap<OsString, Target>,
}

/// No more directories than this are remembered: after that the table starts anew.
const REMEMBERED: usize = 4096;
/// The same for targets. Making one takes as long as a system call.
const REMEMBERED_TARGETS: usize = 256;

/// Where the path of a directory led when its file system was found to be local.
enum Led {
    /// It is its own real path. If a link is planted in it later, it still leads where it leads every other process.
    ToItself,
    /// Through links, which may come to point elsewhere, so it is resolved each time.
    To(PathBuf),
}

impl Target {
    /// The absolute directory and the name of `path`, as Node's `path.resolve` sees them now: relative
    /// to the current working directory, and with `..` resolved in the text before any link is
    /// followed.
    ///
    /// # Errors
    ///
    /// [`LockError::InvalidPath`] when `path` is empty, holds a NUL or names no file, [`LockError::Io`]
    /// when the working directory is gone.
    pub fn split(path: &Path) -> Result<(PathBuf, OsString), LockError> {
        let invalid = |problem| LockError::InvalidPath { path: path.to_owned(), problem };
        if path.as_os_str().is_empty() {
            return Err(invalid("it is empty"));
        }
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(invalid("it contains a NUL character"));
        }
        let absolute = std::path::absolute(path).map_err(|error| LockError::io("resolve", path, error))?;
        let mut lexical = PathBuf::new();
        for component in absolute.components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => {
                    lexical.pop();
                }
                other => lexical.push(other),
            }
        }
        let name = lexical
            .file_name()
            .ok_or_else(|| {
                // On Windows the names of some devices become roots when they are made absolute.
                invalid(path.file_name().and_then(sys::refusal).unwrap_or("it names a root, not a file"))
            })?
            .to_owned();
        if let Some(problem) = sys::refusal(&name) {
            return Err(invalid(problem));
        }
        lexical.pop();
        // On Windows two separators begin the name of a share, but a server alone is none.
        if !lexical.is_absolute() {
            return Err(invalid("it names a server, not a file"));
        }
        Ok((lexical, name))
    }

    /// The target of `path`, if it was asked for lately under the very same path.
    #[must_use]
    pub fn recent(path: &Path) -> Option<Self> {
        LOCAL.lock().as_ref()?.targets.get(path.as_os_str()).cloned()
    }

    /// The target of the file `name` in `directory`, which `path` leads to, without any system call that could hang.
    /// `None` when the directory is not known to be local yet: then [`Target::resolve`] has to be called where waiting
    /// is allowed.
    #[must_use]
    pub fn known(path: &Path, directory: &Path, name: &OsStr) -> Option<Self> {
        let mut known = LOCAL.lock();
        let local = known.as_mut()?;
        if let Led::To(real) = local.directories.get(directory.as_os_str())? {
            let led_to = real.clone();
            // Not kept locked while the disk is asked: other threads need it.
            drop(known);
            let real = sys::real_path(directory).ok()?;
            return (real == led_to).then(|| Self::at(&real, name, FsClass::Local));
        }
        let target = Self::at(directory, name, FsClass::Local);
        if path.is_absolute() && sys::ONE_SPELLING {
            if local.targets.len() >= REMEMBERED_TARGETS {
                local.targets.clear();
            }
            local.targets.insert(path.as_os_str().to_owned(), target.clone());
        }
        Some(target)
    }

    /// Resolves `path`, creating its directory if it is missing.
    ///
    /// # Errors
    ///
    /// As [`Target::split`], and [`LockError::Io`] when the directory cannot be created or read.
    ///
    /// # Examples
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// let target = leasehold::lock::Target::resolve(&directory.path().join("new/session.jsonl")).unwrap();
    /// assert!(target.lock_path().ends_with("new/session.jsonl.lock"));
    /// ```
    pub fn resolve(path: &Path) -> Result<Self, LockError> {
        Self::resolve_with(path, Some(NewDirectories::Ordinary))
    }

    /// As [`Target::resolve`], creating directories as `new` says; with `None` a missing one is an error.
    ///
    /// # Errors
    ///
    /// As [`Target::resolve`].
    pub fn resolve_with(path: &Path, new: Option<NewDirectories>) -> Result<Self, LockError> {
        let (directory, name) = Self::split(path)?;
        let real = match (sys::real_path(&directory), new) {
            (Err(error), Some(new)) if error.kind() == io::ErrorKind::NotFound => {
                sys::create_dir_all(&directory, new).map_err(|error| LockError::io("create", &directory, error))?;
                sys::real_path(&directory)
            }
            (resolved, _) => resolved,
        }
        .map_err(|error| LockError::io("resolve", &directory, error))?;
        let class = sys::fs_class(&real).map_err(|error| LockError::io("inspect", &real, error))?;
        if class == FsClass::Local {
            remember(directory, &real);
        }
        Ok(Self::at(&real, &name, class))
    }

    /// Resolves `path` without creating anything, for merely looking at a lock.
    ///
    /// # Errors
    ///
    /// As [`Target::split`].
    pub fn locate(path: &Path) -> Result<Self, LockError> {
        let (directory, name) = Self::split(path)?;
        let real = sys::real_path(&directory).unwrap_or(directory);
        let class = sys::fs_class(&real).unwrap_or(FsClass::Local);
        Ok(Self::at(&real, &name, class))
    }

    /// The target of a lock file that is known by its own path, without creating anything. Its name need not
    /// end in `.lock`.
    ///
    /// # Errors
    ///
    /// As [`Target::split`].
    pub fn of_lock_file(lock_path: &Path) -> Result<Self, LockError> {
        let (directory, name) = Self::split(lock_path)?;
        let real = sys::real_path(&directory).unwrap_or(directory);
        let class = sys::fs_class(&real).unwrap_or(FsClass::Local);
        Ok(Self::guarded_by(&real, &name, class))
    }

    /// The target of the lock file `name` in `directory`, which is a real path.
    pub(super) fn guarded_by(directory: &Path, name: &OsStr, class: FsClass) -> Self {
        let target = Path::new(name);
        let stem = target.extension().filter(|extension| *extension == "lock").and_then(|_| target.file_stem());
        let path = directory.join(stem.unwrap_or(name));
        Self::new(path, directory.join(name), class)
    }

    /// `path` as it was given, for reports about a directory that never answered.
    #[must_use]
    pub fn unresolved(path: &Path) -> Self {
        let directory = path.parent().unwrap_or(path);
        Self::at(directory, path.file_name().unwrap_or_default(), FsClass::Local)
    }

    /// The lock file.
    #[must_use]
    pub fn lock_path(&self) -> &Path {
        // SAFETY: these are the bytes of a whole path as std encodes it: `with` copied them.
        Path::new(unsafe { OsStr::from_encoded_bytes_unchecked(&self.0.slice) })
    }

    /// The protected file: its directory's real path and its own name. A symbolic link in the last
    /// place is not followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        let other = self.unusual().and_then(|unusual| unusual.path.as_deref());
        other.unwrap_or_else(|| protected_by(self.lock_path()))
    }

    /// The class of its file system: what may be done on which thread.
    #[must_use]
    pub fn class(&self) -> FsClass {
        self.unusual().map_or(FsClass::Local, |unusual| unusual.class)
    }

    /// The directory of both files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        // A path that names a file has a parent.
        self.path().parent().unwrap_or(self.path())
    }

    /// Forgets what is known about the directory, which vanished under us.
    pub fn forget(&self) {
        if let Some(local) = LOCAL.lock().as_mut() {
            local.directories.retain(|directory, _| directory != self.directory().as_os_str());
            local.targets.retain(|_, target| target.directory() != self.directory());
        }
    }

    fn at(directory: &Path, name: &OsStr, class: FsClass) -> Self {
        let path = directory.join(sys::full_name(directory, name));
        let mut lock_path = path.clone().into_os_string();
        lock_path.push(".lock");
        Self::new(path, lock_path.into(), class)
    }

    fn new(path: PathBuf, lock_path: PathBuf, class: FsClass) -> Self {
        let (lock_path, spelling) = sys::one_spelling(lock_path);
        let path = (protected_by(&lock_path) != path).then_some(path);
        let is_usual = path.is_none() && class == FsClass::Local;
        let unusual = if is_usual { None } else { Some(Unusual { path, class }.into()) };
        Self::with(Header { unusual, spelling }, &lock_path)
    }

    fn with(header: Header, lock_path: &Path) -> Self {
        Self(ThinArc::from_header_and_slice(header, lock_path.as_os_str().as_encoded_bytes()))
    }

    fn unusual(&self) -> Option<&Unusual> {
        self.0.header.header.unusual.as_deref()
    }
}

/// What a lock file usually protects: the file of the same name without `.lock`.
fn protected_by(lock_path: &Path) -> &Path {
    let name = lock_path.as_os_str().as_encoded_bytes();
    let stem = name.strip_suffix(b".lock").unwrap_or(name);
    // SAFETY: these are the bytes of a path as std encodes it, whole or cut right before `.lock`, which is UTF-8.
    Path::new(unsafe { OsStr::from_encoded_bytes_unchecked(stem) })
}

fn remember(directory: PathBuf, real: &Path) {
    let mut local = LOCAL.lock();
    let local = local.get_or_insert_default();
    if local.directories.len() >= REMEMBERED {
        *local = Local::default();
    }
    // Byte by byte: Windows paths are equal even if their drives are spelt differently; the lock file has the real one.
    let led = if directory.as_os_str() == real.as_os_str() { Led::ToItself } else { Led::To(real.to_owned()) };
    local.directories.insert(directory.into_os_string(), led);
}

#[cfg(test)]
impl Target {
    /// The file `name` in a directory of its own, which is removed when the first of the two is dropped.
    pub(crate) fn scratch(name: &str) -> (tempfile::TempDir, Self) {
        let directory = tempfile::tempdir().unwrap();
        let target = Self::resolve(&directory.path().join(name)).unwrap();
        (directory, target)
    }

    /// The same, as if it were on a network file system.
    pub(crate) fn far_away(&self) -> Self {
        let class = FsClass::Remote { device: 7 };
        Self::new(self.path().to_owned(), self.lock_path().to_owned(), class)
    }

    /// The names in its directory, in order.
    pub(crate) fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_resolve_as_in_node() {
        for (given, directory, name) in
            [("/a/b/../c.json", "/a", "c.json"), ("/a/./b//c.json/", "/a/b", "c.json"), ("/../c", "/", "c")]
        {
            assert_eq!(Target::split(Path::new(given)).unwrap(), (PathBuf::from(directory), name.into()), "{given}");
        }
    }

    #[test]
    fn paths_that_name_no_file_are_refused() {
        for bad in ["", "/", "/a/..", "a\0b"] {
            assert!(matches!(Target::split(Path::new(bad)), Err(LockError::InvalidPath { .. })), "{bad:?}");
        }
    }

    #[test]
    fn what_was_asked_for_lately_is_forgotten_with_its_directory() {
        let (_directory, target) = Target::scratch("file");
        let path = target.path();
        assert_eq!(Target::recent(path), None);
        let known = Target::known(path, target.directory(), OsStr::new("file")).unwrap();
        assert_eq!(known, target);
        assert_eq!(Target::recent(path).is_some(), sys::ONE_SPELLING);
        target.forget();
        assert_eq!(Target::recent(path), None);
        assert_eq!(Target::known(path, target.directory(), OsStr::new("file")), None);
    }

    #[test]
    fn a_lock_file_tells_what_it_protects() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| sys::real_path(directory.path()).unwrap().join(name);
        for (name, lock_file) in [("file", "file.lock"), (".lock", ".lock.lock"), ("file.lock", "file.lock.lock")] {
            let target = Target::resolve(&at(name)).unwrap();
            assert_eq!((target.path(), target.lock_path()), (&*at(name), &*at(lock_file)));
            let same = Target::of_lock_file(&at(lock_file)).unwrap();
            assert_eq!((same.path(), &same), (target.path(), &target));
            assert_eq!(target.directory(), at("").as_path());
        }
        for name in [".lock", "file.lck", "lock"] {
            let target = Target::of_lock_file(&at(name)).unwrap();
            assert_eq!((target.path(), target.lock_path()), (&*at(name), &*at(name)), "its own, for want of another");
        }
    }

    #[test]
    fn targets_are_told_apart_by_their_lock_files() {
        let (_directory, target) = Target::scratch("one");
        let there = |name: &str| Target::resolve(&target.directory().join(name)).unwrap();
        assert_eq!(there("one"), target);
        assert_eq!(target.far_away(), target);
        assert_ne!(there("two"), target);
        assert!(there("two") > target && there("one") <= target);
    }

    #[cfg(unix)]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is a link that is removed")]
    fn a_linked_directory_leads_to_one_lock_even_after_the_link_moves() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["one", "two"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let link = root.join("link");
        std::os::unix::fs::symlink(root.join("one"), &link).unwrap();
        let known = || {
            let path = link.join("f");
            let target = Target::recent(&path).or_else(|| Target::known(&path, &link, OsStr::new("f")));
            target.map(|target| target.lock_path().to_path_buf())
        };
        assert_eq!(known(), None, "unknown directories are not touched");
        assert_eq!(Target::resolve(&link.join("f")).unwrap().lock_path(), root.join("one/f.lock"));
        assert_eq!(known(), Some(root.join("one/f.lock")));
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(root.join("two"), &link).unwrap();
        assert_eq!(known(), None, "it may be on a file system that hangs");
        assert_eq!(Target::resolve(&link.join("f")).unwrap().lock_path(), root.join("two/f.lock"));
        assert_eq!(known(), Some(root.join("two/f.lock")));
    }
}
