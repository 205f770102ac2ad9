//! Linux: how soon a thread runs once it was woken.

use std::io;

/// In nanoseconds; less is not to be had.
const SLICE: u64 = 100_000;

/// Asks the scheduler to let this thread run soon when it is woken, as one that never runs for long: its slice is the
/// shortest there is. Linux 6.12 and newer then let it go before a longer one on the same processor, such as whoever
/// woke it. Older ones do not care.
pub fn be_brief() {
    // Programs may be killed for asking where system calls are filtered, as by systemd's `~@resources`.
    // SAFETY: this call has no further arguments and touches no memory.
    let is_filtered = unsafe { libc::prctl(libc::PR_GET_SECCOMP) } > 0;
    if is_filtered {
        return;
    }
    // Should it fail, wake-ups take as long as they did.
    if let Ok(mut terms) = terms() {
        terms.sched_runtime = SLICE;
        // SAFETY: the kernel reads `terms`, which says how long it is. 0 is this thread. All but the slice is as it was,
        // niceness above all.
        let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const terms, 0) };
    }
}

/// How this thread is scheduled.
fn terms() -> io::Result<libc::sched_attr> {
    // SAFETY: plain numbers, of which zeros are valid.
    let mut terms: libc::sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to `terms`, and no more than it is told there is room for. 0 is this thread.
    match unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut terms, size_of_val(&terms), 0) } {
        0 => Ok(terms),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_thread_gets_a_short_slice_and_stays_as_nice_as_it_was() {
        std::thread::spawn(|| {
            // SAFETY: a number only; of this thread.
            unsafe { libc::nice(3) };
            let before = terms().unwrap();
            be_brief();
            let after = terms().unwrap();
            assert_eq!((after.sched_policy, after.sched_nice), (before.sched_policy, before.sched_nice));
            // SAFETY: as in `be_brief`.
            let is_filtered = unsafe { libc::prctl(libc::PR_GET_SECCOMP) } > 0;
            // Kernels whose slices are all the same tell none.
            let expected = if is_filtered || before.sched_runtime == 0 { before.sched_runtime } else { SLICE };
            assert_eq!(after.sched_runtime, expected);
        })
        .join()
        .unwrap();
    }
}
