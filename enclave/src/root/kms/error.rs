//! Why KMS gave no key, in sentences for operators.

use crate::{
    nsm::NsmError,
    root::{DescriptorError, egress::EgressError},
};

use super::cms::CmsError;

/// Why there is no data key, or no root key under it. Each text is a sentence of this program's own
/// for the operator; nothing that KMS or the host wrote is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The configuration names no key.
    #[error("no AWS KMS key is configured")]
    NoKey,
    /// What the host hands over does not belong to the configured root id.
    #[error("{0}")]
    Descriptor(#[from] DescriptorError),
    /// The host hands over no credentials.
    #[error("the host has no AWS credentials for this enclave")]
    NoCredentials,
    /// Credentials that no header can carry.
    #[error("the host's AWS credentials are malformed")]
    Credentials,
    /// KMS cannot be reached, or who answers is not KMS.
    #[error("AWS KMS: {0}")]
    Egress(#[from] EgressError),
    /// The NSM gives no document.
    #[error("the NSM gave no attestation document for KMS: {0}")]
    Attestation(#[from] NsmError),
    /// No recipient key could be made.
    #[error("no recipient key could be made")]
    RecipientKey,
    /// KMS refused.
    #[error("AWS KMS refused: {0}")]
    Refused(#[from] Refusal),
    /// The answer is not one to this request.
    #[error("the answer of AWS KMS is malformed: {0}")]
    Reply(&'static str),
    /// KMS answered with the plaintext, for all on the way to read: it took no notice of the
    /// recipient.
    #[error("AWS KMS answered without regard to the attested recipient; its key is not used")]
    InTheClear,
    /// KMS used another key than the configured one.
    #[error("AWS KMS used another key than the configured one")]
    OtherKey,
    /// The recipient's structure is refused.
    #[error("the answer of AWS KMS: {0}")]
    Cms(#[from] CmsError),
    /// The host hands over no wrapped root key.
    #[error("the host has no wrapped root key: put the one from the genesis among its boot files")]
    NoWrapped,
    /// What the host hands over has not the form of a wrapped root key.
    #[error("the host's wrapped root key is malformed")]
    MalformedWrapped,
    /// The wrapped root key does not open: it belongs to another genesis, or was changed.
    #[error("the host's wrapped root key is another deployment's, or was changed")]
    OtherWrapped,
}

/// What KMS says, by the name of its exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// `AccessDeniedException`
    #[error(
        "the key policy does not allow this image with this configuration (PCR0, PCR16) and \
         purpose, or the host's role may not use the key"
    )]
    AccessDenied,
    /// `ExpiredTokenException`
    #[error("the host's AWS credentials have expired")]
    CredentialsExpired,
    /// `UnrecognizedClientException`, `InvalidClientTokenId`, `IncompleteSignatureException`,
    /// `MissingAuthenticationToken…`, `InvalidSignatureException`
    #[error(
        "the host's AWS credentials are not valid, or its clock and the enclave's differ by \
         minutes"
    )]
    CredentialsInvalid,
    /// `ThrottlingException`, `LimitExceededException`
    #[error("too many requests; it will be asked again")]
    Throttled,
    /// `NotFoundException`
    #[error("there is no such key in the configured region")]
    NoSuchKey,
    /// `DisabledException`, `KMSInvalidStateException`, `KeyUnavailableException`
    #[error("the key is disabled or about to be deleted")]
    KeyUnusable,
    /// `InvalidCiphertextException`, `IncorrectKeyException`
    #[error("the wrapped root key was not made under this key, for this purpose and this root key")]
    OtherCiphertext,
    /// `ValidationException`: among others an attestation document that it does not accept.
    #[error("it does not accept the request or its attestation document")]
    Invalid,
    /// `KMSInternalException`, `DependencyTimeoutException`, or a status of 500 and above.
    #[error("it has a fault of its own; it will be asked again")]
    Fault,
    /// Anything else.
    #[error("for a reason that this program does not know (HTTP status {status})")]
    Other {
        /// The status of the answer.
        status: u16,
    },
}

impl Refusal {
    /// What an exception's name and the status mean. AWS writes names with or without a namespace
    /// (`namespace#Name`).
    pub(super) fn of(name: &str, status: u16) -> Self {
        match name.rsplit('#').next().unwrap_or_default() {
            "AccessDeniedException" => Self::AccessDenied,
            "ExpiredTokenException" | "ExpiredToken" => Self::CredentialsExpired,
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "IncompleteSignature"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken" => Self::CredentialsInvalid,
            "ThrottlingException" | "LimitExceededException" => Self::Throttled,
            "NotFoundException" => Self::NoSuchKey,
            "DisabledException" | "KMSInvalidStateException" | "KeyUnavailableException" => {
                Self::KeyUnusable
            }
            "InvalidCiphertextException" | "IncorrectKeyException" => Self::OtherCiphertext,
            "ValidationException" => Self::Invalid,
            "KMSInternalException" | "DependencyTimeoutException" => Self::Fault,
            _ if status == 429 => Self::Throttled,
            _ if status >= 500 => Self::Fault,
            _ => Self::Other { status },
        }
    }
}
