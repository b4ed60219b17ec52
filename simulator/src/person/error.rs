//! Why a person got nothing.

use openkey_protocol::message::ErrorCode;
use openkey_verifier::answer::AnswerError;
use openkey_verifier::client::ClientError;
use openkey_verifier::evidence::EvidenceError;
use openkey_verifier::receipt::ReceiptError;

use crate::authenticator::AuthenticatorError;

/// Why a person got nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// The call gave no answer, or a refusal.
    #[error(transparent)]
    Client(ClientError),
    /// The answer is not the enclave's to what was asked.
    #[error("answer refused: {0}")]
    Answer(AnswerError),
    /// The evidence is not accepted.
    #[error("evidence refused: {0}")]
    Evidence(#[from] EvidenceError),
    /// The receipt is not that of the registration.
    #[error("receipt refused: {0}")]
    Receipt(#[from] ReceiptError),
    /// The device gave nothing.
    #[error(transparent)]
    Authenticator(#[from] AuthenticatorError),
    /// The released signature is not by the key we know over what was prompted.
    #[error("the signature is not by this account's key over what was shown")]
    Signature,
    /// An answer to another question.
    #[error("the enclave answered another question")]
    Unexpected,
    /// Not a policy file.
    #[error("the policy file: {0}")]
    Policy(String),
    /// There is no account yet.
    #[error("sign up or sign in first")]
    NoAccount,
    /// The system's random generator failed.
    #[error("no randomness")]
    Random,
}

impl From<ClientError> for PersonError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unproven(error) => Self::Answer(error),
            error => Self::Client(error),
        }
    }
}

impl PersonError {
    /// The enclave's own refusal, signed by it, if that is what it was.
    #[must_use]
    pub const fn refusal(&self) -> Option<ErrorCode> {
        match self {
            Self::Client(ClientError::Refused(error)) => Some(error.code),
            _ => None,
        }
    }
}
