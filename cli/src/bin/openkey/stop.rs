//! How a command ends early.
//!
//! Three ends that an operator must not confuse: something was judged and refused; nothing was judged;
//! an order was sent, and nothing proves what came of it.

use openkey_cli::{
    ApprovalError, BackupError, CeremonyError, ConsentsError, KeyError, RecipientError,
};
use openkey_verifier::{
    anchor::AnchorError,
    attestation::UnixMillis,
    client::ClientError,
    command::{Failure, NOT_JUDGED, REFUSED, Unaccepted, advised},
    release::{ReleaseError, rfc3339},
};

/// Exit status: an order was sent, and nothing proves what came of it.
const UNPROVEN: u8 = 3;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Stop {
    rule: &'static str,
    message: String,
    kind: Kind,
    /// Whether stdout has a report already.
    reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Refused,
    Failed,
    Unproven,
}

impl Stop {
    /// Something was judged and refused.
    pub(crate) fn refused(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
            kind: Kind::Refused,
            reported: false,
        }
    }

    /// Nothing was judged: a file, a flag, no answer.
    pub(crate) fn failed(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
            kind: Kind::Failed,
            reported: false,
        }
    }

    /// The same, at an enclave or a host.
    pub(crate) fn at(self, name: &str) -> Self {
        Self {
            message: format!("{name}: {}", self.message),
            ..self
        }
    }

    /// The same, with what is known beside it.
    pub(crate) fn and(self, more: &str) -> Self {
        Self {
            message: format!("{}; {more}", self.message),
            ..self
        }
    }

    /// The same, after something was sent that enclaves take until then: what came of it is not proven.
    pub(crate) fn sent(self, until: Option<UnixMillis>) -> Self {
        let when = until.map_or(String::new(), |until| {
            format!(" until {} (look three minutes after that)", rfc3339(until))
        });
        Self {
            message: format!(
                "{}; it was sent and may have taken effect, or may take effect{when}: see `openkey \
                 operator status`",
                self.message
            ),
            kind: Kind::Unproven,
            ..self
        }
    }

    /// The same, after the genesis was asked for: the enclave may have held it, and holds no other one.
    pub(crate) fn spent(self, enclave: &str) -> Self {
        Self {
            message: format!(
                "{}; the genesis was asked for at enclave {enclave} and may have taken place: this boot of the \
                 enclave holds no other one. Unless another run accepted a genesis of this boot and has its files, \
                 boot the enclave again and repeat",
                self.message
            ),
            kind: Kind::Unproven,
            ..self
        }
    }

    /// The end of a wait for something that was sent and taken, and is there no more.
    pub(crate) fn ended(rule: &'static str, message: &str) -> Self {
        Self {
            kind: Kind::Unproven,
            ..Self::refused(rule, message)
        }
    }

    /// The end of a command whose report is on stdout and says what is not proven.
    pub(crate) fn reported(rule: &'static str, message: &str) -> Self {
        Self {
            rule,
            message: message.to_owned(),
            kind: Kind::Unproven,
            reported: true,
        }
    }

    /// The end of a command that sent an order and reported it, and whose report could not be written.
    pub(crate) fn unread(failure: Failure) -> Self {
        let Failure { rule, message } = failure;
        Self::reported(
            rule,
            &format!(
                "{message}; what was ordered was sent, and nobody read what came of it: see `openkey operator \
                 status`"
            ),
        )
    }

    pub(crate) const fn rule(&self) -> &'static str {
        self.rule
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether something was judged and refused.
    pub(crate) fn is_refusal(&self) -> bool {
        self.kind == Kind::Refused
    }

    /// The verdict, for programs that read stdout; none where stdout says it already, or where nothing
    /// was judged.
    pub(crate) const fn verdict(&self) -> Option<&'static str> {
        match self.kind {
            _ if self.reported => None,
            Kind::Refused => Some("refused"),
            Kind::Failed => None,
            Kind::Unproven => Some("unproven"),
        }
    }

    pub(crate) const fn code(&self) -> u8 {
        match self.kind {
            Kind::Refused => REFUSED,
            Kind::Failed => NOT_JUDGED,
            Kind::Unproven => UNPROVEN,
        }
    }
}

impl From<Failure> for Stop {
    fn from(Failure { rule, message }: Failure) -> Self {
        Self::failed(rule, message)
    }
}

impl From<Unaccepted> for Stop {
    fn from(unaccepted: Unaccepted) -> Self {
        let end = if unaccepted.judged {
            Self::refused
        } else {
            Self::failed
        };
        end(unaccepted.rule, unaccepted.message)
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        let refusal = error.is_answer() || matches!(error, ClientError::Refused(_));
        let end = if refusal { Self::refused } else { Self::failed };
        end(error.rule(), error.to_string())
    }
}

impl From<CeremonyError> for Stop {
    fn from(error: CeremonyError) -> Self {
        Self::refused(error.rule(), advised(error.rule(), error.to_string()))
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
        let end = if refusal { Self::refused } else { Self::failed };
        end(error.rule(), error.to_string())
    }
}

impl From<AnchorError> for Stop {
    fn from(error: AnchorError) -> Self {
        Self::refused(error.rule(), error.to_string())
    }
}

impl From<ApprovalError> for Stop {
    fn from(error: ApprovalError) -> Self {
        Self::refused(error.rule(), error.to_string())
    }
}

impl From<ConsentsError> for Stop {
    fn from(error: ConsentsError) -> Self {
        Self::failed(error.rule(), error.to_string())
    }
}
