//! What sysinfo knows on every Unix.

use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::Life;

/// Whether a process lives, and its start time in seconds since the epoch.
#[must_use]
pub fn process_life(pid: u32) -> Life {
    let (asked, us) = (Pid::from_u32(pid), Pid::from_u32(std::process::id()));
    // Without an answer no process counts as dead.
    let Ok(mut system) = System::new() else { return Life::Alive { start: None } };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[asked, us]),
        false,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    match system.process(asked) {
        Some(process) if process.status() == ProcessStatus::Zombie => Life::Dead,
        Some(process) => Life::Alive { start: plausible(process.start_time()) },
        // A system that does not even tell us about ourselves tells nothing about others.
        None if system.process(us).is_some() && is_surely_gone(pid) => Life::Dead,
        None => Life::Alive { start: None },
    }
}

/// When sysinfo may not look, it reports zero or a value computed from zero.
fn plausible(start: u64) -> Option<u64> {
    (1..=u64::from(u32::MAX)).contains(&start).then_some(start)
}

/// Processes of other users can be hidden; only the kernel's "no such process" is death.
fn is_surely_gone(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return true };
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}
