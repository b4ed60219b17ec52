//! How a command ends early.

use openkey_cli::{BackupError, CeremonyError, KeyError, RecipientError};
use openkey_verifier::{
    anchor::AnchorError,
    client::ClientError,
    command::{Failure, NOT_JUDGED, REFUSED, Unaccepted},
    release::ReleaseError,
};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Stop {
    rule: &'static str,
    message: String,
    refusal: bool,
}

impl Stop {
    /// Something was judged and refused.
    pub(crate) fn refused(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
            refusal: true,
        }
    }

    /// Nothing was judged: a file, a flag, no answer.
    pub(crate) fn failed(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
            refusal: false,
        }
    }

    /// The same end with other words.
    pub(crate) fn again(self, message: &str) -> Self {
        Self {
            message: message.to_owned(),
            ..self
        }
    }

    pub(crate) const fn rule(&self) -> &'static str {
        self.rule
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) const fn is_refusal(&self) -> bool {
        self.refusal
    }

    pub(crate) const fn code(&self) -> u8 {
        if self.refusal { REFUSED } else { NOT_JUDGED }
    }
}

impl From<Failure> for Stop {
    fn from(Failure { rule, message }: Failure) -> Self {
        Self::failed(rule, message)
    }
}

impl From<Unaccepted> for Stop {
    fn from(unaccepted: Unaccepted) -> Self {
        Self {
            rule: unaccepted.rule,
            message: unaccepted.message,
            refusal: unaccepted.judged,
        }
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        let refusal = error.is_answer() || matches!(error, ClientError::Refused(_));
        Self {
            rule: error.rule(),
            message: error.to_string(),
            refusal,
        }
    }
}

impl From<CeremonyError> for Stop {
    fn from(error: CeremonyError) -> Self {
        Self::refused(error.rule(), error.to_string())
    }
}

impl From<BackupError> for Stop {
    fn from(error: BackupError) -> Self {
        Self::refused(error.rule(), error.to_string())
    }
}

impl From<ReleaseError> for Stop {
    fn from(error: ReleaseError) -> Self {
        Self::refused(error.rule(), error.to_string())
    }
}

impl From<KeyError> for Stop {
    fn from(error: KeyError) -> Self {
        Self::failed(error.rule(), error.to_string())
    }
}

impl From<RecipientError> for Stop {
    fn from(error: RecipientError) -> Self {
        let refusal = error == RecipientError::BootKey;
        Self {
            rule: error.rule(),
            message: error.to_string(),
            refusal,
        }
    }
}

impl From<AnchorError> for Stop {
    fn from(error: AnchorError) -> Self {
        Self::refused(error.rule(), error.to_string())
    }
}
