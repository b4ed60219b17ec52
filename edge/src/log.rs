//! Structured logs on standard error: what happened, never what was said.

use std::{
    fmt,
    io::Write as _,
    num::NonZeroU32,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use crate::rate::{Quota, Rate};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object in a line.
    Json,
}

/// Why a text is no log format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected text or json")]
pub struct LogFormatError;

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatError),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Why a filter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A word is no level.
    #[error(
        "{0:?} is no level: write error, warn, info, debug, trace or off, or TARGET=LEVEL, separated by commas"
    )]
    Level(String),
    /// It cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// Sends this process's log to standard error. `filter` is a list of levels such as
/// `info,openkey_edge=debug`.
///
/// # Errors
///
/// [`FilterError`]. A log that was begun before stays as it is.
pub fn init(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    check_levels(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        // where standard error takes nothing, saying so there would end the thread that logs
        .log_internal_errors(false)
        .with_target(true);
    let begun = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = begun {
        tracing::debug!(%error, "the log was begun before");
    }
    Ok(())
}

/// A word alone is a level: as the name of a target, which it would be otherwise, it would turn off all but its
/// lines.
fn check_levels(filter: &str) -> Result<(), FilterError> {
    let mut words = filter.split(',').map(str::trim);
    let is_level = |word: &str| {
        word.is_empty() || word.contains(['=', '[']) || word.parse::<LevelFilter>().is_ok()
    };
    match words.find(|word| !is_level(word)) {
        None => Ok(()),
        Some(word) => Err(FilterError::Level(word.to_owned())),
    }
}

/// Says on standard error why a program ends. Where that takes nothing there is nobody to tell.
pub fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

/// Lines about what strangers cause: so many a second, and the others are only counted. A log that
/// strangers fill hides what matters, and takes the disk.
#[derive(Debug)]
pub struct Sparing {
    rate: Rate<()>,
    left_out: AtomicU64,
}

impl Sparing {
    /// So many lines a second, and as many at once.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        Self {
            rate: Rate::new(Quota::per_second(per_second), 1),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether there may be another line; one that may not is counted.
    pub fn admits(&self) -> bool {
        let admitted = self.rate.check(&()).is_ok();
        if !admitted {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// How many lines were left out since this was last asked.
    pub fn left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_alone_is_a_level() {
        for filter in [
            "info",
            "WARN",
            "",
            "off",
            "info,openkey_edge=debug",
            "a[b]=trace",
        ] {
            check_levels(filter).unwrap();
        }
        for filter in ["loud", "info,openkey_edge", "debug, verbose"] {
            let refused = check_levels(filter).unwrap_err();
            assert!(refused.to_string().contains("TARGET=LEVEL"), "{refused}");
        }
    }

    #[test]
    fn h1_strangers_write_few_lines_and_the_rest_is_counted() {
        let lines = Sparing::new(NonZeroU32::new(20).unwrap());
        let written = (0..100_000).filter(|_| lines.admits()).count();
        assert!((20..1000).contains(&written), "{written}");
        assert_eq!(lines.left_out(), 100_000 - written as u64);
        assert_eq!(lines.left_out(), 0);
    }
}
