//! A clock that stands still while the machine sleeps, as the monotonic clocks of other systems do.
//!
//! The one that std takes runs on during sleep: a lock would be taken from its holder, or a waiter give up,
//! just because the lid was shut for a while.

use std::ops::Add;
use std::time::Duration;

use windows_sys::Win32::System::WindowsProgramming::QueryUnbiasedInterruptTimePrecise;

/// A moment, as [`std::time::Instant`] on a clock that leaves out the time that the machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        let mut ticks = 0;
        // SAFETY: the call fills the number that it is given, and nothing else.
        unsafe { QueryUnbiasedInterruptTimePrecise(&raw mut ticks) };
        Self(Duration::from_nanos_u128(u128::from(ticks) * 100))
    }

    /// The time since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// The time from `earlier` on; zero when that was later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// As `duration_since`.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// The moment after `duration`, unless it is too far away to be named.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// The moment `duration` before, unless that was before there was a clock.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_as_fast_as_any_clock() {
        let (ours, theirs) = (Instant::now(), std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(50));
        let (fast, slow) = (ours.elapsed(), theirs.elapsed());
        assert!(fast + Duration::from_millis(1) >= Duration::from_millis(50), "{fast:?}");
        assert!(slow + Duration::from_secs(1) > fast && fast + Duration::from_secs(1) > slow, "{fast:?} {slow:?}");
    }

    #[test]
    fn moments_are_ordered_and_no_time_is_negative() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        assert!(later > now);
        assert_eq!(later.duration_since(now), Duration::from_secs(1));
        assert_eq!(now.duration_since(later), Duration::ZERO);
        assert_eq!(now.checked_add(Duration::MAX), None);
        assert_eq!(now.checked_sub(Duration::MAX), None);
        assert_eq!(later.checked_sub(Duration::from_secs(1)), Some(now));
    }
}
