//! Why a call gave nothing.

use openkey_protocol::message;
use serde::Deserialize;

use super::Fetched;
use crate::{answer::AnswerError, command::output::foreign};

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A URL that is not called.
    #[error("invalid URL: {0}")]
    Url(&'static str),
    /// The request cannot be encoded.
    #[error("the request cannot be encoded")]
    Request,
    /// No connection, or one that broke: nothing is known about the request.
    #[error("no answer: {0}")]
    Connection(&'static str),
    /// No answer in time: nothing is known about the request.
    #[error("no complete answer in time: try again, or allow more time")]
    Timeout,
    /// The host answered for itself.
    #[error("the host answered with status {status}{}", told(*.status, .code, .message))]
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

/// What the host said, and what to do.
fn told(status: u16, code: &str, message: &str) -> String {
    let said = match message {
        "" => String::new(),
        message => format!(": {message}"),
    };
    match advice(status, code) {
        "" => said,
        advice => format!("{}{advice}", said.trim_end_matches('.')),
    }
}

/// What to do about an answer of the host itself, where the address may be the reason.
fn advice(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (_, "wrong_host") => {
            "; use the address of the page itself, such as http://localhost:PORT and no IP address"
        }
        // host-proxy names a code with every refusal.
        (403..=405, "") => {
            "; another program than an OpenKey host, such as a TinyCloud node, may listen at this address: use the \
             address of the page"
        }
        _ => "",
    }
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
            Self::Timeout => "timeout",
            Self::Host { .. } => "host_status",
            Self::TooLong(_) => "answer_too_long",
            Self::Answer(_) => "answer",
            Self::Refused(_) => "enclave_refused",
            Self::Unsigned(_) => "unsigned_refusal",
            Self::Unproven(error) => error.rule(),
            Self::Random => "randomness",
        }
    }

    /// Whether somebody answered, with something else than was asked for: that is judged, and
    /// refused. Everything else leaves nothing to judge.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::TooLong(_) | Self::Unproven(_))
    }

    /// A refusal that nobody vouches for: the host's text, as much of it as people read.
    pub(super) fn unsigned(error: &message::Error) -> Self {
        Self::Unsigned(message::Error {
            code: error.code,
            message: foreign(&error.message),
            advice: foreign(&error.advice),
        })
    }

    /// An answer of the host itself.
    pub(super) fn status(fetched: &Fetched) -> Self {
        // Whatever else the body is, the status says enough.
        let HostError { code, message } = serde_json::from_slice(&fetched.body).unwrap_or_default();
        Self::Host {
            status: fetched.status,
            code: foreign(&code),
            message: foreign(&message),
            retry_after: fetched.retry_after(),
        }
    }
}

impl From<ureq::Error> for ClientError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Timeout,
            ureq::Error::Io(error) => Self::of_io(&error),
            ureq::Error::Rustls(error) => Self::Connection(tls(&error)),
            ureq::Error::Tls(_) | ureq::Error::TlsRequired | ureq::Error::Pem(_) => {
                Self::Connection("the TLS handshake failed")
            }
            ureq::Error::HostNotFound => Self::Connection(NO_ADDRESS),
            ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => Self::Connection(
                "the proxy that the environment names (HTTPS_PROXY, ALL_PROXY) could not be used",
            ),
            ureq::Error::Protocol(_) => {
                Self::Connection("the server did not answer in HTTP/1.1; is the port right?")
            }
            ureq::Error::LargeResponseHeader(..) => {
                Self::Connection("the headers of the answer are too long")
            }
            _ => Self::Connection("the request failed"),
        }
    }
}

const NO_ADDRESS: &str =
    "no address is known for this host name: check its spelling and the network";

impl ClientError {
    fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::Connection(tls(error));
        }
        Self::Connection(match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => return Self::Timeout,
            ErrorKind::ConnectionRefused => {
                "the connection was refused: nothing listens on this port of the host"
            }
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => "the connection ended before the answer was complete",
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
                "the host cannot be reached from this network"
            }
            ErrorKind::PermissionDenied => "this machine does not allow the connection",
            // The name lookup has no kind of its own.
            _ if error.to_string().contains("lookup") => NO_ADDRESS,
            _ => "the connection failed",
        })
    }
}

fn tls(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the server's certificate has expired",
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the server's certificate is not valid yet: check this machine's clock",
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another host name",
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate does not chain to a trusted root"
        }
        Error::InvalidCertificate(_) => "the server's certificate is invalid",
        _ => "the TLS handshake failed; is this port for https?",
    }
}
