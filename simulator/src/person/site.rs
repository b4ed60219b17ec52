//! One enclave behind one page, as a careful client sees it.

use std::sync::{Arc, PoisonError, RwLock};

use openkey_attestation::{Nonce, PolicyFile, UnixMillis, Verifier};
use openkey_protocol::message::{Hash32, Request, Response, Status};
use openkey_verifier::answer::{AnswerError, Asked};
use openkey_verifier::client::{Client, ClientError, Replied};
use openkey_verifier::evidence::{self, Fresh};
use openkey_verifier::statement::{IdentityKey, StatementError};

use super::PersonError;
use crate::time::now_ms;

/// One enclave behind one page: where to call, whom to believe.
///
/// The identity key comes out of evidence over a nonce of our own, held to the policy. It is kept
/// until a statement does not verify under it: a restarted enclave has a new one, which needs new
/// evidence. Shared by as many people as there are; calls block.
#[derive(Debug)]
pub struct Site {
    client: Client,
    origin: String,
    policy: PolicyFile,
    verifier: Verifier,
    identity: RwLock<Option<IdentityKey>>,
}

impl Site {
    /// The enclave at `api`, asked by a page of `origin`, held to a policy file.
    ///
    /// # Errors
    ///
    /// [`PersonError::Client`] for a URL that cannot be, [`PersonError::Policy`] for a file that is
    /// no policy.
    pub fn new(api: &str, origin: &str, policy: &[u8]) -> Result<Arc<Self>, PersonError> {
        let policy = PolicyFile::parse(policy).map_err(|e| PersonError::Policy(e.to_string()))?;
        Ok(Arc::new(Self {
            client: Client::new(api)?,
            origin: origin.to_owned(),
            verifier: Verifier::new(policy.roots.clone()),
            policy,
            identity: RwLock::new(None),
        }))
    }

    /// The page's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The client underneath, to say things that a careful person would not.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The policy it is held to.
    #[must_use]
    pub const fn policy(&self) -> &PolicyFile {
        &self.policy
    }

    /// Sends a request and checks that the answer is the enclave's, to this very request.
    ///
    /// # Errors
    ///
    /// [`PersonError::Client`] without an answer, or with a refusal of the enclave;
    /// [`PersonError::Answer`] for one that somebody changed or that belongs elsewhere.
    pub fn call(&self, request: &Request) -> Result<Response, PersonError> {
        Ok(self.call_with_time(request)?.0)
    }

    /// As [`Self::call`], with the time of the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn call_with_time(&self, request: &Request) -> Result<(Response, u64), PersonError> {
        let replied = self.client.ask(request)?;
        self.open(&replied, None)
    }

    /// Checks a reply, and gives it with its time. `above`: what the page of history before this one ended
    /// with.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn open(
        &self,
        replied: &Replied,
        above: Option<Hash32>,
    ) -> Result<(Response, u64), PersonError> {
        let asked = Asked {
            origin: Some(&self.origin),
            above,
            ..replied.asked(now_ms())
        };
        let identity = self.identity()?;
        match replied.open_with_time(&identity, &asked) {
            // The enclave may have been restarted since: then new evidence names another key.
            Err(ClientError::Unproven(AnswerError::Statement(StatementError::Signature))) => {
                Ok(replied.open_with_time(&self.renew()?, &asked)?)
            }
            opened => Ok(opened?),
        }
    }

    /// The status as the host brings it, **unchecked**: to wait for an enclave, and for nothing else.
    ///
    /// # Errors
    ///
    /// [`PersonError::Client`].
    pub fn glance(&self) -> Result<Status, PersonError> {
        match self.client.ask(&Request::Status)?.unverified()? {
            Response::Status(status) => Ok(status),
            _ => Err(PersonError::Unexpected),
        }
    }

    /// Asks for evidence over a new nonce and verifies it against the policy.
    ///
    /// # Errors
    ///
    /// [`PersonError::Client`] or [`PersonError::Evidence`].
    pub fn evidence(&self) -> Result<Fresh, PersonError> {
        let bytes = nonce()?;
        let answer = self.client.evidence(bytes.into())?;
        let nonce = Nonce::new(&bytes).map_err(|_| PersonError::Random)?;
        Ok(evidence::fresh(
            &self.verifier,
            answer.document.as_slice(),
            &self.policy.policy,
            &nonce,
            UnixMillis(now_ms()),
        )?)
    }

    /// The identity key of the running enclave, from evidence.
    ///
    /// # Errors
    ///
    /// As [`Self::evidence`].
    pub fn identity(&self) -> Result<IdentityKey, PersonError> {
        let kept = *self.identity.read().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Some(identity) => Ok(identity),
            None => self.renew(),
        }
    }

    /// Checks a statement under the identity key. If that fails and new evidence names another key,
    /// the enclave has been restarted: once more under that one.
    pub(super) fn check<T, E: Into<PersonError>>(
        &self,
        check: impl Fn(&IdentityKey) -> Result<T, E>,
    ) -> Result<T, PersonError> {
        let identity = self.identity()?;
        match check(&identity) {
            Ok(value) => Ok(value),
            Err(error) => {
                let renewed = self.renew()?;
                if renewed == identity {
                    return Err(error.into());
                }
                check(&renewed).map_err(Into::into)
            }
        }
    }

    fn renew(&self) -> Result<IdentityKey, PersonError> {
        let identity = *self.evidence()?.identity();
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(identity);
        Ok(identity)
    }
}

/// A client's nonce.
pub(crate) fn nonce() -> Result<[u8; 32], PersonError> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|_| PersonError::Random)?;
    Ok(nonce)
}
