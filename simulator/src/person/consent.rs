//! Prompts and approvals.

use openkey_protocol::cbor;
use openkey_protocol::message::{
    AccountId, Action, Approve, Approved, Assertion, Bytes, Hash32, Outcome, Prompt, Prompted,
    Propose, ReceiptKey, Request, Response, SignIn, UserHandle,
};
use openkey_verifier::client::ClientError;
use openkey_verifier::prompt::Asked;
use openkey_verifier::{head, prompt};

use super::site::nonce;
use super::{Person, PersonError};
use crate::time::now_ms;

/// A checked prompt with what is needed to answer it.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What the enclave says it is about to do.
    pub prompt: Prompt,
    /// As it came: options for the device, the sealed context.
    pub prompted: Prompted,
}

impl Person {
    /// Signs in with whatever passkey the device offers.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn sign_in(&mut self) -> Result<AccountId, PersonError> {
        let proposal = self.propose_sign_in()?;
        let assertion = self.assert(&proposal)?;
        let handle = assertion.user_handle.as_ref().map(Bytes::as_slice);
        let handle = handle.and_then(|handle| handle.try_into().ok().map(UserHandle));
        match self.approve_with(&proposal, assertion, None)? {
            Outcome::SignedIn { .. } => {}
            _ => return Err(PersonError::Unexpected),
        }
        let head = self.head.ok_or(PersonError::Unexpected)?;
        self.account = handle.map(|handle| (head.account, handle));
        self.account_id()
    }

    /// Asks for a sign-in prompt.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn propose_sign_in(&self) -> Result<Proposal, PersonError> {
        let nonce = nonce()?;
        let request = Request::SignIn(SignIn {
            origin: self.site.origin().to_owned(),
            nonce: nonce.into(),
        });
        self.prompted(&request, &nonce)
    }

    /// Asks for a prompt and checks that it answers exactly this.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn propose(&self, action: Action) -> Result<Proposal, PersonError> {
        let nonce = nonce()?;
        self.prompted(&self.proposal(action, &nonce)?, &nonce)
    }

    pub(super) fn proposal(
        &self,
        action: Action,
        nonce: &[u8; 32],
    ) -> Result<Request, PersonError> {
        Ok(Request::Propose(Propose {
            account: self.account_id()?,
            user_handle: self.user_handle()?,
            origin: self.site.origin().to_owned(),
            nonce: (*nonce).into(),
            head: self.head,
            action,
        }))
    }

    pub(super) fn prompted(
        &self,
        request: &Request,
        nonce: &[u8; 32],
    ) -> Result<Proposal, PersonError> {
        let Response::Prompted(prompted) = self.site.call(request)? else {
            return Err(PersonError::Unexpected);
        };
        self.take_prompt(request, nonce, prompted)
    }

    /// Checks that a prompt answers this request.
    ///
    /// # Errors
    ///
    /// [`PersonError::Prompt`].
    pub fn take_prompt(
        &self,
        request: &Request,
        nonce: &[u8],
        prompted: Prompted,
    ) -> Result<Proposal, PersonError> {
        let sent = cbor::encode(request).map_err(|_| ClientError::Request)?;
        let asked = Asked {
            request: &sent,
            nonce,
            origin: self.site.origin(),
            now_ms: now_ms(),
        };
        let prompt = self
            .site
            .check(|identity| prompt::check(identity, &prompted.prompt, &asked))?;
        Ok(Proposal { prompt, prompted })
    }

    /// Touches the device.
    ///
    /// # Errors
    ///
    /// [`PersonError::Authenticator`].
    pub fn assert(&self, proposal: &Proposal) -> Result<Assertion, PersonError> {
        Ok(self
            .device
            .get(&proposal.prompted.options, &self.behaviour)?)
    }

    /// Approves a prompt. One that is flagged dangerous needs [`Self::approve_danger`].
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn approve(&mut self, proposal: &Proposal) -> Result<Outcome, PersonError> {
        let assertion = self.assert(proposal)?;
        self.approve_with(proposal, assertion, None)
    }

    /// Approves a prompt a second time, knowing that it is dangerous.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn approve_danger(&mut self, proposal: &Proposal) -> Result<Outcome, PersonError> {
        let assertion = self.assert(proposal)?;
        self.approve_with(proposal, assertion, Some(proposal.prompt.digest))
    }

    /// Sends an approval made elsewhere.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn approve_with(
        &mut self,
        proposal: &Proposal,
        assertion: Assertion,
        confirmed: Option<Hash32>,
    ) -> Result<Outcome, PersonError> {
        let request = Request::Approve(Approve {
            context: proposal.prompted.context.clone(),
            assertion,
            head: self.head,
            confirmed,
        });
        let Response::Approved(Approved { head, outcome }) = self.site.call(&request)? else {
            return Err(PersonError::Unexpected);
        };
        let known = self.head;
        let head = self
            .site
            .check(|identity| head::check(identity, &head, known.as_ref()))?;
        self.head = Some(head);
        match &outcome {
            Outcome::SignedIn { token, .. } => self.token = Some(token.clone()),
            Outcome::KeyCreated(view) => self.keys.push(ReceiptKey {
                key: view.key,
                address: view.address,
            }),
            _ => {}
        }
        Ok(outcome)
    }

    /// Proposes and approves.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn perform(&mut self, action: Action) -> Result<Outcome, PersonError> {
        let proposal = self.propose(action)?;
        self.approve(&proposal)
    }
}
