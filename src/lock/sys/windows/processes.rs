//! Whether a process lives, by the system's own calls.

use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetProcessId, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    WaitForSingleObject,
};

use super::super::Life;
use super::errors::code;
use super::facts::{UNIX_EPOCH, ticks};

/// Whether this is the thread that the process began with, as far as the system tells.
#[must_use]
pub fn is_first_thread() -> bool {
    false
}

/// Whether a process lives, and its start time in milliseconds since the epoch.
#[must_use]
pub fn process_life(pid: u32) -> Life {
    // SAFETY: the call takes numbers only.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE, 0, pid) };
    if handle.is_null() {
        return unreachable(&std::io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and nobody else has it.
    let process = unsafe { OwnedHandle::from_raw_handle(handle) };
    // A process can be opened for as long as somebody has a handle to it, whether it has ended or not. And
    // the last two bits of the pid are ignored.
    // SAFETY: the handle is open; a wait of no length only asks.
    let is_over = unsafe {
        let handle = process.as_raw_handle();
        GetProcessId(handle) != pid || WaitForSingleObject(handle, 0) == WAIT_OBJECT_0
    };
    if is_over { Life::Dead } else { Life::Alive { start: start_of(&process) } }
}

/// The life of a process that cannot be opened: only "no such process" is death.
pub(super) fn unreachable(error: &std::io::Error) -> Life {
    if code(error) == ERROR_INVALID_PARAMETER { Life::Dead } else { Life::Alive { start: None } }
}

fn start_of(process: &OwnedHandle) -> Option<u64> {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the handle is open, and each of the four is filled.
    let told = unsafe { GetProcessTimes(process.as_raw_handle(), created, exited, kernel, user) };
    let since = ticks(times[0]).checked_sub(UNIX_EPOCH.unsigned_abs())?;
    (told != 0).then_some(since / 10_000)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_NOT_ENOUGH_MEMORY};

    use super::super::errors::os_error;
    use super::*;

    #[test]
    fn the_start_of_this_process_is_a_date_in_milliseconds() {
        let life = process_life(std::process::id());
        let Life::Alive { start: Some(start) } = life else { panic!("{life:?}") };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(u128::from(start) <= now.as_millis(), "milliseconds since the epoch: {start}");
        assert!(u128::from(start) + 86_400_000 > now.as_millis());
    }

    #[test]
    fn an_ended_process_is_dead_while_its_parent_still_has_its_handle() {
        let program = std::env::current_exe().unwrap();
        let mut child =
            std::process::Command::new(program).arg("--list").stdout(std::process::Stdio::null()).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(process_life(pid), Life::Dead);
        drop(child);
    }

    #[test]
    fn a_process_that_never_was_is_dead_and_no_neighbour_is_taken_for_it() {
        assert_eq!(process_life(u32::MAX - 3), Life::Dead);
        assert_eq!(process_life(std::process::id() + 1), Life::Dead);
    }

    #[test]
    fn whoever_may_not_be_looked_at_is_alive() {
        assert_eq!(unreachable(&os_error(ERROR_ACCESS_DENIED)), Life::Alive { start: None });
        assert_eq!(unreachable(&os_error(ERROR_NOT_ENOUGH_MEMORY)), Life::Alive { start: None });
        assert_eq!(unreachable(&os_error(ERROR_INVALID_PARAMETER)), Life::Dead);
    }
}
