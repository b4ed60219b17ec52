//! Why a call gave nothing.

use openkey_protocol::message;
use serde::Deserialize;

use super::Fetched;
use crate::answer::AnswerError;

/// Longest text taken over from a host's error, in characters.
const MAX_TEXT: usize = 200;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A URL that is not called.
    #[error("cannot use this URL: {0}")]
    Url(&'static str),
    /// The request cannot be encoded.
    #[error("the request cannot be encoded")]
    Request,
    /// No connection, or one that broke: nothing is known about the request.
    #[error("no answer: {0}")]
    Connection(String),
    /// No answer in time: nothing is known about the request.
    #[error("no answer in time ({0})")]
    Timeout(&'static str),
    /// The host answered for itself.
    #[error("the host answered with status {status}{}{message}", if .message.is_empty() { "" } else { ": " })]
    Host {
        /// The HTTP status.
        status: u16,
        /// Its error code, if it gave one.
        code: String,
        /// Its message, if it gave one.
        message: String,
        /// After how many seconds to try again, if it said so.
        retry_after: Option<u64>,
    },
    /// An answer longer than it may be.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// An answer that is not one of this protocol.
    #[error("the answer is {0}")]
    Answer(&'static str),
    /// The enclave refused, and signed that; nothing changed.
    #[error("the enclave refused: {0}")]
    Refused(message::Error),
    /// A refusal without a signature of the enclave: the host's word.
    #[error("a refusal that no enclave signed: {0}")]
    Unsigned(message::Error),
    /// An answer that is not the enclave's to this call.
    #[error("answer refused: {0}")]
    Unproven(#[from] AnswerError),
    /// The system's random generator failed.
    #[error("no randomness for a nonce")]
    Random,
}

/// What the host says when it fails itself.
#[derive(Default, Deserialize)]
struct HostError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl ClientError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Request => "request",
            Self::Connection(_) => "connection",
            Self::Timeout(_) => "timeout",
            Self::Host { .. } => "host_status",
            Self::TooLong(_) => "answer_too_long",
            Self::Answer(_) => "answer",
            Self::Refused(_) => "enclave_refused",
            Self::Unsigned(_) => "unsigned_refusal",
            Self::Unproven(error) => error.rule(),
            Self::Random => "randomness",
        }
    }

    /// An answer of the host itself.
    pub(super) fn status(fetched: &Fetched) -> Self {
        let HostError { code, message } = serde_json::from_slice(&fetched.body).unwrap_or_default();
        Self::Host {
            status: fetched.status,
            code: printable(&code),
            message: printable(&message),
            retry_after: fetched.retry_after,
        }
    }
}

impl From<ureq::Error> for ClientError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Timeout("timed out"),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Self::Timeout("timed out")
            }
            error => Self::Connection(printable(&error.to_string())),
        }
    }
}

/// A stranger's text for a terminal: bounded, without control characters.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_TEXT)
        .collect()
}
