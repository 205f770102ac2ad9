//! The process, the machine and its file systems.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::windows::io::AsRawHandle as _;
use std::path::{Component, Path, PathBuf, Prefix};

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemTimeOfDayInformation};
use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::Storage::FileSystem::{GetDriveTypeW, GetVolumeInformationByHandleW};
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW};

use super::super::FsClass;
use super::handles::{done, wide};
use super::open::find;

/// Starts a named thread. There are no signals here to be kept from it.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // Boxed: the code that starts a thread is large, and compiled once this way.
    let body: Box<dyn FnOnce() + Send> = Box::new(body);
    std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(body).map(drop)
}

/// Runs `hook` when the process ends through `ExitProcess`, however Node got there.
///
/// The table belongs to this DLL and is run through while the DLL is detached: all other threads are gone
/// by then, and the locks they held stay locked, so `hook` must not wait for any.
pub fn at_exit(hook: extern "C" fn()) {
    unsafe extern "C" {
        fn atexit(hook: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: `hook` is a plain function that lives as long as this DLL, and so does the table.
    unsafe {
        atexit(hook);
    }
}

/// Which class of file system `path`, a real path, is on.
pub fn fs_class(path: &Path) -> io::Result<FsClass> {
    /// File systems that keep a file's id while it is renamed. Everything else is treated as
    /// remote, which is merely slower.
    const LOCAL: [&str; 2] = ["NTFS", "ReFS"];
    let root: PathBuf = path.components().take(2).collect();
    if !is_remote(&root)? && LOCAL.contains(&&*file_system(path)?) {
        return Ok(FsClass::Local);
    }
    // Not the volume's serial number, which would have to come over the network.
    let mut device = DefaultHasher::new();
    root.hash(&mut device);
    Ok(FsClass::Remote { device: device.finish() })
}

/// Whether another machine is behind `root`, found out without asking that machine.
fn is_remote(root: &Path) -> io::Result<bool> {
    const DRIVE_REMOTE: u32 = 4;
    if let Some(Component::Prefix(prefix)) = root.components().next()
        && let Prefix::UNC(..) | Prefix::VerbatimUNC(..) = prefix.kind()
    {
        return Ok(true);
    }
    let root = wide(root)?;
    // SAFETY: `root` is NUL-terminated.
    Ok(unsafe { GetDriveTypeW(root.as_ptr()) } == DRIVE_REMOTE)
}

/// The name of the file system at `path`: of the one mounted there, if that is not the drive's.
fn file_system(path: &Path) -> io::Result<String> {
    let directory = find(path)?;
    let mut name = [0; 32];
    // SAFETY: the handle is open, `name` has the size that is passed, and the call takes null for what it
    // need not return.
    done(unsafe {
        let (handle, nothing) = (directory.as_raw_handle(), std::ptr::null_mut());
        let name = name.as_mut_ptr();
        GetVolumeInformationByHandleW(handle, nothing, 0, nothing.cast(), nothing.cast(), nothing.cast(), name, 32)
    })?;
    Ok(String::from_utf16_lossy(&name).trim_end_matches('\0').to_owned())
}

/// An identifier of this boot of the kernel: its time, as first determined.
#[must_use]
pub fn boot_id() -> Option<String> {
    // SYSTEM_TIMEOFDAY_INFORMATION: the boot time comes first, in ticks of 100 ns, and moves with
    // every correction of the clock; the sum of these is the fifth number.
    let mut facts = [0_i64; 6];
    let size = u32::try_from(size_of_val(&facts)).ok()?;
    // SAFETY: `facts` has the size that is passed, and the call takes null where the filled length is not wanted.
    let status = unsafe {
        NtQuerySystemInformation(SystemTimeOfDayInformation, facts.as_mut_ptr().cast(), size, std::ptr::null_mut())
    };
    let booted = facts[0].wrapping_sub(facts[4]);
    (status >= 0 && booted != 0).then(|| format!("{booted:016x}"))
}

/// An identifier of this installation of the system.
#[must_use]
pub fn machine_id() -> Option<String> {
    let (key, value) = (utf16(r"SOFTWARE\Microsoft\Cryptography"), utf16("MachineGuid"));
    let mut text = [0_u16; 64];
    let mut size = u32::try_from(size_of_val(&text)).ok()?;
    // SAFETY: both names are NUL-terminated, `text` has the size that is passed in and then filled in, and
    // the call takes null where the type is not wanted.
    let answer = unsafe {
        let (flags, no_type) = (RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY, std::ptr::null_mut());
        let text = text.as_mut_ptr().cast();
        RegGetValueW(HKEY_LOCAL_MACHINE, key.as_ptr(), value.as_ptr(), flags, no_type, text, &raw mut size)
    };
    let end = text.iter().position(|&unit| unit == 0)?;
    (answer == ERROR_SUCCESS && end > 0).then(|| String::from_utf16_lossy(&text[..end]))
}

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// There are no pid namespaces here.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    None
}
