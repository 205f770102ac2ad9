//! One file, one spelling: whatever a caller writes, its lock has one name.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf, Prefix};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use windows_sys::Wdk::System::SystemServices::RtlUpcaseUnicodeChar;
use windows_sys::Win32::Foundation::{ERROR_FILENAME_EXCED_RANGE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{FILE_CASE_SENSITIVE_INFO, FindClose, FindFirstFileW, WIN32_FIND_DATAW};

use super::errors::{is_unsupported, os_error};
use super::handles::{query, wide};
use super::open::find;

/// The real path of a directory: links followed, short names made long, in the case that is on disk, and
/// without the `\\?\` where that is not needed.
pub fn real_path(directory: &Path) -> io::Result<PathBuf> {
    match directory.canonicalize() {
        Ok(real) => Ok(plain(real)),
        // Some drivers of virtual disks cannot tell the path of an open file.
        Err(error) if is_unsupported(&error) && directory.is_dir() => Ok(directory.to_owned()),
        Err(error) => Err(error),
    }
}

/// `path` as people and Node write it, if that leads to the same file.
fn plain(path: PathBuf) -> PathBuf {
    let Some(Component::Prefix(prefix)) = path.components().next() else { return path };
    let skipped = match prefix.kind() {
        Prefix::VerbatimDisk(_) => (r"\\?\".len(), ""),
        Prefix::VerbatimUNC(..) => (r"\\?\UNC".len(), r"\"),
        _ => return path,
    };
    let units = path.as_os_str().encode_wide().skip(skipped.0);
    let shorter = PathBuf::from(OsString::from_wide(&skipped.1.encode_utf16().chain(units).collect::<Vec<_>>()));
    // Names that end in a dot or a space, and those of devices, mean something else without the prefix.
    if std::path::absolute(&shorter).is_ok_and(|same| same == shorter) { shorter } else { path }
}

/// Why `name` cannot be the name of a protected file; `None` when it can.
#[must_use]
pub fn refusal(name: &OsStr) -> Option<&'static str> {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let text = name.to_string_lossy();
    if text.contains(':') {
        return Some("it names a stream of a file: lock the file itself");
    }
    if text.contains(|sign: char| sign < ' ' || r#"<>"|?*"#.contains(sign)) {
        return Some("it contains a character that no file name may have");
    }
    if text.ends_with(['.', ' ']) {
        return Some("it ends in a dot or a space: only some programs could reach its lock file");
    }
    // What follows a dot does not matter, at least in older versions of Windows.
    let stem = text.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
    let is_port = |kind: &str| {
        let number = stem.strip_prefix(kind).unwrap_or_default();
        matches!(number.chars().next(), Some('1'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}')) && number.chars().count() == 1
    };
    let is_device = DEVICES.contains(&&*stem) || is_port("COM") || is_port("LPT");
    is_device.then_some("it names a device, not a file")
}

/// Fails when the last name in `path` is too long. The system itself calls that "not found" or "invalid".
pub(super) fn fits(path: &Path) -> io::Result<()> {
    const LONGEST: usize = 255;
    let length = path.file_name().map_or(0, |name| name.encode_wide().count());
    if length > LONGEST { Err(os_error(ERROR_FILENAME_EXCED_RANGE)) } else { Ok(()) }
}

/// A file may have a short name, too, and until it exists nothing tells which long one that stands for.
pub const ONE_SPELLING: bool = false;

/// The full name of the file called `name`: its long name, where `name` is a short one.
#[must_use]
pub fn full_name(directory: &Path, name: &OsStr) -> OsString {
    if name.encode_wide().all(|unit| unit != u16::from(b'~')) {
        return name.to_owned();
    }
    long_name(&directory.join(name)).unwrap_or_else(|| name.to_owned())
}

fn long_name(path: &Path) -> Option<OsString> {
    let path = wide(path).ok()?;
    let mut found = WIN32_FIND_DATAW::default();
    // SAFETY: `path` is NUL-terminated, and `found` is of the type that the call fills. The search is closed once.
    unsafe {
        let search = FindFirstFileW(path.as_ptr(), &raw mut found);
        if search == INVALID_HANDLE_VALUE {
            return None;
        }
        FindClose(search);
    }
    let end = found.cFileName.iter().position(|&unit| unit == 0)?;
    Some(OsString::from_wide(&found.cFileName[..end]))
}

/// Keeps the spelling of a path in use.
pub struct Spelling(#[expect(dead_code, reason = "it is there to be dropped")] Arc<Path>);

/// `path` in the spelling that this process uses already, which may differ from it in case.
#[must_use]
pub fn one_spelling(path: PathBuf) -> (PathBuf, Spelling) {
    let spelling = spelling(path);
    (spelling.to_path_buf(), Spelling(spelling))
}

fn spelling(path: PathBuf) -> Arc<Path> {
    /// The paths that are in use, by their folded form.
    static SPELLINGS: Mutex<Option<HashMap<Vec<u16>, Weak<Path>>>> = Mutex::new(None);
    let folded = fold(&path);
    let mut spellings = SPELLINGS.lock();
    let spellings = spellings.get_or_insert_default();
    match spellings.get(&folded).and_then(Weak::upgrade) {
        Some(known) if *known == *path => known,
        Some(known) if !is_case_sensitive(path.parent().unwrap_or(&path)) => known,
        Some(_) => path.into(),
        None => {
            if spellings.len() == spellings.capacity() {
                spellings.retain(|_, path| path.strong_count() > 0);
            }
            let path: Arc<Path> = path.into();
            spellings.insert(folded, Arc::downgrade(&path));
            path
        }
    }
}

/// Folds the case of what may be spelt in several ways in `path`: the names of the file and of its drive or server. Those of
/// directories have one spelling, that on disk, and may differ by case alone.
///
/// Folds as file systems do to compare names: unit by unit, whatever the language.
fn fold(path: &Path) -> Vec<u16> {
    let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
    let length = |name: &OsStr| name.encode_wide().count();
    let server = match path.components().next() {
        Some(Component::Prefix(prefix)) => length(prefix.as_os_str()),
        _ => 0,
    };
    let before_name = units.len() - path.file_name().map_or(0, length);
    let (directories, name) = units.split_at_mut(before_name);
    for unit in directories[..server].iter_mut().chain(name) {
        // SAFETY: the call takes a number, and only looks it up in a table.
        *unit = unsafe { RtlUpcaseUnicodeChar(*unit) };
    }
    units
}

/// Whether names in `directory` may differ by case alone: each directory has its own setting.
fn is_case_sensitive(directory: &Path) -> bool {
    const FILE_CS_FLAG_CASE_SENSITIVE_DIR: u32 = 1;
    find(directory)
        .and_then(|directory| query::<FILE_CASE_SENSITIVE_INFO>(&directory))
        .is_ok_and(|info| info.Flags & FILE_CS_FLAG_CASE_SENSITIVE_DIR != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_people_do_where_that_means_the_same() {
        for (given, written) in [
            (r"\\?\C:\dir\file", r"C:\dir\file"),
            (r"\\?\UNC\server\share\dir", r"\\server\share\dir"),
            (r"C:\dir", r"C:\dir"),
            (r"\\?\C:\dir.\file", r"\\?\C:\dir.\file"),
            (
                r"\\?\Volume{01234567-89ab-cdef-0123-456789abcdef}\dir",
                r"\\?\Volume{01234567-89ab-cdef-0123-456789abcdef}\dir",
            ),
        ] {
            assert_eq!(plain(given.into()), Path::new(written), "{given}");
        }
    }

    #[test]
    fn streams_devices_and_impossible_names_are_refused() {
        for bad in [
            "file:stream",
            "file::$DATA",
            "NUL",
            "nul",
            "con.txt",
            "Aux.tar.gz",
            "COM1",
            "lpt9.log",
            "COM\u{b2}",
            "NUL .x",
            "CONIN$",
            "a*",
            "a?",
            "a|b",
            "a\"b",
            "a<b",
            "a>b",
            "a\tb",
            "file.",
            "file ",
            "..",
        ] {
            assert!(refusal(OsStr::new(bad)).is_some(), "{bad:?}");
        }
        for good in
            ["file", "null", "COM", "COM0", "COM10", "console", "nul-1", ".nul", "a.b.c", "f~1", "\u{e9}", "lpt\u{b4}"]
        {
            assert_eq!(refusal(OsStr::new(good)), None, "{good:?}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_called_so() {
        assert!(fits(&Path::new(r"C:\dir").join("\u{e4}".repeat(255))).is_ok());
        let error = fits(&Path::new(r"C:\dir").join("a".repeat(256))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ERROR_FILENAME_EXCED_RANGE.cast_signed()));
    }

    #[test]
    fn a_path_keeps_its_first_spelling_for_as_long_as_somebody_uses_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| spelling(directory.path().join(name));
        let first = at("R\u{e9}sum\u{e9}.lock");
        assert!(Arc::ptr_eq(&first, &at("r\u{c9}SUM\u{c9}.LOCK")));
        assert_ne!(first, at("re\u{301}sume\u{301}.lock"), "only case is left out of account");
        let other = directory.path().join("R\u{c9}SUM\u{c9}.lock");
        drop(first);
        assert_eq!(*spelling(other.clone()), *other);
    }

    #[test]
    fn directories_that_differ_in_case_are_two() {
        let is_one = |one: &str, other: &str| fold(Path::new(one)) == fold(Path::new(other));
        assert!(is_one(r"C:\Dir\a.lock", r"c:\Dir\A.LOCK"));
        assert!(is_one(r"\\server\share\Dir\a", r"\\SERVER\Share\Dir\A"));
        assert!(is_one(r"C:\a", r"c:\A"));
        assert!(!is_one(r"C:\Dir\a", r"C:\dir\a"));
        assert!(!is_one(r"\\server\share\Dir\a", r"\\server\share\dir\a"));
    }

    #[test]
    fn letters_fold_as_on_disk_and_not_as_in_a_language() {
        assert_eq!(fold(Path::new("az\u{e4}")), "AZ\u{c4}".encode_utf16().collect::<Vec<_>>());
        assert_ne!(fold(Path::new("\u{131}")), fold(Path::new("i")), "a Turkish letter");
        assert_ne!(fold(Path::new("stra\u{df}e")), fold(Path::new("strasse")));
    }

    #[test]
    fn a_directory_has_one_real_path() {
        let directory = tempfile::tempdir().unwrap();
        let sub = directory.path().join("Sub Directory With A Long Name");
        std::fs::create_dir(&sub).unwrap();
        let real = real_path(&sub).unwrap();
        assert!(!real.to_string_lossy().contains('?'), "{real:?}");
        let shouted = PathBuf::from(sub.to_string_lossy().to_uppercase());
        assert_eq!(real_path(&shouted).unwrap(), real);
        assert_eq!(real_path(&Path::new(r"\\?\").join(&real)).unwrap(), real);
    }

    #[test]
    fn a_short_name_is_made_long_where_there_are_such() {
        let directory = tempfile::tempdir().unwrap();
        let name = OsStr::new("a name with many words.json");
        std::fs::write(directory.path().join(name), "").unwrap();
        if directory.path().join("ANAMEW~1.JSO").exists() {
            assert_eq!(full_name(directory.path(), OsStr::new("anamew~1.jso")), name);
        }
        assert_eq!(full_name(directory.path(), OsStr::new("none~1")), "none~1");
        assert_eq!(full_name(directory.path(), name), name);
    }
}
