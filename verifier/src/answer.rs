//! An answer belongs to the call it was given to, or nothing in it counts.

use openkey_protocol::{
    cbor,
    message::{
        AccountHead, Action, Answer, Call, Error, Hash32, OperatorRequest, Query, Request,
        Response, Signed, Verdict,
    },
};
use sha2::{Digest, Sha256};

use crate::{
    head::{self, HeadError},
    history::{self, HistoryError},
    prompt::{self, PromptError},
    statement::{IdentityKey, StatementError},
};

/// How far an answer may lie in the future of the client's clock, in milliseconds: half of a
/// prompt's life.
pub const MAX_SKEW_MS: u64 = 60_000;
/// How old an answer may be by the client's clock, in milliseconds: longer than any client waits
/// for one, with as much skew.
pub const MAX_AGE_MS: u64 = 180_000;

/// What the client asked, and when it got the answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The bytes of the [`Call`] as they were sent.
    pub call: &'a [u8],
    /// The page's origin, such as `https://keys.example`. Without one every prompt is refused.
    pub origin: Option<&'a str>,
    /// The client's clock, in milliseconds since 1970.
    pub now_ms: u64,
    /// For a later page of history: what the last entry of the page before named as `previous`.
    pub above: Option<Hash32>,
}

impl<'a> Asked<'a> {
    /// A call, answered now.
    #[must_use]
    pub const fn new(call: &'a [u8], now_ms: u64) -> Self {
        Self {
            call,
            origin: None,
            now_ms,
            above: None,
        }
    }
}

/// Opens an answer and checks that it is the one to this call, and then what it says.
///
/// Checked for every answer: the signature; SHA-256 of the call and its nonce; the time; that the
/// response is one to such a request; and, where the request carries an account head, that the
/// enclave names exactly this head as continued. Then the rules of its kind: those of
/// [`prompt::check`], [`head::check`] and [`history::check`]. The receipt inside a
/// [`Response::SignedUp`] is for [`crate::receipt::check`].
///
/// A refusal ([`Verdict::Refused`]) that comes out of here is the enclave's own.
///
/// # Errors
///
/// [`AnswerError`].
pub fn check(
    identity: &IdentityKey,
    signed: &Signed<Answer>,
    asked: &Asked<'_>,
) -> Result<Answer, AnswerError> {
    let answer = identity.open(signed)?;
    let hash = Hash32(Sha256::digest(asked.call).into());
    if answer.request != hash {
        return Err(AnswerError::Request);
    }
    let call: Call = cbor::decode(asked.call).map_err(|_| AnswerError::Call)?;
    if answer.nonce != call.nonce {
        return Err(AnswerError::Nonce);
    }
    if answer.at > asked.now_ms.saturating_add(MAX_SKEW_MS) {
        return Err(AnswerError::NotYetGiven);
    }
    if answer.at.saturating_add(MAX_AGE_MS) <= asked.now_ms {
        return Err(AnswerError::TooOld);
    }
    let known = call.request.head();
    match &answer.result {
        Verdict::Refused(_) => {}
        Verdict::Ok(response) => {
            if answer.continued != known {
                return Err(AnswerError::NotContinued);
            }
            if !belongs(&call.request, response) {
                return Err(AnswerError::Kind);
            }
            check_response(&call.request, response, known.as_ref(), hash, asked)?;
        }
    }
    Ok(answer)
}

/// As [`check`], for callers that want what was done or the enclave's refusal.
///
/// # Errors
///
/// [`AnswerError`].
pub fn open(
    identity: &IdentityKey,
    signed: &Signed<Answer>,
    asked: &Asked<'_>,
) -> Result<Result<Response, Error>, AnswerError> {
    Ok(match check(identity, signed, asked)?.result {
        Verdict::Ok(response) => Ok(response),
        Verdict::Refused(error) => Err(error),
    })
}

fn check_response(
    request: &Request,
    response: &Response,
    known: Option<&AccountHead>,
    hash: Hash32,
    asked: &Asked<'_>,
) -> Result<(), AnswerError> {
    match response {
        Response::Prompted(prompted) => {
            if prompted.prompt.challenge != prompted.options.challenge {
                return Err(AnswerError::Challenge);
            }
            prompt::check(&prompted.prompt, request, hash, asked)?;
        }
        Response::Approved(approved) => head::check(&approved.head, known)?,
        Response::Account(view) => {
            head::check(&view.head, known)?;
            if view.account != view.head.account || view.passkeys.is_empty() {
                return Err(AnswerError::View);
            }
        }
        Response::History(page) => {
            head::check(&page.head, known)?;
            let Request::Read(read) = request else {
                return Err(AnswerError::Kind);
            };
            history::check(page, &read.query, asked.above)?;
        }
        Response::SignedUp(signed_up) => head::check(&signed_up.head, None)?,
        Response::Status(_)
        | Response::SignUpStarted(_)
        | Response::NewPasskey(_)
        | Response::Genesis(_)
        | Response::Root(_) => {}
    }
    Ok(())
}

/// Whether such a request is ever answered by such a response.
fn belongs(request: &Request, response: &Response) -> bool {
    match request {
        Request::Status => matches!(response, Response::Status(_)),
        Request::SignUp(_) => matches!(response, Response::SignUpStarted(_)),
        Request::SignUpFinish(_) => matches!(response, Response::SignedUp(_)),
        Request::Propose(propose) => match propose.action {
            Action::AddPasskey { .. } => matches!(response, Response::NewPasskey(_)),
            _ => matches!(response, Response::Prompted(_)),
        },
        Request::SignIn(_) | Request::PasskeyCreated(_) => {
            matches!(response, Response::Prompted(_))
        }
        Request::Approve(_) => matches!(response, Response::Approved(_)),
        Request::Read(read) => match read.query {
            Query::Account => matches!(response, Response::Account(_)),
            Query::History { .. } => matches!(response, Response::History(_)),
        },
        Request::Operator(OperatorRequest::Genesis { .. }) => {
            matches!(response, Response::Genesis(_))
        }
        Request::Operator(_) => matches!(response, Response::Root(_)),
        // Answered outside of answers.
        Request::Evidence { .. } | Request::HandOver(_) => false,
    }
}

/// Why an answer is not one to this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not a statement of this enclave.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// What the caller gives as the call is none.
    #[error("the bytes given as the call are not a call of this protocol")]
    Call,
    /// It answers other bytes than were sent.
    #[error("the answer is to another request than the one sent")]
    Request,
    /// It carries another nonce.
    #[error("the answer carries another nonce than the one sent")]
    Nonce,
    /// Given in the future, beyond [`MAX_SKEW_MS`].
    #[error("the answer comes from the future: check this device's clock")]
    NotYetGiven,
    /// Older than [`MAX_AGE_MS`].
    #[error("the answer is older than three minutes: ask again, and check this device's clock")]
    TooOld,
    /// The enclave does not say that its state continues the head that the client sent.
    #[error("the enclave does not say that it continues the account state this client knows")]
    NotContinued,
    /// A response of another kind than the request's.
    #[error("the answer is of another kind than the request")]
    Kind,
    /// The authenticator would be given another challenge than the prompt's.
    #[error("the passkey's challenge is not the one in the prompt")]
    Challenge,
    /// An account view that contradicts itself.
    #[error("the account view contradicts its own head, or names no passkey")]
    View,
    /// Its prompt does not belong to what was asked.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// Its head does not follow the known one.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Its history is no chain.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl AnswerError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Statement(error) => error.rule(),
            Self::Call => "answer_call",
            Self::Request => "answer_request",
            Self::Nonce => "answer_nonce",
            Self::NotYetGiven => "answer_not_yet_given",
            Self::TooOld => "answer_too_old",
            Self::NotContinued => "not_continued",
            Self::Kind => "answer_kind",
            Self::Challenge => "prompt_challenge",
            Self::View => "account_view",
            Self::Prompt(error) => error.rule(),
            Self::Head(error) => error.rule(),
            Self::History(error) => error.rule(),
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
