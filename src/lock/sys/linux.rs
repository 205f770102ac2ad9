//! Linux: unnamed files, inotify, /proc.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use super::{FsClass, Life};

/// Whether a file that was unlinked, or that another one was renamed over, at once shows no links through
/// its descriptor.
pub const LINKS_TELL: bool = true;

/// Whether this is the thread that the process began with, as far as the system tells.
#[must_use]
pub fn is_first_thread() -> bool {
    // SAFETY: this call has no arguments and touches no memory. (Older C libraries have no wrapper for it.)
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    u32::try_from(thread) == Ok(std::process::id())
}

/// Creates a file without a name in `directory` (mode 0600): it vanishes with its descriptor
/// unless `link_unnamed` gives it a name.
pub fn create_unnamed(directory: &Path) -> io::Result<File> {
    File::options().read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(directory)
}

#[expect(clippy::missing_panics_doc, reason = "a number holds no NUL")]
/// Gives an unnamed file the name `path`, failing with `AlreadyExists` where something has it.
pub fn link_unnamed(file: &File, path: &Path) -> io::Result<()> {
    // Before Linux 6.10 the direct form needs a capability, and fails with "not found" without it; then we
    // go the longer way through /proc.
    static DIRECTLY: AtomicBool = AtomicBool::new(true);
    if DIRECTLY.load(Ordering::Relaxed) {
        match rustix::fs::linkat(file, c"", CWD, path, AtFlags::EMPTY_PATH) {
            Err(Errno::NOENT | Errno::INVAL | Errno::PERM) => DIRECTLY.store(false, Ordering::Relaxed),
            linked => return Ok(linked?),
        }
    }
    let name = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("no NUL in a number");
    Ok(rustix::fs::linkat(CWD, name.as_c_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Gives the file named `temporary` the name `path` instead, never replacing anything.
#[expect(clippy::disallowed_methods, reason = "the seam is where names are changed")]
pub fn rename_noreplace(temporary: &Path, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE)?)
}

/// File systems that one kernel decides about and that answer without a network or a user-space
/// server, by their `statfs` magic. Everything else is treated as remote, which is merely slower.
const LOCAL: &[u64] = &[
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683E, // btrfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0xF2F5_2010, // f2fs
    0x2FC1_2FC1, // zfs
    0xCA45_1A4E, // bcachefs
    0x3153_464A, // jfs
    0x5265_4973, // reiserfs
    0xE0F5_E1E2, // erofs
    0x4D44,      // fat
    0x2011_BAB0, // exfat
];

/// Which class of file system `path` is on.
pub fn fs_class(path: &Path) -> io::Result<FsClass> {
    let facts = rustix::fs::statfs(path)?;
    // The field's type differs between architectures; a magic number is its low 32 bits.
    #[expect(clippy::cast_sign_loss, reason = "the mask keeps the 32 bits that count")]
    let magic = facts.f_type as u64 & 0xFFFF_FFFF;
    if LOCAL.contains(&magic) {
        Ok(FsClass::Local)
    } else {
        Ok(FsClass::Remote { device: std::fs::metadata(path)?.dev() })
    }
}

/// Whether a process lives, and its start time in clock ticks since boot (`/proc/<pid>/stat`, field 22).
#[must_use]
pub fn process_life(pid: u32) -> Life {
    let Some(raw) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return Life::Dead;
    };
    if let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) {
        // The command name may hold spaces and brackets, so fields are counted after the last one.
        let text = String::from_utf8_lossy(&stat);
        let mut fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        return match fields.next() {
            Some("Z" | "X" | "x") => Life::Dead,
            _ => Life::Alive { start: fields.nth(18).and_then(|ticks| ticks.parse().ok()) },
        };
    }
    // /proc may be hidden or absent; only the kernel's "no such process" is death.
    match rustix::process::test_kill_process(raw) {
        Err(rustix::io::Errno::SRCH) => Life::Dead,
        _ => Life::Alive { start: None },
    }
}

/// An identifier of this boot of the kernel, shared by all its containers.
#[must_use]
pub fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// The identifier of this process's pid namespace.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    std::fs::metadata("/proc/self/ns/pid").ok().map(|meta| meta.ino())
}

/// Whether waiters are woken by file events, or have to look again and again.
pub const EVENTS: bool = true;

/// Wakes one thread by file events or by hand.
///
/// Holds one inotify instance and one eventfd. Where inotify is exhausted (`max_user_instances`,
/// `max_user_watches`), watches fail and the waiting thread polls instead.
pub struct Watcher {
    bell: OwnedFd,
    events: Option<OwnedFd>,
}

/// One watched file.
pub type WatchId = i32;

impl Watcher {
    /// Opens a watcher.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            bell: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            events: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok(),
        })
    }

    /// Starts watching `file` for being closed by a writer, removed or renamed.
    /// `None` when the system has no watch to spare.
    #[must_use]
    pub fn watch(&self, file: &File) -> Option<WatchId> {
        self.add(file, WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF)
    }

    /// Starts watching a `file` of our own for being read, marked, removed or renamed by others.
    /// `None` when the system has no watch to spare.
    #[must_use]
    pub fn watch_own(&self, file: &File) -> Option<WatchId> {
        // A mark moves the access time only, which inotify reports as a read.
        self.add(file, WatchFlags::ACCESS | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF)
    }

    fn add(&self, file: &File, what: WatchFlags) -> Option<WatchId> {
        // By descriptor, so that exactly the file we looked at is watched, whatever the path names by now.
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        inotify::add_watch(self.events.as_ref()?, std::ffi::OsStr::new(&name).as_bytes(), what).ok()
    }

    /// Stops watching.
    pub fn unwatch(&self, watch: WatchId) {
        if let Some(events) = &self.events {
            // Fails when the kernel dropped the watch together with the file: that is what we want.
            let _ = inotify::remove_watch(events, watch);
        }
    }

    /// Wakes the thread inside `wait`.
    pub fn ring(&self) {
        // Fails only when the counter is full, and then the thread is about to wake anyway.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Waits until something happens, at most `timeout` (`None`: for ever), and calls `touched` for
    /// every watched file with an event.
    pub fn wait(&self, timeout: Option<Duration>, mut touched: impl FnMut(WatchId)) {
        let limit = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut ready = vec![PollFd::new(&self.bell, PollFlags::IN)];
        ready.extend(self.events.iter().map(|events| PollFd::new(events, PollFlags::IN)));
        // An interrupted poll is a wake-up like any other: the caller looks at its clock again.
        let _ = rustix::event::poll(&mut ready, limit.as_ref());
        let is_ready = |at: usize| ready.get(at).is_some_and(|descriptor| !descriptor.revents().is_empty());
        if is_ready(0) {
            let _ = rustix::io::read(&self.bell, &mut [0_u8; 8]);
        }
        if let Some(events) = self.events.as_ref().filter(|_| is_ready(1)) {
            let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
            let mut reader = inotify::Reader::new(events, &mut buffer);
            // What does not fit is read at the next wait.
            while let Ok(event) = reader.next() {
                touched(event.wd());
                if reader.is_buffer_empty() {
                    break;
                }
            }
        }
    }
}
