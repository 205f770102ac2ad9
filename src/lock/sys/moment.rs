//! Moments of a clock that is not std's: one that stands still while the machine sleeps, or one that is made up.

use std::ops::Add;
use std::time::Duration;

#[cfg(not(all(test, shuttle)))]
use super::passed;
#[cfg(all(test, shuttle))]
use crate::lock::sync::scheduled::passed;

/// A moment, as [`std::time::Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self(passed())
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
    fn moments_are_ordered_and_no_time_is_negative() {
        let now = Instant(Duration::from_hours(1));
        let later = now + Duration::from_secs(1);
        assert!(later > now);
        assert_eq!(later.duration_since(now), Duration::from_secs(1));
        assert_eq!(now.duration_since(later), Duration::ZERO);
        assert_eq!(now.checked_add(Duration::MAX), None);
        assert_eq!(now.checked_sub(Duration::MAX), None);
        assert_eq!(later.checked_sub(Duration::from_secs(1)), Some(now));
    }
}
