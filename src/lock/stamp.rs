//! Moments of the wall clock.

use std::time::{Duration, SystemTime};

/// A moment of the wall clock: a [`SystemTime`] in half the memory, for each lease has some of them.
///
/// Nanoseconds since the epoch. What lies before the year 1678 or after 2262 becomes the earliest or the latest stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(i64);

impl From<SystemTime> for Stamp {
    fn from(time: SystemTime) -> Self {
        let nanoseconds = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => nanoseconds(since),
            Err(before) => -nanoseconds(before.duration()),
        })
    }
}

impl From<Stamp> for SystemTime {
    fn from(Stamp(nanoseconds): Stamp) -> Self {
        let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
        // The clocks of all platforms go further than that in both directions: even Windows' begins in 1601.
        let moved = if nanoseconds < 0 {
            Self::UNIX_EPOCH.checked_sub(distance)
        } else {
            Self::UNIX_EPOCH.checked_add(distance)
        };
        moved.unwrap_or(Self::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_stay_what_they_are_and_where_they_are() {
        let epoch = SystemTime::UNIX_EPOCH;
        let tick = Duration::from_nanos(100);
        let day = Duration::from_hours(24);
        let moments = [epoch - 365 * day, epoch - tick, epoch, epoch + tick, epoch + 20_000 * day + tick];
        for pair in moments.windows(2) {
            assert_eq!(SystemTime::from(Stamp::from(pair[0])), pair[0]);
            assert!(Stamp::from(pair[0]) < Stamp::from(pair[1]));
        }
        let far = epoch + 365 * 500 * day;
        assert!(Stamp::from(far) > Stamp::from(moments[4]));
        assert!(SystemTime::from(Stamp::from(far)) < far);
    }
}
