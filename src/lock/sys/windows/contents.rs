//! The contents of a file, and its dates.

use std::fs::{File, FileTimes};
use std::io::{self, ErrorKind};
use std::os::windows::fs::FileExt as _;
use std::time::{Duration, SystemTime};

/// Reads up to `buffer.len()` bytes from the start of `file`, which was last seen to have `len`.
pub fn read_start(file: &File, buffer: &mut [u8], len: u64) -> io::Result<usize> {
    let mut filled = 0;
    // Once as much was read as the file is long, that was its end: there is no further call to find out.
    while filled < buffer.len() && (filled == 0 || (filled as u64) < len) {
        match file.seek_read(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all of `bytes` at `offset`. A record is one call: it fits in a page.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.seek_write(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // By itself the date may not move until the handle is closed, and a holder that seems not to
    // beat is superseded.
    touch(file)
}

/// Moves the modification time to now, for file systems too full for a write.
pub fn touch(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now())
}

/// Moves the access time to the next millisecond and nothing else: the mark by which a waiter shows itself.
///
/// Scanners and indexers read files, too, so a mark has a fraction of its own, by which `is_mark` knows it.
pub fn mark(file: &File) -> io::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let next = Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or_default() + 1);
    file.set_times(FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH + next + Duration::from_nanos(MARK * 100)))
}

/// The ticks of 100 ns that a mark has beyond its millisecond.
const MARK: u64 = 1234;

/// Whether an access time, in ticks of 100 ns, is a waiter's mark and not that of somebody who read the file.
pub(super) fn is_mark(ticks: i64) -> bool {
    ticks.unsigned_abs() % 10_000 == MARK
}
