//! The Unix systems that are not Linux: macOS and the BSDs.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::FsClass;

/// Whether a file that was unlinked, or that another one was renamed over, at once shows no links through
/// its descriptor.
pub const LINKS_TELL: bool = false;

/// Whether this is the thread that the process began with, as far as the system tells.
#[must_use]
pub fn is_first_thread() -> bool {
    // SAFETY: this call has no arguments and touches no memory of ours.
    #[cfg(target_vendor = "apple")]
    return unsafe { libc::pthread_main_np() } == 1;
    #[cfg(not(target_vendor = "apple"))]
    false
}

/// There are no unnamed files here: drafts get a private name.
pub fn create_unnamed(_directory: &Path) -> io::Result<File> {
    Err(unsupported())
}

/// There are no unnamed files here.
pub fn link_unnamed(_file: &File, _path: &Path) -> io::Result<()> {
    Err(unsupported())
}

/// Gives the file named `temporary` the name `path` instead, never replacing anything.
#[cfg(target_vendor = "apple")]
#[expect(clippy::disallowed_methods, reason = "the seam is where names are changed")]
pub fn rename_noreplace(temporary: &Path, path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags};
    Ok(rustix::fs::renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE)?)
}

/// Names can only be changed with replacement here: drafts are linked to the public name.
#[cfg(not(target_vendor = "apple"))]
pub fn rename_noreplace(_temporary: &Path, _path: &Path) -> io::Result<()> {
    Err(unsupported())
}

/// Flushes `file` to the disk. Not every file system can empty the cache of its drive, which std asks for, and they say
/// so in many ways. So, as in Node, whatever the error, the next best request is made; that of the last one counts.
#[cfg(target_vendor = "apple")]
pub fn sync(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    'requests: for request in [libc::F_FULLFSYNC, libc::F_BARRIERFSYNC] {
        // SAFETY: the descriptor is open for as long as `file` is borrowed; neither request has an argument.
        while unsafe { libc::fcntl(file.as_raw_fd(), request) } != 0 {
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                continue 'requests;
            }
        }
        return Ok(());
    }
    Ok(rustix::io::retry_on_intr(|| rustix::fs::fsync(file))?)
}

fn unsupported() -> io::Error {
    io::Error::from_raw_os_error(libc::EOPNOTSUPP)
}

/// Which class of file system `path` is on.
pub fn fs_class(path: &Path) -> io::Result<FsClass> {
    if is_local(path)? { Ok(FsClass::Local) } else { Ok(FsClass::Remote { device: std::fs::metadata(path)?.dev() }) }
}

/// Whether one kernel alone decides about the file system of `path`.
#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly", target_os = "openbsd"))]
fn is_local(path: &Path) -> io::Result<bool> {
    let facts = rustix::fs::statfs(path)?;
    // The types of the field and of the constant differ between systems; both are bit sets.
    #[expect(clippy::allow_attributes, reason = "which of these casts is needless depends on the system")]
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, clippy::cast_lossless, reason = "see above")]
    let is_local = facts.f_flags as u64 & libc::MNT_LOCAL as u64 != 0;
    // "macfuse", "fusefs" and the like call themselves local when told so; the host behind
    // "AppleVirtIOFS" has a kernel of its own.
    let name = facts.f_fstypename.map(|byte| byte.cast_unsigned().to_ascii_lowercase());
    let is_called = |part: &[u8]| name.windows(part.len()).any(|there| there == part);
    Ok(is_local && !is_called(b"fuse") && !is_called(b"virtio"))
}

/// Unknown systems are treated as remote, which is merely slower.
#[cfg(not(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly", target_os = "openbsd")))]
fn is_local(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// An identifier of this boot of the kernel.
#[cfg(target_vendor = "apple")]
#[must_use]
pub fn boot_id() -> Option<String> {
    // A UUID in text and a NUL.
    let mut text = [0_u8; 64];
    let mut len = text.len();
    // SAFETY: the name is NUL-terminated, `text` has the size in `len`, which the call replaces by
    // how much of it was filled, and a null new value changes nothing.
    let answer = unsafe {
        let name = c"kern.bootsessionuuid".as_ptr();
        libc::sysctlbyname(name, text.as_mut_ptr().cast(), &raw mut len, std::ptr::null_mut(), 0)
    };
    if answer != 0 {
        return None;
    }
    let id = std::ffi::CStr::from_bytes_until_nul(&text).ok()?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// An identifier of this boot of the kernel: none is known here.
#[cfg(not(target_vendor = "apple"))]
#[must_use]
pub fn boot_id() -> Option<String> {
    None
}

/// There are no pid namespaces here.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    None
}
