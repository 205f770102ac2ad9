//! A clock that stands still while the machine sleeps, as the monotonic clocks of other systems do.
//!
//! The clock that std uses keeps running during sleep: a holder would lose its lock, or a waiter give up, just
//! because the lid was shut for a while.

use std::time::Duration;

use windows_sys::Win32::System::WindowsProgramming::QueryUnbiasedInterruptTimePrecise;

/// The time that has passed since the machine was started, without its time asleep.
pub fn passed() -> Duration {
    let mut ticks = 0;
    // SAFETY: the call fills the number that it is given, and nothing else.
    unsafe { QueryUnbiasedInterruptTimePrecise(&raw mut ticks) };
    Duration::from_nanos_u128(u128::from(ticks) * 100)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::lock::sys::Instant;

    #[test]
    fn it_goes_as_fast_as_any_clock() {
        let (ours, theirs) = (Instant::now(), std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(50));
        let (fast, slow) = (ours.elapsed(), theirs.elapsed());
        assert!(fast + Duration::from_millis(1) >= Duration::from_millis(50), "{fast:?}");
        assert!(slow + Duration::from_secs(1) > fast && fast + Duration::from_secs(1) > slow, "{fast:?} {slow:?}");
    }
}
