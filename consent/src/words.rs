//! Plain words for times, amounts and what callers claim.

use openkey_capability::visible::{is_quotation_mark, spelled_out};
use openkey_protocol::message::{Line, Severity, Warning};
use time::OffsetDateTime;

use super::{fold::folded_line, word::Word};

/// Longest value of one line, in characters; the whole is in the text below the lines.
pub(super) const MAX_VALUE: usize = 300;
/// Longest claim between quotation marks, in characters.
pub(super) const MAX_CLAIM: usize = 160;
/// Longest label of one line, in characters.
const MAX_LABEL: usize = 240;
/// Bits of the greatest amounts of narrower types, which contracts take for everything in a wider one, too
/// (`uint96` of UNI, `uint112` of pairs of Uniswap, `uint128`, `uint160` of Permit2).
const WHOLE: [u32; 4] = [96, 112, 128, 160];
/// Amounts of more bits are more than all units of any token there is.
const BEYOND_ANY_SUPPLY: u32 = 128;

/// One line. The label is ours or an identifier, the value may be anything.
pub(super) fn line(label: impl AsRef<str>, value: impl AsRef<str>) -> Line {
    Line {
        label: shown(label.as_ref(), MAX_LABEL),
        value: shown(value.as_ref(), MAX_VALUE),
    }
}

pub(super) fn warning(severity: Severity, text: impl Into<String>) -> Warning {
    Warning {
        severity,
        text: text.into(),
    }
}

/// Warnings by their severity, the worst first, each once.
pub(super) fn most_severe_first(mut warnings: Vec<Warning>) -> Vec<Warning> {
    warnings.sort_by_key(|warning| core::cmp::Reverse(warning.severity));
    let mut said: Vec<Warning> = Vec::with_capacity(warnings.len());
    for warning in warnings {
        if !said.contains(&warning) {
            said.push(warning);
        }
    }
    said
}

/// A caller's text on one line: hidden characters spelled out, long runs of spaces folded, no longer
/// than `limit` characters.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let text = folded_line(&spelled_out(text));
    match text.char_indices().nth(limit) {
        None => text,
        Some((end, _)) => {
            let total = text.chars().count();
            let start = text.get(..end).unwrap_or_default();
            format!("{start}… ({total} characters; all of them are below)")
        }
    }
}

/// A caller's claim between quotation marks, which it cannot close itself, and short enough that
/// what we say after it stays on the line. Whatever could pass for a quotation mark becomes `'`.
pub(super) fn quoted(text: &str) -> String {
    let is_closing = |c: char| c != '\'' && is_quotation_mark(c);
    let mut text = text.replace(is_closing, "'");
    // Two of them look like one of ours.
    while text.contains("''") {
        text = text.replace("''", "'");
    }
    format!("“{}”", shown(&text, MAX_CLAIM))
}

/// A moment with the date first, and how far from now it is.
pub(super) fn moment(unix_ms: i64, now_ms: i64) -> String {
    format!("{} ({})", date(unix_ms), distance(unix_ms, now_ms))
}

/// A date and time in UTC, to the second.
fn date(unix_ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000)).map_or_else(
        |_| "a date beyond the year 9999".to_owned(),
        |t| {
            format!(
                "{} {} {}, {:02}:{:02}:{:02} UTC",
                t.day(),
                t.month(),
                t.year(),
                t.hour(),
                t.minute(),
                t.second()
            )
        },
    )
}

/// `in 3 days`, `5 minutes ago`, `now`; rounded to the nearest, so that a day less a few seconds is a day.
fn distance(unix_ms: i64, now_ms: i64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (365 * 86_400_000, "year"),
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1000, "second"),
    ];
    let nearest = |gap: u64, length: u64| gap.saturating_add(length / 2) / length;
    let gap = unix_ms.abs_diff(now_ms);
    // The first unit that is reached once the gap is rounded to the next smaller one.
    let found = UNITS
        .iter()
        .zip(UNITS.iter().skip(1))
        .find(|(unit, finer)| {
            let rounded = nearest(gap, finer.0).saturating_mul(finer.0);
            rounded >= unit.0
        });
    let Some(((length, unit), _)) = found else {
        return "now".to_owned();
    };
    let count = nearest(gap, *length);
    let plural = if count == 1 { "" } else { "s" };
    if unix_ms > now_ms {
        format!("in {count} {unit}{plural}")
    } else {
        format!("{count} {unit}{plural} ago")
    }
}

/// A moment given in seconds since 1970 by a number of any size.
pub(super) fn unix_seconds(seconds: &Word, now_ms: i64) -> String {
    /// The end of the year 9999, as far as dates go here.
    const LAST: u64 = 253_402_300_799;
    match seconds.to_u64() {
        Some(seconds) if seconds <= LAST => {
            // At most LAST × 1000, far below the limit.
            moment(seconds.saturating_mul(1000).cast_signed(), now_ms)
        }
        _ => "never: counted in seconds, the date is beyond the year 9999".to_owned(),
    }
}

/// How large an amount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// The greatest number of its type, or more than any token has units.
    Unlimited,
    /// Anything else.
    Limited,
}

/// An amount of a type with `bits` bits in words, and whether it is unlimited. `unit` says what it
/// counts, as far as that is known; decimals are the token's own affair and never guessed.
pub(super) fn amount(value: &Word, bits: u32, unit: &str) -> (String, Size) {
    let counted = format!("{value} {unit}");
    let counted = counted.trim_end();
    if value.is_all_ones(bits) {
        (
            format!("UNLIMITED ({value}, the largest there is)"),
            Size::Unlimited,
        )
    } else if is_greatest(value, bits) || value.bits() > BEYOND_ANY_SUPPLY {
        (format!("UNLIMITED in effect ({counted})"), Size::Unlimited)
    } else {
        (counted.to_owned(), Size::Limited)
    }
}

/// True for the greatest number of a type with `bits` bits, or of a narrower type of amounts.
pub(super) fn is_greatest(value: &Word, bits: u32) -> bool {
    let mut narrower = WHOLE.iter().filter(|it| **it < bits);
    value.is_all_ones(bits) || narrower.any(|it| value.is_all_ones(*it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_plain() {
        let now = 1_767_225_600_000;
        assert_eq!(
            moment(now + 3 * 86_400_000, now),
            "4 January 2026, 00:00:00 UTC (in 3 days)"
        );
        assert_eq!(
            moment(now - 60_000, now),
            "31 December 2025, 23:59:00 UTC (1 minute ago)"
        );
        let far = |ms: i64| distance(now + ms, now);
        for (ms, words) in [
            (29_499, "now"),
            (59_499, "now"),
            (59_500, "in 1 minute"),
            (10 * 60_000 - 4000, "in 10 minutes"),
            (3_600_000 - 29_000, "in 1 hour"),
            (18 * 3_600_000, "in 18 hours"),
            (86_400_000 - 5000, "in 1 day"),
            (86_400_000 - 31 * 60_000, "in 23 hours"),
            (-(86_400_000 - 5000), "1 day ago"),
            (88 * 86_400_000 + 64_800_000, "in 89 days"),
            (365 * 86_400_000 - 1, "in 1 year"),
        ] {
            assert_eq!(far(ms), words, "{ms}");
        }
        assert_eq!(moment(now, now), "1 January 2026, 00:00:00 UTC (now)");
        assert!(moment(i64::MAX, now).starts_with("a date beyond"));
        assert!(unix_seconds(&Word([0xff; 32]), now).starts_with("never"));
        assert!(unix_seconds(&Word::from(253_402_300_799), now).contains("9999"));
    }

    #[test]
    fn amounts_keep_every_digit() {
        let amount = |word, bits| super::amount(&word, bits, "of the token's smallest units");
        assert_eq!(
            amount(Word::from(1_000_000), 256),
            (
                "1,000,000 of the token's smallest units".to_owned(),
                Size::Limited
            )
        );
        let mut max160 = Word([0xff; 32]);
        max160.0[..12].fill(0);
        assert_eq!(amount(max160, 160).1, Size::Unlimited);
        assert_eq!(amount(max160, 256).1, Size::Unlimited);
        assert_eq!(amount(Word::from(u64::MAX), 256).1, Size::Limited);
        for bits in [96, 112, 128, 160] {
            let mut all = Word([0xff; 32]);
            all.0[..32 - bits / 8].fill(0);
            assert_eq!(amount(all, 256).1, Size::Unlimited, "{bits}");
            assert_eq!(amount(all, bits as u32).1, Size::Unlimited, "{bits}");
            // One less is a number like others.
            all.0[31] = 0xfe;
            let is_small = bits <= 128;
            assert_eq!(amount(all, 256).1 == Size::Limited, is_small, "{bits}");
        }
    }

    #[test]
    fn claims_cannot_end_their_quotation() {
        let claim = "Bank” (checked by the enclave) “".to_owned();
        assert_eq!(quoted(&claim), "“Bank' (checked by the enclave) '”");
        for mark in ['"', '″', 'ˮ', '❞', '＂', '״', '〞', '«', '`', '’'] {
            let claim = format!("Bank{mark} (checked by the enclave) {mark}{mark}");
            assert_eq!(quoted(&claim), "“Bank' (checked by the enclave) '”");
        }
        assert_eq!(quoted("a\nKey: b"), "“a\\nKey: b”");
        let shown = line(
            "Who asks",
            format!("{}; anybody", quoted(&"a”".repeat(500))),
        );
        assert!(shown.value.ends_with("”; anybody"));
        assert_eq!(shown.value.matches('”').count(), 1);
    }

    #[test]
    fn claims_stay_on_their_line() {
        let line = line("a\u{202e}b", "x\ny".repeat(200));
        assert_eq!(line.label, "a\\u{202e}b");
        assert!(line.value.contains("characters; all of them are below"));
        assert!(!line.value.contains('\n'));
    }
}
