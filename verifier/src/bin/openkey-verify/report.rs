//! How a run ends.

/// Exit status: judged, and refused.
pub(crate) const REFUSED: u8 = 1;
/// Exit status: nothing was judged.
pub(crate) const NOT_JUDGED: u8 = 2;

/// How a run ended that printed its own report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Everything holds.
    Accepted,
    /// Something did not answer, and nothing that did was refused.
    NotJudged,
    /// A rule does not hold.
    Refused,
}

/// Nothing was judged: a wrong flag, a file that cannot be opened, a host that does not answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The rule's stable name.
    pub(crate) rule: &'static str,
    /// What happened and what to do.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }
}
