//! Why a token is none.

use crate::cid::CidError;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UcanError {
    /// Longer than [`MAX_TOKEN`](super::MAX_TOKEN).
    #[error("the token is longer than {} bytes", super::MAX_TOKEN)]
    TooLong,
    /// Not three parts with dots between.
    #[error("the token is not header.payload.signature")]
    Parts,
    /// A part is not base64url without padding.
    #[error("a part of the token is not base64url without padding")]
    Base64,
    /// The header is not that of a UCAN 0.10 JWT.
    #[error("the header is not that of a UCAN 0.10.0 JWT")]
    Header,
    /// The payload is not that of a UCAN 0.10.
    #[error("the payload is not that of a UCAN 0.10.0")]
    Payload,
    /// A resource is no URI.
    #[error(
        "a resource is no URI: escape the key, with %20 for a space and the bytes of UTF-8 for what is not ASCII \
         (RFC 3986)"
    )]
    Resource,
    /// The audience is no DID, or names a key of one.
    #[error("the audience is not a DID without a fragment")]
    Audience,
    /// A proof is not named by a content identifier.
    #[error("a proof is not named by a content identifier")]
    Proof,
    /// More proofs or facts than there may be.
    #[error("the token has too many proofs or facts")]
    TooMany,
    /// The issuer names no key, or not the one in the header.
    #[error("the issuer names no key that can be used")]
    Issuer,
    /// The algorithm is not the issuer's key's.
    #[error("the algorithm is not that of the issuer's key")]
    Algorithm,
    /// The signature is not the issuer's over this text.
    #[error("the signature does not hold")]
    Signature,
}

impl UcanError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Parts => "parts",
            Self::Base64 => "base64",
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Resource => "resource",
            Self::Audience => "audience",
            Self::Proof => "proof",
            Self::TooMany => "too_many",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
        }
    }
}

impl From<CidError> for UcanError {
    fn from(CidError: CidError) -> Self {
        Self::Proof
    }
}
