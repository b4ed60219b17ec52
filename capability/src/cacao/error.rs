//! Why bytes are no token, or a token does not hold.

use crate::siwe::Field;
use crate::uri::UriError;

/// Why bytes are no CACAO, fields make none, or one does not hold. No variant carries text of the
/// token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacaoError {
    /// Longer than [`super::MAX_CACAO`].
    #[error("the token is longer than {} bytes", super::MAX_CACAO)]
    TooLong,
    /// The header is not base64.
    #[error("the token is not base64url")]
    Base64,
    /// Not CBOR, or a kind of CBOR that DAG-CBOR does not have.
    #[error("the token is not DAG-CBOR")]
    Cbor,
    /// Something nested deeper than [`super::MAX_DEPTH`].
    #[error("the token is nested deeper than {} levels", super::MAX_DEPTH)]
    TooDeep,
    /// Bytes after the token.
    #[error("bytes follow the token")]
    TrailingBytes,
    /// A key stands twice, or a field under both of its names.
    #[error("a key of the token stands twice")]
    Duplicate,
    /// DAG-CBOR has one spelling for everything, and this is another.
    #[error("the token is not in the one spelling that DAG-CBOR has for it")]
    NotCanonical,
    /// A required key is not there.
    #[error("the token lacks {0}")]
    Missing(&'static str),
    /// The value of a key is of another type.
    #[error("{0} of the token is of another type")]
    Type(&'static str),
    /// A key that only the payload could have.
    #[error("the token has a key outside its payload that is not known")]
    Unknown,
    /// Not a sign-in (`eip4361`) or not signed by an account with a key (`eip191`).
    #[error("the token is not an eip4361 message with an eip191 signature")]
    Kind,
    /// `version` is not the number 1.
    #[error("the version is not the number 1")]
    Version,
    /// `iss` is no `did:pkh` of an Ethereum account.
    #[error("iss is not did:pkh:eip155:<chain>:<address>")]
    Issuer,
    /// `scheme`.
    #[error("the scheme is not valid")]
    Scheme,
    /// `domain` is no authority of RFC 3986, or has user information.
    #[error("the domain is not valid")]
    Domain,
    /// `statement` would be more than one line.
    #[error("the statement holds a control character")]
    Statement,
    /// `aud`.
    #[error("aud: {0}")]
    Audience(UriError),
    /// `nonce`.
    #[error(
        "the nonce is not 1 to {} visible ASCII characters",
        crate::siwe::MAX_NONCE
    )]
    Nonce,
    /// A time is not RFC 3339.
    #[error("{0} is not a date and time of RFC 3339")]
    Time(Field),
    /// `request_id`.
    #[error("the request id holds a character that it cannot hold")]
    RequestId,
    /// A resource is no URI.
    #[error("a resource: {0}")]
    Resource(UriError),
    /// More than [`crate::siwe::MAX_RESOURCES`].
    #[error("there are more than {} resources", crate::siwe::MAX_RESOURCES)]
    TooManyResources,
    /// A list of no resources is another text than none, and a token cannot tell them apart.
    #[error("a list of no resources")]
    NoResources,
    /// Not 65 bytes.
    #[error("the signature is not 65 bytes")]
    SignatureLength,
    /// The last byte of the signature, modulo 27, is neither 0 nor 1.
    #[error("the last byte of the signature is not a recovery id")]
    RecoveryId,
    /// No key made this signature, or `s` is in the upper half (EIP-2).
    #[error("the signature is not one of secp256k1 with a low s")]
    Signature,
    /// The signature is another account's, or over another text.
    #[error("the signature does not belong to iss and this text")]
    Signer,
}

impl CacaoError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Base64 => "base64",
            Self::Cbor => "cbor",
            Self::TooDeep => "too_deep",
            Self::TrailingBytes => "trailing_bytes",
            Self::Duplicate => "duplicate",
            Self::NotCanonical => "not_canonical",
            Self::Missing(_) => "missing",
            Self::Type(_) => "type",
            Self::Unknown => "unknown",
            Self::Kind => "kind",
            Self::Version => "version",
            Self::Issuer => "issuer",
            Self::Scheme => "scheme",
            Self::Domain => "domain",
            Self::Statement => "statement",
            Self::Audience(_) => "audience",
            Self::Nonce => "nonce",
            Self::Time(_) => "time",
            Self::RequestId => "request_id",
            Self::Resource(_) => "resource",
            Self::TooManyResources => "too_many_resources",
            Self::NoResources => "no_resources",
            Self::SignatureLength => "signature_length",
            Self::RecoveryId => "recovery_id",
            Self::Signature => "signature",
            Self::Signer => "signer",
        }
    }
}
