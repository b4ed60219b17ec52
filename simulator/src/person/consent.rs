//! Prompts and approvals.

use openkey_protocol::message::{
    AccountId, Action, Approve, Approved, Assertion, Bytes, Hash32, Outcome, Prompt, Prompted,
    Propose, ReceiptKey, Request, Response, SignIn, UserHandle,
};

use super::{Person, PersonError};

/// A checked prompt with what is needed to answer it.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What the enclave says it is about to do.
    pub prompt: Prompt,
    /// As it came: options for the device, the sealed context.
    pub prompted: Prompted,
    /// What the passkey that is to be added answered.
    pub possession: Option<Assertion>,
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
        let head = self.head().ok_or(PersonError::Unexpected)?;
        self.account = handle.map(|handle| (head.account, handle));
        self.account_id()
    }

    /// Asks for a sign-in prompt.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn propose_sign_in(&self) -> Result<Proposal, PersonError> {
        self.prompted(&Request::SignIn(SignIn {
            origin: self.site.origin().to_owned(),
        }))
    }

    /// Asks for a prompt and checks that it answers exactly this.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn propose(&self, action: Action) -> Result<Proposal, PersonError> {
        self.prompted(&self.proposal(action)?)
    }

    pub(super) fn proposal(&self, action: Action) -> Result<Request, PersonError> {
        let confirms = matches!(action, Action::Confirm { .. });
        Ok(Request::Propose(Propose {
            account: self.account_id()?,
            user_handle: self.user_handle()?,
            token: self.token.clone().filter(|_| !confirms),
            origin: self.site.origin().to_owned(),
            head: self.known,
            action,
        }))
    }

    pub(super) fn prompted(&self, request: &Request) -> Result<Proposal, PersonError> {
        match self.site.call(request)? {
            Response::Prompted(prompted) => Ok(Proposal {
                prompt: (*prompted.prompt).clone(),
                prompted,
                possession: None,
            }),
            _ => Err(PersonError::Unexpected),
        }
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
            possession: proposal.possession.clone(),
            head: self.known,
            confirmed,
        });
        let (Response::Approved(Approved { head, outcome }), at) =
            self.site.call_with_time(&request)?
        else {
            return Err(PersonError::Unexpected);
        };
        self.keep_head(head, at);
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
