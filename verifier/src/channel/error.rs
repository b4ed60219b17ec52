//! Why a connection is no channel.

use openkey_protocol::channel::ExtensionError;

use crate::evidence::EvidenceError;

/// Why a connection is refused: the first broken rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The TLS handshake failed, for the library's reason: no common version or protocol, a
    /// signature by another key, an alert of the other side, a lost connection.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// The handshake took too long.
    #[error("the TLS handshake did not end in time")]
    TimedOut,
    /// The other side speaks something else than the channel's protocol.
    #[error("the other side did not choose the protocol openkey/1 over TLS 1.3")]
    Protocol,
    /// The other side presented no certificate.
    #[error("the other side presented no certificate")]
    NoCertificate,
    /// The other side presented a chain: evidence stands in a certificate that stands alone.
    #[error("the other side presented more than one certificate")]
    Chain,
    /// What was presented is not an X.509 certificate.
    #[error("the other side's certificate is malformed")]
    Certificate,
    /// An ordinary certificate.
    #[error("the certificate carries no evidence")]
    ExtensionMissing,
    /// The certificate carries evidence twice; which counts is nobody's to say.
    #[error("the certificate carries evidence more than once")]
    ExtensionRepeated,
    /// The extension is marked critical, which other programs must refuse.
    #[error("the certificate's evidence is marked critical")]
    ExtensionCritical,
    /// The extension's value is not a document in its wrapper.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// The document is refused, or binds nothing.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The document binds no TLS key: it was made for something else.
    #[error("the evidence binds no TLS key")]
    KeyMissing,
    /// The document is another connection's: replayed, or relayed from another enclave.
    #[error("the evidence is over another TLS key than the connection's")]
    KeyMismatch,
    /// The document vouches for no boot key.
    #[error("the evidence names no boot key of 32 bytes")]
    BootKey,
    /// A stranger to whom this caller's own rule objects.
    #[error("the enclave is not the one expected: {0}")]
    Peer(&'static str),
}

impl ChannelError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Tls(_) => "tls_handshake",
            Self::TimedOut => "tls_timeout",
            Self::Protocol => "tls_protocol",
            Self::NoCertificate => "certificate_missing",
            Self::Chain => "certificate_not_alone",
            Self::Certificate => "certificate_unreadable",
            Self::ExtensionMissing => "extension_missing",
            Self::ExtensionRepeated => "extension_repeated",
            Self::ExtensionCritical => "extension_critical",
            Self::Extension(error) => error.rule(),
            Self::Evidence(error) => error.rule(),
            Self::KeyMissing => "tls_key_missing",
            Self::KeyMismatch => "tls_key_mismatch",
            Self::BootKey => "boot_key",
            Self::Peer(_) => "peer",
        }
    }

    /// As an error of rustls, from which [`Self::of`] takes it out again.
    pub(crate) fn into_rustls(self) -> rustls::Error {
        let other = rustls::OtherError(std::sync::Arc::new(self));
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))
    }

    /// What a failed handshake says.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))) => {
                let own = other.0.downcast_ref::<Self>();
                own.cloned().unwrap_or(Self::Certificate)
            }
            Some(error) => Self::Tls(error.to_string()),
            None => Self::Tls(error.to_string()),
        }
    }
}
