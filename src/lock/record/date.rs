//! Dates as JavaScript writes them.

use std::ops::Neg as _;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;

/// `time` as JavaScript's `toISOString` writes it, in 24 characters. No clock shows a time outside the years 0 to 9999:
/// that is written as the epoch.
#[must_use]
pub fn iso(time: SystemTime) -> String {
    let nanoseconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()),
        Err(before) => i128::try_from(before.duration().as_nanos()).map(i128::neg),
    };
    let time = nanoseconds.ok().and_then(|time| OffsetDateTime::from_unix_timestamp_nanos(time).ok());
    let time = time.filter(|time| time.year() >= 0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, millisecond) = time.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z", u8::from(month))
}

/// Reads an ISO 8601 date. JavaScript's dates reach further than ours in both directions: what lies beyond is clamped
/// to our earliest or latest date.
#[must_use]
pub fn parse_iso(text: &str) -> Option<SystemTime> {
    /// 1601, where the Windows clock begins. No lock is old enough for earlier dates to matter.
    const BEGINNING: i64 = -11_644_473_600;
    /// The last moment of the year 9999.
    const END: i64 = 253_402_300_799;
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos);
    let time = match text.strip_prefix(['+', '-']) {
        None => parse(text)?,
        Some(signed) => {
            let (year, rest) = signed.split_at_checked(6)?;
            // The parser cannot read such a year: a leap year in its place shows whether the rest is a date.
            let is_date = year.bytes().all(|byte| byte.is_ascii_digit()) && parse(&format!("2000{rest}")).is_some();
            if !is_date {
                return None;
            } else if text.starts_with('-') {
                i128::MIN
            } else if year > "009999" {
                i128::MAX
            } else {
                parse(&signed[2..])?
            }
        }
    };
    let time = time.clamp(i128::from(BEGINNING) * NANOS, i128::from(END) * NANOS);
    OffsetDateTime::from_unix_timestamp_nanos(time).ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn iso_dates_are_those_of_javascript() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_405_652_365);
        assert_eq!(iso(time), "2026-11-23T03:47:32.365Z");
        assert_eq!(parse_iso(&iso(time)), Some(time));
        assert_eq!(iso(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        for late in ["9999-12-31T23:59:59.999Z", "+010000-01-01T00:00:00.000Z", "+275760-09-13T00:00:00.000Z"] {
            assert!(parse_iso(late).is_some_and(|late| late > time), "{late}");
        }
        for early in ["1500-01-01T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "-000001-01-01T00:00:00Z"] {
            assert_eq!(parse_iso(early), parse_iso("1601-01-01T00:00:00.000Z"), "{early}");
        }
        assert_eq!(parse_iso("+002026-11-23T03:47:32.365Z"), Some(time));
        assert_eq!(parse_iso("2026-11-23T05:17:32.365+01:30"), Some(time));
        for nonsense in ["+2757600-09-13T00:00:00.000Z", "+0275760", "+x75760-09-13T", "9999-12-", "-000001-01-01"] {
            assert_eq!(parse_iso(nonsense), None, "{nonsense}");
        }
    }
}
