//! From when until when a sign-in holds.

use openkey_capability::siwe::Message;
use openkey_protocol::message::{Error, ErrorCode, Line, Severity, Warning};

use crate::{
    refusal::refuse,
    words::{line, moment, warning},
};

/// Longest sign-in that needs no second look: thirty days, in milliseconds.
const LONG: i64 = 30 * 86_400_000;
/// How far ahead of the enclave's clock an honest page's may be, in milliseconds.
const SKEW: i64 = 5 * 60_000;

/// The times of a sign-in, in milliseconds since 1970.
pub(super) struct Span {
    made: i64,
    begins: Option<i64>,
    ends: Option<i64>,
    now: i64,
}

impl Span {
    /// Refuses a message that has ended or never holds.
    pub(super) fn of(message: &Message, now: i64) -> Result<Self, Error> {
        let span = Self {
            made: message.issued_at().unix_ms(),
            begins: message.not_before().map(|time| time.unix_ms()),
            ends: message.expiration_time().map(|time| time.unix_ms()),
            now,
        };
        let Some(ends) = span.ends else {
            return Ok(span);
        };
        let at = |time| moment(time, now);
        let never = match span.begins {
            Some(begins) if ends <= begins => Some(format!(
                "This sign-in ends before it begins: it would begin on {} (Not Before) and end on {} \
                 (Expiration Time).",
                at(begins),
                at(ends)
            )),
            _ if ends <= span.made => Some(format!(
                "This sign-in ends before it was made: it says that it was made on {} (Issued At) and \
                 ends on {} (Expiration Time).",
                at(span.made),
                at(ends)
            )),
            _ => None,
        };
        if ends <= now {
            return Err(refuse(
                ErrorCode::SiweUnsupported,
                "expired",
                &format!("This sign-in has expired: it ended on {}.", at(ends)),
                "Ask the app for a new one.",
            ));
        }
        match never {
            None => Ok(span),
            Some(why) => Err(refuse(
                ErrorCode::SiweUnsupported,
                "never_valid",
                &why,
                "Ask the app for a new one.",
            )),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let at = |time| moment(time, self.now);
        let mut lines = Vec::new();
        if let Some(begins) = self.begins {
            lines.push(line("From", at(begins)));
        }
        let until = self.ends.map_or_else(|| "No end".to_owned(), at);
        lines.push(line("Until", until));
        lines
    }

    pub(super) fn made(&self) -> Line {
        line("Made", moment(self.made, self.now))
    }

    /// With permissions, a sign-in without an end is told with them.
    pub(super) fn warnings(&self, has_recap: bool) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut add = |text: &str| warnings.push(warning(Severity::Attention, text));
        let begins = self.begins.unwrap_or(self.made).max(self.now);
        match self.ends {
            None if has_recap => {}
            None => add("This sign-in has no end of its own: it holds until the app forgets it."),
            Some(ends) if ends.saturating_sub(begins) > LONG => {
                add("This sign-in holds for more than thirty days.");
            }
            Some(_) => {}
        }
        if self.begins.is_some_and(|begins| begins > self.now) {
            add("This sign-in does not hold yet; it can be used later.");
        }
        if self.made > self.now.saturating_add(SKEW) {
            add("This sign-in says that it was made in the future.");
        }
        warnings
    }
}
