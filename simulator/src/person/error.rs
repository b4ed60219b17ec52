//! Why a person got nothing.

use openkey_protocol::message::ErrorCode;
use openkey_verifier::client::ClientError;
use openkey_verifier::evidence::EvidenceError;
use openkey_verifier::head::HeadError;
use openkey_verifier::prompt::PromptError;
use openkey_verifier::receipt::ReceiptError;

use crate::authenticator::AuthenticatorError;

/// Why a person got nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// The call gave no answer, or a refusal.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The evidence is not accepted.
    #[error("evidence refused: {0}")]
    Evidence(#[from] EvidenceError),
    /// The prompt does not belong to what was asked.
    #[error("prompt refused: {0}")]
    Prompt(#[from] PromptError),
    /// The receipt is not that of the registration.
    #[error("receipt refused: {0}")]
    Receipt(#[from] ReceiptError),
    /// The account's head is not one that follows the one we know.
    #[error("account head refused: {0}")]
    Head(#[from] HeadError),
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

impl PersonError {
    /// The enclave's own refusal, if that is what it was.
    #[must_use]
    pub const fn refusal(&self) -> Option<ErrorCode> {
        match self {
            Self::Client(ClientError::Refused(error)) => Some(error.code),
            _ => None,
        }
    }
}
