//! Dates as JavaScript writes them.

use std::ops::Neg as _;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;
const NANOS_IN_MILLISECOND: u128 = 1_000_000;

/// The length of a date.
pub const ISO_LEN: usize = b"2026-11-23T03:47:32.365Z".len();

/// `time` as JavaScript's `toISOString` writes it. No clock shows a time outside the years 0 to 9999: that is written as
/// the epoch.
#[must_use]
pub fn iso(time: SystemTime) -> String {
    String::from_utf8_lossy(&iso_bytes(time)).into_owned()
}

/// The bytes of [`iso`], to be written into a record.
#[must_use]
pub fn iso_bytes(time: SystemTime) -> [u8; ISO_LEN] {
    let milliseconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()),
        Err(before) => i64::try_from(before.duration().as_nanos().div_ceil(NANOS_IN_MILLISECOND)).map(i64::neg),
    };
    let milliseconds = milliseconds.unwrap_or_default();
    let (time, milliseconds) = match OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1000)) {
        Ok(time) if time.year() >= 0 => (time, milliseconds.rem_euclid(1000)),
        _ => (OffsetDateTime::UNIX_EPOCH, 0),
    };
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text[0..4], time.year().unsigned_abs().into());
    put(&mut text[5..7], u8::from(time.month()).into());
    put(&mut text[8..10], time.day().into());
    put(&mut text[11..13], time.hour().into());
    put(&mut text[14..16], time.minute().into());
    put(&mut text[17..19], time.second().into());
    put(&mut text[20..23], milliseconds.unsigned_abs());
    text
}

/// Writes a number into all of `digits`. By `format!` the dates of a lock whose file is kept took half a microsecond.
pub fn put(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
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
        assert_eq!(iso(SystemTime::UNIX_EPOCH - Duration::from_micros(1)), "1969-12-31T23:59:59.999Z");
        assert_eq!(iso(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "1969-12-31T23:59:59.000Z");
        let year_10_000 = Duration::from_millis(253_402_300_799_999) + Duration::from_millis(1);
        assert_eq!(iso(SystemTime::UNIX_EPOCH + year_10_000), iso(SystemTime::UNIX_EPOCH));
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
