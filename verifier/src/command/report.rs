//! How a run ends.

/// Exit status: judged, and refused.
pub const REFUSED: u8 = 1;
/// Exit status: nothing was judged.
pub const NOT_JUDGED: u8 = 2;

/// How a run ended that printed its own report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything holds.
    Accepted,
    /// Something did not answer, and nothing that did was refused.
    NotJudged,
    /// A rule does not hold.
    Refused,
}

/// Nothing was judged: a wrong flag, a file that cannot be opened, a host that does not answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule's stable name.
    pub rule: &'static str,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// A failure by this rule.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }
}
