//! From nobody to an account.

use openkey_protocol::message::{
    Action, Bytes, Outcome, Request, Response, SignUp, SignUpFinish, SignUpStarted, SignedUp,
};
use openkey_verifier::receipt::{self, CheckedReceipt, Registration};

use super::{Person, PersonError};

/// A registration on its way: the first half.
pub struct Registering {
    /// As it came: options for the device, the sealed context.
    pub started: SignUpStarted,
    /// The nonce of the call that began it.
    pub nonce: Bytes,
}

impl Person {
    /// Signs up, checks the receipt, confirms it: a new account, signed in.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn sign_up(&mut self, name: &str) -> Result<CheckedReceipt, PersonError> {
        let receipt = self.register(name)?;
        self.confirm(&receipt)?;
        Ok(receipt)
    }

    /// Signs up as far as the checked receipt. The key signs nothing yet.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn register(&mut self, name: &str) -> Result<CheckedReceipt, PersonError> {
        let registering = self.begin_sign_up(name)?;
        let credential = self
            .device
            .create(&registering.started.options, &self.behaviour)?;
        self.finish_sign_up(
            &registering,
            SignUpFinish {
                context: registering.started.context.clone(),
                credential,
            },
        )
    }

    /// The first half of a sign-up.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn begin_sign_up(&self, name: &str) -> Result<Registering, PersonError> {
        let request = Request::SignUp(SignUp {
            origin: self.site.origin().to_owned(),
            name: name.to_owned(),
        });
        let replied = self.site.client().ask(&request)?;
        let (Response::SignUpStarted(started), _) = self.site.open(&replied, None)? else {
            return Err(PersonError::Unexpected);
        };
        Ok(Registering {
            started,
            nonce: replied.nonce().clone(),
        })
    }

    /// The second half of a sign-up: the receipt must name the newest passkey of the device.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn finish_sign_up(
        &mut self,
        registering: &Registering,
        finish: SignUpFinish,
    ) -> Result<CheckedReceipt, PersonError> {
        let Response::SignedUp(signed_up) = self.site.call(&Request::SignUpFinish(finish))? else {
            return Err(PersonError::Unexpected);
        };
        self.take_receipt(registering, &signed_up)
    }

    /// Checks a receipt against the newest passkey of the device and takes the account up.
    ///
    /// # Errors
    ///
    /// [`PersonError::Receipt`].
    pub fn take_receipt(
        &mut self,
        registering: &Registering,
        signed_up: &SignedUp,
    ) -> Result<CheckedReceipt, PersonError> {
        let passkey = self.device.passkeys().last();
        let passkey = passkey.ok_or(PersonError::NoAccount)?;
        let spki = passkey.public_key_spki()?;
        let registration = Registration {
            nonce: Some(registering.nonce.as_slice()),
            credential_id: Some(passkey.id()),
            public_key_spki: Some(&spki),
        };
        let checked = self
            .site
            .check(|identity| receipt::check(identity, &signed_up.receipt, &registration))?;
        self.account = Some((checked.receipt.account, checked.receipt.user_handle));
        self.keys.clone_from(&checked.receipt.keys);
        // What the receipt says was so when it was signed.
        self.keep_head(signed_up.head, checked.receipt.issued_at);
        Ok(checked)
    }

    /// Confirms a receipt with the new passkey; signed in afterwards.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn confirm(&mut self, receipt: &CheckedReceipt) -> Result<(), PersonError> {
        let action = Action::Confirm {
            receipt: receipt.hash,
        };
        match self.perform(action)? {
            Outcome::SignedIn { .. } => Ok(()),
            _ => Err(PersonError::Unexpected),
        }
    }
}
