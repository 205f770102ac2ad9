//! Whether a process lives, by XNU's own calls: sysinfo takes zombies for alive.

use std::ffi::c_int;
use std::io;

use rustix::process::{Pid, test_kill_process};

use super::Life;

/// Whether a process lives, and its start time in seconds since the epoch.
#[must_use]
pub fn process_life(pid: u32) -> Life {
    let Some(pid) = c_int::try_from(pid).ok().and_then(Pid::from_raw) else { return Life::Dead };
    match short_facts(pid) {
        Ok(facts) if facts.pbsi_status == libc::SZOMB => Life::Dead,
        Ok(_) => Life::Alive { start: start_of(pid) },
        // Only when the kernel says "no such process" to both questions is that death.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) && is_unknown(pid) => Life::Dead,
        Err(_) => Life::Alive { start: None },
    }
}

fn is_unknown(pid: Pid) -> bool {
    test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

/// What is told about everybody's processes.
fn short_facts(pid: Pid) -> io::Result<libc::proc_bsdshortinfo> {
    // SAFETY: the flavour fills this structure, which consists of integers.
    unsafe { ask(pid, libc::PROC_PIDT_SHORTBSDINFO) }
}

/// When a process started. Only told about processes of the same user.
fn start_of(pid: Pid) -> Option<u64> {
    // SAFETY: the flavour fills this structure, which consists of integers.
    let facts: libc::proc_bsdinfo = unsafe { ask(pid, libc::PROC_PIDTBSDINFO) }.ok()?;
    Some(facts.pbi_start_tvsec).filter(|start| *start > 0)
}

/// Asks for the facts `flavor` about a process, be it a zombie.
///
/// # Safety
///
/// `flavor` must be the one that fills a `T`, and any bytes, zeros included, must be a valid `T`.
unsafe fn ask<T>(pid: Pid, flavor: c_int) -> io::Result<T> {
    /// Without this, zombies count as missing.
    const ZOMBIES: u64 = 1;
    // SAFETY: the caller promises that zeros are a `T`.
    let mut facts: T = unsafe { std::mem::zeroed() };
    let size = c_int::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: `facts` has the size that is passed, and the caller promises that it is filled with a `T`.
    let filled =
        unsafe { libc::proc_pidinfo(pid.as_raw_nonzero().get(), flavor, ZOMBIES, (&raw mut facts).cast(), size) };
    if filled == size { Ok(facts) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_of_another_user_lives() {
        assert!(matches!(process_life(1), Life::Alive { .. }));
    }

    #[test]
    fn a_process_that_ended_is_dead_although_nobody_has_asked_how_it_ended() {
        let mut child = Command::new("true").spawn().unwrap();
        while process_life(child.id()) != Life::Dead {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_never_was_is_dead() {
        for pid in [0, u32::MAX - 1, 99_999_999] {
            assert_eq!(process_life(pid), Life::Dead);
        }
    }
}
