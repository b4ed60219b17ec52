//! A person with a device, as a client that checks everything.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use openkey_simulator::person::{Person, Site};
//!
//! let policy = std::fs::read(".openkey/policy.json")?;
//! let api = "http://localhost:7100/api/v1/enclaves/e1";
//! let site = Site::new(api, "http://localhost:7100", &policy)?;
//! let mut ada = Person::new(site);
//! ada.sign_up("Ada")?;
//! let signed = ada.sign_text("hello")?;
//! println!("{:?} by {:?}", signed.signature, signed.address);
//! # Ok(())
//! # }
//! ```
//!
//! Every step can be taken alone ([`Person::propose`], [`Person::assert`],
//! [`Person::approve_with`]), so that a test can do something else in between; what the device does
//! wrong is [`Person::behaviour`].

mod acts;
mod consent;
mod error;
mod sign_up;
mod site;

use std::sync::Arc;

use openkey_protocol::message::{AccountHead, AccountId, Bytes, KnownHead, ReceiptKey, UserHandle};

pub use self::acts::{Signature, recover};
pub use self::consent::Proposal;
pub use self::error::PersonError;
pub use self::sign_up::Registering;
pub use self::site::Site;
pub(crate) use self::site::nonce;
use crate::authenticator::{Authenticator, Behaviour};

/// A person with a device.
pub struct Person {
    site: Arc<Site>,
    /// Their device.
    pub device: Authenticator,
    /// Where they are, and what browser and device do wrong.
    pub behaviour: Behaviour,
    account: Option<(AccountId, UserHandle)>,
    known: Option<KnownHead>,
    token: Option<Bytes>,
    keys: Vec<ReceiptKey>,
}

impl Person {
    /// Somebody new, with a device without passkeys.
    #[must_use]
    pub fn new(site: Arc<Site>) -> Self {
        Self {
            behaviour: Behaviour::at(site.origin()),
            site,
            device: Authenticator::new(),
            account: None,
            known: None,
            token: None,
            keys: Vec::new(),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Goes on at another site: the same deployment, started again.
    pub fn use_site(&mut self, site: Arc<Site>) {
        self.behaviour.origin = site.origin().to_owned();
        self.site = site;
    }

    /// Their account.
    ///
    /// # Errors
    ///
    /// [`PersonError::NoAccount`] before a sign-up or sign-in.
    pub fn account_id(&self) -> Result<AccountId, PersonError> {
        Ok(self.account.ok_or(PersonError::NoAccount)?.0)
    }

    /// The user handle of their passkeys.
    ///
    /// # Errors
    ///
    /// [`PersonError::NoAccount`] before a sign-up or sign-in.
    pub fn user_handle(&self) -> Result<UserHandle, PersonError> {
        Ok(self.account.ok_or(PersonError::NoAccount)?.1)
    }

    /// The newest head they saw.
    #[must_use]
    pub fn head(&self) -> Option<AccountHead> {
        self.known.map(|known| known.head)
    }

    /// The newest head they saw, and when it was shown last.
    #[must_use]
    pub const fn known(&self) -> Option<KnownHead> {
        self.known
    }

    /// Holds this head as the newest, as a device does that was away since.
    pub const fn know(&mut self, known: KnownHead) {
        self.known = Some(known);
    }

    /// Forgets the head, as a device does that never saw the account.
    pub const fn forget_head(&mut self) {
        self.known = None;
    }

    /// Keeps what an answer of this time showed as current.
    fn keep_head(&mut self, head: AccountHead, at: u64) {
        self.known = Some(KnownHead::after(self.known, head, at));
    }

    /// Their read token.
    #[must_use]
    pub const fn token(&self) -> Option<&Bytes> {
        self.token.as_ref()
    }

    /// Reads with this token from now on.
    pub fn use_token(&mut self, token: Bytes) {
        self.token = Some(token);
    }

    /// Their keys, as the receipt or the account named them.
    #[must_use]
    pub fn keys(&self) -> &[ReceiptKey] {
        &self.keys
    }

    /// Takes up another person's account, without their head.
    pub fn resume(&mut self, other: &Self) {
        self.account = other.account;
        self.keys.clone_from(&other.keys);
    }
}
