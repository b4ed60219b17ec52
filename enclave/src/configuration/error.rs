//! Why a configuration is refused.

use openkey_protocol::message::{MAX_OPERATOR_NAME, MAX_OPERATORS};

use super::{
    MAX_BYTES, MAX_IDENTITY_PROVIDERS, MAX_ORIGINS, MAX_RELEASE_KEYS, MAX_RP_NAME_CHARS,
    MAX_UPGRADE_DELAY_SECONDS,
};

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// Not JSON of this shape, or with unknown or repeated members.
    #[error("the configuration is not JSON of the documented members")]
    Shape,
    /// Longer than [`MAX_BYTES`].
    #[error("the configuration is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The relying-party id is not a lower-case domain name.
    #[error("rp_id must be a lower-case domain name")]
    RpId,
    /// The relying-party name is empty, too long, or holds characters that do not show.
    #[error("rp_name must have 1 to {MAX_RP_NAME_CHARS} printable characters")]
    RpName,
    /// No origin, too many, or one twice.
    #[error("origins must be 1 to {MAX_ORIGINS} different origins")]
    OriginCount,
    /// An origin is not written as a browser writes it, is not https (or http on localhost), or does
    /// not belong to the relying-party id.
    #[error("origin {0} is not a canonical https origin under rp_id")]
    Origin(usize),
    /// Too many identity providers, or one twice.
    #[error("identity_providers must be at most {MAX_IDENTITY_PROVIDERS} different hosts")]
    HostCount,
    /// An identity provider is not a lower-case domain name.
    #[error("identity provider {0} is not a lower-case domain name")]
    Host(usize),
    /// No operator, too many, or a threshold that is not 1 to their number.
    #[error("operators must be 1 to {MAX_OPERATORS}, with a threshold of 1 to their number")]
    OperatorCount,
    /// An operator's name is empty, too long, or not printable ASCII.
    #[error("operator {0} needs a name of 1 to {MAX_OPERATOR_NAME} printable ASCII characters")]
    OperatorName(usize),
    /// An operator's key is not a key in lower-case hex.
    #[error("operator {0} has a key that is none")]
    OperatorKey(usize),
    /// The signature over name and encryption key is not by the signing key.
    #[error("operator {0} has not proven to hold the signing key")]
    OperatorProof(usize),
    /// The name or a key is another operator's.
    #[error("operator {0} has a name or key of another operator")]
    OperatorTwice(usize),
    /// Not 1 to [`MAX_RELEASE_KEYS`] different Ed25519 keys, or a threshold that is not 1 to their
    /// number.
    #[error(
        "release_keys must be 1 to {MAX_RELEASE_KEYS} different keys, with a threshold of 1 to their number"
    )]
    ReleaseKeys,
    /// Not the ARN of a KMS key in that region.
    #[error("kms must name a key by its ARN, and the key's region")]
    Kms,
    /// Not a certificate in base64.
    #[error("kms.tls_root must be the base64 of a certificate in DER")]
    TlsRoot,
    /// A source twice, or one that is not configured.
    #[error("root_sources must be different sources that are configured")]
    RootSources,
    /// Not a hash in lower-case hex, or no operators.
    #[error("root_id must be 64 hexadecimal digits, and needs operators")]
    RootId,
    /// Zero, or longer than [`MAX_UPGRADE_DELAY_SECONDS`].
    #[error("upgrade_delay_seconds must be 1 to {MAX_UPGRADE_DELAY_SECONDS}")]
    UpgradeDelay,
    /// Zero, more than there are operators, or no operators.
    #[error("upgrade_consent must be 1 to the number of operators, and needs operators")]
    UpgradeConsent,
}
