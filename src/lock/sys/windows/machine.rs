//! The process, the machine and its file systems.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemTimeOfDayInformation};
use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, MAX_PATH};
use windows_sys::Win32::Storage::FileSystem::{GetDriveTypeW, GetVolumeInformationW, GetVolumePathNameW};

use super::super::FsClass;
use super::errors::os_error;
use super::handles::{done, wide};

/// Starts a named thread. There are no signals here to be kept from it.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<std::thread::JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(body)
}

/// Runs `hook` when the process ends through `ExitProcess`, however Node got there.
///
/// The table belongs to this DLL and is worked off while it is detached: all other threads are gone
/// by then, with whatever locks they held, so `hook` must not wait for any.
pub fn at_exit(hook: extern "C" fn()) {
    unsafe extern "C" {
        fn atexit(hook: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: `hook` is a plain function that lives as long as this DLL, and so does the table.
    unsafe {
        atexit(hook);
    }
}

/// Which class of file system `path` is on.
pub fn fs_class(path: &Path) -> io::Result<FsClass> {
    /// File systems that keep a file's id while it is renamed. Everything else is treated as
    /// remote, which is merely slower.
    const LOCAL: [&str; 2] = ["NTFS", "ReFS"];
    const DRIVE_REMOTE: u32 = 4;
    let path = wide(path)?;
    let mut root = vec![0; path.len() + MAX_PATH as usize];
    let size = u32::try_from(root.len()).map_err(|_| os_error(ERROR_INVALID_PARAMETER))?;
    // SAFETY: `path` is NUL-terminated, and `root` has the size that is passed.
    done(unsafe { GetVolumePathNameW(path.as_ptr(), root.as_mut_ptr(), size) })?;
    root.truncate(root.iter().position(|&unit| unit == 0).map_or(root.len(), |end| end + 1));
    let mut name = [0; 32];
    // SAFETY: `root` is NUL-terminated, `name` has the size that is passed, and the call takes null
    // for what it need not tell.
    let is_local = unsafe {
        let nothing = std::ptr::null_mut();
        GetDriveTypeW(root.as_ptr()) != DRIVE_REMOTE
            && GetVolumeInformationW(
                root.as_ptr(),
                nothing,
                0,
                nothing.cast(),
                nothing.cast(),
                nothing.cast(),
                name.as_mut_ptr(),
                32,
            ) != 0
    } && LOCAL.contains(&String::from_utf16_lossy(&name).trim_end_matches('\0'));
    if is_local {
        return Ok(FsClass::Local);
    }
    // Its serial number would have to come over the network.
    let mut device = DefaultHasher::new();
    root.hash(&mut device);
    Ok(FsClass::Remote { device: device.finish() })
}

/// An identifier of this boot of the kernel: when it was, as first determined.
#[must_use]
pub fn boot_id() -> Option<String> {
    // SYSTEM_TIMEOFDAY_INFORMATION: the boot time comes first, in ticks of 100 ns, and moves with
    // every correction of the clock; the sum of these is the fifth number.
    let mut facts = [0_i64; 6];
    let size = u32::try_from(size_of_val(&facts)).ok()?;
    // SAFETY: `facts` has the size that is passed, and null is no wish to know how much was filled.
    let status = unsafe {
        NtQuerySystemInformation(SystemTimeOfDayInformation, facts.as_mut_ptr().cast(), size, std::ptr::null_mut())
    };
    let booted = facts[0].wrapping_sub(facts[4]);
    (status >= 0 && booted != 0).then(|| format!("{booted:016x}"))
}

/// There are no pid namespaces here.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    None
}
