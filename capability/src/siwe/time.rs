//! RFC 3339 times, kept as they were written.

use core::fmt;

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// A `date-time` of RFC 3339, section 5.6, with its text verbatim.
///
/// `T` and `Z` are capitals, a fraction has one to nine digits, and there is no leap second:
/// other spellings of the same moment exist, and programs disagree on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    text: String,
    unix_ms: i64,
}

impl Timestamp {
    /// Reads a time. `None` if it is not written as above, or names no moment.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once('T')?;
        let [year, month, day] = fixed(date, '-', [4, 2, 2])?;
        let offset_at = rest.find(['Z', '+', '-'])?;
        let (clock, offset) = rest.split_at_checked(offset_at)?;
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (clock, None),
        };
        let [hour, minute, second] = fixed(clock, ':', [2, 2, 2])?;
        let nanosecond = fraction.map_or(Some(0), nanoseconds)?;
        let offset = match offset.split_at_checked(1)? {
            ("Z", "") => UtcOffset::UTC,
            (sign @ ("+" | "-"), digits) => {
                let [hours, minutes] = fixed(digits, ':', [2, 2])?;
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let seconds = i32::try_from((hours * 60 + minutes) * 60).ok()?;
                UtcOffset::from_whole_seconds(if sign == "-" { -seconds } else { seconds }).ok()?
            }
            _ => return None,
        };
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let date =
            Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?)
                .ok()?;
        let time = Time::from_hms_nano(
            u8::try_from(hour).ok()?,
            u8::try_from(minute).ok()?,
            u8::try_from(second).ok()?,
            nanosecond,
        )
        .ok()?;
        let moment = PrimitiveDateTime::new(date, time).assume_offset(offset);
        let unix_ms = i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        Some(Self {
            text: text.to_owned(),
            unix_ms,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Milliseconds since 1970; fractions of one are cut off.
    #[must_use]
    pub const fn unix_ms(&self) -> i64 {
        self.unix_ms
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads `N` numbers of fixed width with a separator between them.
fn fixed<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u32; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// One to nine digits after the point.
fn nanoseconds(fraction: &str) -> Option<u32> {
    let digits = fraction.len();
    if !(1..=9).contains(&digits) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = 10u32.checked_pow(u32::try_from(9 - digits).ok()?)?;
    fraction.parse::<u32>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_known() {
        for (text, unix_ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-01T00:00:00.000Z", 1_767_225_600_000),
            ("2026-01-01T02:00:00.5+02:00", 1_767_225_600_500),
            ("2025-12-31T19:00:00-05:00", 1_767_225_600_000),
            ("2024-02-29T12:00:00Z", 1_709_208_000_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
        ] {
            let time = Timestamp::parse(text).unwrap();
            assert_eq!(time.unix_ms(), unix_ms, "{text}");
            assert_eq!(time.as_str(), text);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01 00:00:00Z",
            "2026-01-01t00:00:00Z",
            "2026-01-01T00:00:00z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00Z",
            "2026-1-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T23:59:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.0000000000Z",
            "2026-01-01T00:00:00+0200",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00Z ",
            "2026-01-01T00:00:00ZZ",
            "+2026-01-01T00:00:00Z",
            "２026-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
