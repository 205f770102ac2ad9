//! Moments of a clock that stands still while the machine sleeps, or of a simulated one.

use std::num::NonZeroU64;
use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(not(all(test, shuttle)))]
use super::passed;
#[cfg(all(test, shuttle))]
use crate::lock::sync::scheduled::passed;

/// A moment, like [`std::time::Instant`] in half the memory: each lease has several of them.
///
/// In nanoseconds: the clock would have to run for five centuries to exceed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self::after(passed()).unwrap_or(Self(NonZeroU64::MAX))
    }

    /// The moment when that much time had passed.
    fn after(passed: Duration) -> Option<Self> {
        let nanoseconds = u64::try_from(passed.as_nanos()).ok()?;
        Some(Self(NonZeroU64::new(nanoseconds).unwrap_or(NonZeroU64::MIN)))
    }

    /// The time since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// The time since `earlier`; zero if that was later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The same as `duration_since`.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// The moment `duration` later, unless it is too far away to be represented.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        Self::after(Duration::from_nanos(self.0.get()).checked_add(duration)?)
    }

    /// The moment `duration` earlier, unless that was before the clock began.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        Self::after(Duration::from_nanos(self.0.get()).checked_sub(duration)?)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// A moment too far away to be represented never comes.
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self(NonZeroU64::MAX))
    }
}

/// A moment, or none, for threads that synchronize by other means: it changes under a lock of theirs.
#[derive(Debug, Default)]
pub struct Appointment(AtomicU64);

impl Appointment {
    /// When it is.
    #[must_use]
    pub fn get(&self) -> Option<Instant> {
        NonZeroU64::new(self.0.load(Ordering::Relaxed)).map(Instant)
    }

    /// Changes it.
    pub fn set(&self, moment: Option<Instant>) {
        self.0.store(moment.map_or(0, |moment| moment.0.get()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ordered_and_no_time_is_negative() {
        let now = Instant::after(Duration::from_hours(1)).unwrap();
        let later = now + Duration::from_secs(1);
        assert!(later > now);
        assert_eq!(later.duration_since(now), Duration::from_secs(1));
        assert_eq!(now.duration_since(later), Duration::ZERO);
        assert_eq!(now.checked_add(Duration::MAX), None);
        assert_eq!(now.checked_sub(Duration::MAX), None);
        assert_eq!(now.checked_sub(Duration::from_hours(2)), None);
        assert!((now + Duration::MAX).duration_since(now) > Duration::from_hours(24 * 365 * 500));
        assert_eq!(later.checked_sub(Duration::from_secs(1)), Some(now));
    }
}
