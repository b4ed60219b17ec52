//! What people do with an account: sign, add passkeys, read.

use openkey_protocol::message::{
    AccountView, Action, Address, Assertion, Hash32, HistoryEntry, KeyId, NewCredential,
    NewPasskey, Outcome, PasskeyCreated, Payload, Query, Read, ReceiptKey, Request, Response,
};
use sha3::{Digest, Keccak256};

use super::{Person, PersonError, Proposal};
use crate::authenticator::{Authenticator, AuthenticatorError};

/// Entries on a page of history: the most an enclave gives.
const HISTORY_PAGE: u32 = 50;

/// A checked signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// r ‖ s ‖ v.
    pub signature: [u8; 65],
    /// What was signed.
    pub digest: Hash32,
    /// Whose key.
    pub address: Address,
}

impl Person {
    /// Signs a text with the first key.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn sign_text(&mut self, text: &str) -> Result<Signature, PersonError> {
        let first = self.keys.first().map_or(KeyId(0), |first| first.key);
        self.sign(first, Payload::Text(text.to_owned()))
    }

    /// Signs with a key; the address is recovered from the signature and compared with the key's.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn sign(&mut self, key: KeyId, payload: Payload) -> Result<Signature, PersonError> {
        let proposal = self.propose(Action::Sign { key, payload })?;
        let outcome = self.approve(&proposal)?;
        self.check_signature(key, &proposal, &outcome)
    }

    /// Checks that an outcome is a signature by `key` over what was prompted.
    ///
    /// # Errors
    ///
    /// [`PersonError::Signature`].
    pub fn check_signature(
        &self,
        key: KeyId,
        proposal: &Proposal,
        outcome: &Outcome,
    ) -> Result<Signature, PersonError> {
        let Outcome::Signature {
            signature,
            digest,
            address,
        } = outcome
        else {
            return Err(PersonError::Unexpected);
        };
        let known = self.keys.iter().find(|known| known.key == key);
        let expected = known.map(|known| known.address).or(
            // A device that just signed in learns its keys from the prompt.
            proposal.prompt.key.as_ref().map(|shown| shown.address),
        );
        let bytes: [u8; 65] = signature
            .as_slice()
            .try_into()
            .map_err(|_| PersonError::Signature)?;
        let recovered = recover(digest, &bytes);
        if *digest != proposal.prompt.digest
            || recovered.is_none()
            || recovered != Some(*address)
            || recovered != expected
        {
            return Err(PersonError::Signature);
        }
        Ok(Signature {
            signature: bytes,
            digest: *digest,
            address: *address,
        })
    }

    /// Adds a passkey of another device, approved by this one.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn add_passkey(
        &mut self,
        name: &str,
        device: &mut Authenticator,
    ) -> Result<(), PersonError> {
        let proposal = self.propose_passkey(name, device)?;
        match self.approve(&proposal)? {
            Outcome::Changed => Ok(()),
            _ => Err(PersonError::Unexpected),
        }
    }

    /// Makes a passkey on another device and lets it answer; the prompt that an existing passkey must
    /// approve.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn propose_passkey(
        &self,
        name: &str,
        device: &mut Authenticator,
    ) -> Result<Proposal, PersonError> {
        let adding = self.begin_passkey(name)?;
        let credential = device.create(&adding.options, &self.behaviour)?;
        let mut proposal = self.passkey_created(&adding, credential)?;
        proposal.possession = Some(self.prove(&proposal, device)?);
        Ok(proposal)
    }

    /// Lets the newest passkey of a device sign the challenge of the prompt that adds it.
    ///
    /// # Errors
    ///
    /// [`PersonError::Authenticator`].
    pub fn prove(
        &self,
        proposal: &Proposal,
        device: &Authenticator,
    ) -> Result<Assertion, PersonError> {
        let passkey = device.passkeys().last();
        let passkey = passkey.ok_or(AuthenticatorError::NoCredential)?;
        Ok(passkey.answer(&proposal.prompted.options, &self.behaviour)?)
    }

    /// Asks for the options of a new passkey.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn begin_passkey(&self, name: &str) -> Result<NewPasskey, PersonError> {
        let action = Action::AddPasskey {
            name: name.to_owned(),
        };
        match self.site.call(&self.proposal(action)?)? {
            Response::NewPasskey(started) => Ok(started),
            _ => Err(PersonError::Unexpected),
        }
    }

    /// Names the new passkey; the prompt that an existing passkey must approve.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn passkey_created(
        &self,
        adding: &NewPasskey,
        credential: NewCredential,
    ) -> Result<Proposal, PersonError> {
        let request = Request::PasskeyCreated(PasskeyCreated {
            context: adding.context.clone(),
            credential,
        });
        self.prompted(&request)
    }

    /// The account as its owner sees it.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn account(&mut self) -> Result<AccountView, PersonError> {
        let (Response::Account(view), at) = self.read(Query::Account, None)? else {
            return Err(PersonError::Unexpected);
        };
        self.keep_head(view.head, at);
        self.keys = view
            .keys
            .iter()
            .map(|key| ReceiptKey {
                key: key.key,
                address: key.address,
            })
            .collect();
        Ok(view)
    }

    /// The whole history, newest first.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn history(&self) -> Result<Vec<HistoryEntry>, PersonError> {
        let mut entries = Vec::new();
        let (mut before, mut above) = (None, None);
        loop {
            let query = Query::History {
                before,
                limit: HISTORY_PAGE,
            };
            let (Response::History(page), _) = self.read(query, above)? else {
                return Err(PersonError::Unexpected);
            };
            above = page.entries.last().map(|entry| entry.previous);
            entries.extend(page.entries);
            match page.next {
                // It must go on downwards, or a lying enclave would never let us go.
                Some(next) if before.is_none_or(|before| next < before) => before = Some(next),
                Some(_) => return Err(PersonError::Unexpected),
                None => return Ok(entries),
            }
        }
    }

    fn read(&self, query: Query, above: Option<Hash32>) -> Result<(Response, u64), PersonError> {
        let replied = self.site.client().ask(&Request::Read(Read {
            token: self.token.clone().ok_or(PersonError::NoAccount)?,
            head: self.known,
            query,
        }))?;
        self.site.open(&replied, above)
    }
}

/// The address that made an Ethereum signature (r ‖ s ‖ v, v 27 or 28) over a digest.
#[must_use]
pub fn recover(digest: &Hash32, signature: &[u8; 65]) -> Option<Address> {
    let (v, r_s) = signature.split_last()?;
    let id = k256::ecdsa::RecoveryId::try_from(v.checked_sub(27)?).ok()?;
    let signature = k256::ecdsa::Signature::from_slice(r_s).ok()?;
    let key = k256::ecdsa::VerifyingKey::recover_from_prehash(&digest.0, &signature, id).ok()?;
    let point = key.to_sec1_point(false);
    let hash = Keccak256::digest(point.as_bytes().get(1..)?);
    hash.get(12..)?.try_into().ok().map(Address)
}
