//! Who we are: process, boot, machine. They are compared before a pid is believed (invariant 10 in ARCHITECTURE.md).

use std::sync::{Arc, OnceLock};

use super::record::NativeRecord;
use super::sys::{self, Life};

/// The identity of a process, as its records carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The process id, meaningful inside `pid_namespace` only.
    pub pid: u32,
    /// When the process started (see [`Life::Alive`]).
    pub start: Option<u64>,
    /// The host name.
    pub host: Arc<str>,
    /// The machine id, where the system has one: host names alone are not unique.
    pub machine_id: Option<Arc<str>>,
    /// This boot of the kernel.
    pub boot_id: Option<Arc<str>>,
    /// The pid namespace.
    pub pid_namespace: Option<u64>,
}

impl Identity {
    /// The identity of this process, determined once.
    #[must_use]
    pub fn of_this_process() -> &'static Self {
        static US: OnceLock<Identity> = OnceLock::new();
        US.get_or_init(|| {
            let pid = std::process::id();
            let start = match sys::process_life(pid) {
                Life::Alive { start } => start,
                Life::Dead => None,
            };
            Self {
                pid,
                start,
                host: sysinfo::System::host_name().map_or_else(|_| "unknown".into(), Into::into),
                machine_id: sys::machine_id().map(Into::into),
                boot_id: sys::boot_id().map(Into::into),
                pid_namespace: sys::pid_namespace(),
            }
        })
    }

    /// Where the owner of `record` lives, seen from here.
    #[must_use]
    pub fn distance(&self, record: &NativeRecord) -> Distance {
        let theirs = &record.leasehold;
        if self.boot_id.is_some() && self.boot_id == theirs.boot_id {
            if self.pid_namespace == theirs.pid_namespace { Distance::SameNamespace } else { Distance::SameKernel }
        } else if self.boot_id.is_some()
            && theirs.boot_id.is_some()
            && self.machine_id.is_some()
            && self.machine_id == theirs.machine_id
            && self.host == theirs.host
        {
            Distance::EarlierBoot
        } else {
            Distance::OtherHost
        }
    }
}

/// How far away another process lives: what a pid and a free operating-system lock prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Our kernel and pid namespace: its pid can be probed.
    SameNamespace,
    /// Our kernel, another pid namespace: the operating-system lock tells, its pid does not.
    SameKernel,
    /// Our machine before it was rebooted: whoever it was is gone.
    EarlierBoot,
    /// Somewhere else: only a lease that does not move proves anything.
    OtherHost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_knows_itself() {
        let us = Identity::of_this_process();
        assert_eq!(us.pid, std::process::id());
        assert!(us.start.is_some(), "a start time guards against recycled pids");
        assert!(us.boot_id.is_some());
    }
}
