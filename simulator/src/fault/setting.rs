//! How strong a fault is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Fault;

/// Longest delay: everything that waits has given up by then.
const MAX_DELAY: Duration = Duration::from_secs(600);
/// Largest clock offset, in milliseconds: a year.
const MAX_OFFSET_MS: i64 = 366 * 24 * 3_600_000;
/// Chances are kept in millionths, so that a setting is exact and comparable.
const ALWAYS: u32 = 1_000_000;

/// How strong a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// How often it strikes, in millionths: `0.25`, `25%`, `always`.
    Chance(u32),
    /// For how long, and how often: `250ms`, `2s@0.1`.
    Delay {
        /// How long.
        delay: Duration,
        /// How often, in millionths.
        chance: u32,
    },
    /// By how many milliseconds: `+2h`, `-90s`, `+500ms`.
    Offset(i64),
    /// `on`.
    On,
}

/// Why a text sets no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFaultError {
    /// No such fault.
    #[error("there is no fault {0:?} (there are: {names})", names = names())]
    Unknown(String),
    /// Not `NAME=VALUE`.
    #[error("{0:?} is not NAME=VALUE")]
    Form(String),
    /// Not a value of any kind.
    #[error(
        "{0:?} is neither a chance (0.25, 25%, always), a delay (250ms, 2s@0.1), an offset (+2h, -90s) nor `on`"
    )]
    Value(String),
    /// A value of another kind than this fault takes.
    #[error("{fault} takes {wants}")]
    Kind {
        /// Which fault.
        fault: Fault,
        /// What it takes.
        wants: &'static str,
    },
}

fn names() -> String {
    Fault::ALL.map(Fault::name).join(", ")
}

impl Setting {
    /// Always.
    pub const ALWAYS: Self = Self::Chance(ALWAYS);

    /// Once in `n` opportunities, on average.
    #[must_use]
    pub fn once_in(n: u32) -> Self {
        Self::Chance(ALWAYS / n.max(1))
    }

    /// A delay at every opportunity.
    #[must_use]
    pub const fn delay(delay: Duration) -> Self {
        Self::Delay {
            delay,
            chance: ALWAYS,
        }
    }

    /// In millionths.
    pub(super) const fn chance(self) -> u32 {
        match self {
            Self::Chance(chance) | Self::Delay { chance, .. } => chance,
            Self::Offset(_) | Self::On => ALWAYS,
        }
    }

    pub(super) fn fits(self, fault: Fault) -> Result<(), ParseFaultError> {
        let (fits, wants) = match fault {
            Fault::NsmSlow | Fault::FrameSlow => (
                matches!(self, Self::Delay { .. }),
                "a delay, such as 250ms or 2s@0.1",
            ),
            Fault::ClockOffset => (
                matches!(self, Self::Offset(_)),
                "an offset, such as +2h or -90s",
            ),
            Fault::NsmDebug => (matches!(self, Self::On), "the value `on`"),
            _ => (
                matches!(self, Self::Chance(_)),
                "a chance, such as 0.25, 25% or always",
            ),
        };
        if fits {
            Ok(())
        } else {
            Err(ParseFaultError::Kind { fault, wants })
        }
    }
}

impl FromStr for Setting {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        parse(text).ok_or_else(|| ParseFaultError::Value(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Setting> {
    if text == "on" {
        return Some(Setting::On);
    }
    if let Some(chance) = parse_chance(text) {
        return Some(Setting::Chance(chance));
    }
    if let Some(rest) = text.strip_prefix('+') {
        return Some(Setting::Offset(parse_ms(rest)?));
    }
    if let Some(rest) = text.strip_prefix('-') {
        return Some(Setting::Offset(-parse_ms(rest)?));
    }
    let (delay, chance) = match text.split_once('@') {
        Some((delay, chance)) => (delay, parse_chance(chance)?),
        None => (text, ALWAYS),
    };
    let delay = Duration::from_millis(parse_ms(delay)?.try_into().ok()?);
    (delay <= MAX_DELAY).then_some(Setting::Delay { delay, chance })
}

fn parse_chance(text: &str) -> Option<u32> {
    if text == "always" {
        return Some(ALWAYS);
    }
    let (digits, whole) = match text.strip_suffix('%') {
        Some(digits) => (digits, 100.0),
        None => (text, 1.0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let share: f64 = digits.parse::<f64>().ok()? / whole;
    // In [0, 1], so the product is in [0, 1000000].
    (0.0..=1.0)
        .contains(&share)
        .then(|| (share * f64::from(ALWAYS)).round() as u32)
}

fn parse_ms(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits
        .parse::<i64>()
        .ok()?
        .checked_mul(unit)
        .filter(|ms| *ms <= MAX_OFFSET_MS)
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |chance: u32| f64::from(chance) / f64::from(ALWAYS);
        match *self {
            Self::Chance(ALWAYS) => f.write_str("always"),
            Self::Chance(chance) => write!(f, "{}", share(chance)),
            Self::Delay {
                delay,
                chance: ALWAYS,
            } => write!(f, "{}ms", delay.as_millis()),
            Self::Delay { delay, chance } => {
                write!(f, "{}ms@{}", delay.as_millis(), share(chance))
            }
            Self::Offset(ms) => write!(f, "{ms:+}ms"),
            Self::On => f.write_str("on"),
        }
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        let cases = [
            ("always", Setting::ALWAYS, "always"),
            ("1", Setting::ALWAYS, "always"),
            ("100%", Setting::ALWAYS, "always"),
            ("0", Setting::Chance(0), "0"),
            ("12.5%", Setting::Chance(125_000), "0.125"),
            ("0.000001", Setting::Chance(1), "0.000001"),
            ("250ms", Setting::delay(Duration::from_millis(250)), "250ms"),
            (
                "2s@10%",
                Setting::Delay {
                    delay: Duration::from_secs(2),
                    chance: 100_000,
                },
                "2000ms@0.1",
            ),
            ("+2h", Setting::Offset(7_200_000), "+7200000ms"),
            ("-90s", Setting::Offset(-90_000), "-90000ms"),
            ("on", Setting::On, "on"),
        ];
        for (text, setting, written) in cases {
            assert_eq!(text.parse(), Ok(setting), "{text}");
            assert_eq!(setting.to_string(), written);
            assert_eq!(written.parse(), Ok(setting), "{written}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "-",
            "+",
            "1.1",
            "101%",
            "-0.1",
            "nan",
            "inf",
            "1e-3",
            "5",
            "5x",
            "ms",
            "1.5s",
            "11m",
            "2s@",
            "2s@2",
            "+400d",
            "off",
            "+0.5",
            "9999999999999999999d",
        ] {
            assert!(text.parse::<Setting>().is_err(), "{text}");
        }
    }
}
