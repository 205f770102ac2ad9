//! Linux: how soon a thread runs after it was woken, and before which others.

/// In nanoseconds; the kernel grants no less.
const SHORTEST: u64 = 100_000;

/// How long this thread may run before others on its processor get their turn: Linux 6.12 and newer let a thread that
/// asks for little run before the one that woke it. Older kernels ignore the request.
pub struct Slice {
    /// How the thread was scheduled before anything was asked for; `None` where asking is not allowed.
    before: Option<libc::sched_attr>,
    is_short: bool,
}

impl Slice {
    /// The slice of this thread, which has asked for none yet.
    #[must_use]
    pub fn of_this_thread() -> Self {
        Self { before: terms(), is_short: false }
    }

    /// Asks for the shortest slice there is, or for the one from before. If that is refused, wake-ups merely take as
    /// long as they did.
    pub fn set_short(&mut self, is_short: bool) {
        if self.is_short != is_short
            && let Some(before) = self.before
        {
            self.is_short = is_short;
            let sched_runtime = if is_short { SHORTEST } else { before.sched_runtime };
            ask_for(&libc::sched_attr { sched_runtime, ..before });
        }
    }
}

/// From now on this thread runs when a processor has little else to do, and rarely interrupts the thread that woke it.
pub fn give_way() {
    /// Half way to the nicest value.
    const NICER: i32 = 10;
    if let Some(before) = terms() {
        ask_for(&libc::sched_attr { sched_nice: before.sched_nice.saturating_add(NICER).min(19), ..before });
    }
}

/// How this thread is scheduled; `None` where asking is not allowed.
fn terms() -> Option<libc::sched_attr> {
    // Where system calls are filtered, as by systemd's `~@resources`, asking may get the program killed.
    // SAFETY: this call has no further arguments and touches no memory.
    if unsafe { libc::prctl(libc::PR_GET_SECCOMP) } > 0 {
        return None;
    }
    // SAFETY: plain numbers, of which zeros are valid.
    let mut terms: libc::sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to `terms`, and no more than the size it is given. 0 is this thread.
    let failed = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut terms, size_of_val(&terms), 0) };
    (failed == 0).then_some(terms)
}

/// Sets how this thread is scheduled. If that is refused, it is scheduled as before.
fn ask_for(terms: &libc::sched_attr) {
    // SAFETY: the kernel reads `terms`, which says how long it is. 0 is this thread. (Everything that is not meant to
    // change has its old value in it, niceness above all.)
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *terms, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_slice_leaves_a_thread_as_nice_as_it_was_and_is_given_back() {
        std::thread::spawn(|| {
            // SAFETY: the call takes a number only, and concerns this thread.
            unsafe { libc::nice(3) };
            let Some(before) = terms() else { return };
            let mut slice = Slice::of_this_thread();
            slice.set_short(true);
            let short = terms().unwrap();
            assert_eq!((short.sched_policy, short.sched_nice), (before.sched_policy, before.sched_nice));
            // Kernels with slices of one length report none, and filters may forbid asking.
            let has_choice = slice.before.is_some() && before.sched_runtime > 0;
            assert_eq!(short.sched_runtime, if has_choice { SHORTEST } else { before.sched_runtime });
            slice.set_short(false);
            assert_eq!(terms().unwrap().sched_runtime, before.sched_runtime);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_that_gives_way_is_nicer_than_before_and_no_other_is() {
        let nice = || terms().map(|terms| terms.sched_nice);
        let ours = nice();
        std::thread::spawn(move || {
            let Some(before) = nice() else { return };
            give_way();
            assert_eq!(nice(), Some((before + 10).min(19)));
        })
        .join()
        .unwrap();
        assert_eq!(nice(), ours);
    }
}
