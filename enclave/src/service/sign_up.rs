//! Registration: a new account with its first passkey and its first key.

use std::sync::{Mutex, PoisonError};

use openkey_protocol::{
    message::{
        AccountHead, AccountId, AccountReceipt, Address, Bytes, Error, ErrorCode, Hash32, KeyId,
        ReceiptCredential, ReceiptKey, SignUp, SignUpFinish, SignUpStarted, Signed, SignedUp,
    },
    store::RecordStore,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Enclave, REGISTRATION_LIFE, check_nonce, internal,
    records::{Committed, Loaded},
};
use crate::{
    account::{Account, OwnerKey, Passkey, check_name},
    errors::{refuse, refuse_because},
    seal::Kind,
    sign,
};

/// Milliseconds in which sign-ups are counted.
const WINDOW: u64 = 60_000;
/// What the first passkey and the first key are called until their owner says otherwise.
const FIRST_PASSKEY: &str = "First passkey";
const FIRST_KEY: &str = "First key";

/// A registration under way. Account and key are made at its beginning, so that ending it twice
/// gives the same account.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    account: AccountId,
    origin: String,
    name: String,
    nonce: Bytes,
    address: Address,
    key: Bytes,
    registration: String,
}

/// Counts registrations by the minute.
pub(crate) struct SignUps {
    per_minute: u32,
    state: Mutex<(u64, u32)>,
}

impl SignUps {
    pub(crate) const fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            state: Mutex::new((0, 0)),
        }
    }

    fn admit(&self, now: u64) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = &mut *state;
        if now.saturating_sub(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        if *count >= self.per_minute {
            return Err(refuse_because(
                ErrorCode::TooMany,
                "Too many accounts are being created at the moment.",
            ));
        }
        *count += 1;
        Ok(())
    }
}

impl<S: RecordStore> Enclave<S> {
    /// Begins a registration. Nothing is stored.
    pub(super) async fn sign_up(&self, request: SignUp) -> Result<SignUpStarted, Error> {
        self.check_origin(&request.origin)?;
        check_nonce(request.nonce.as_slice())?;
        check_name(&request.name)?;
        if self.versions.is_full() {
            return Err(refuse(ErrorCode::Full));
        }
        self.sign_ups.admit(self.platform.clock.now())?;
        let account = AccountId(self.platform.entropy.array());
        let key = self.new_key(account, KeyId(0)).await?;
        let begun = self.relying_party.begin_registration(
            &account,
            &request.name,
            Vec::new(),
            timeout(REGISTRATION_LIFE),
        )?;
        let expires_at = self.platform.clock.now() + REGISTRATION_LIFE;
        let context = Context {
            account,
            origin: request.origin,
            name: request.name,
            nonce: request.nonce,
            address: key.address,
            key: key.sealed,
            registration: begun.state,
        };
        let context = self
            .sealer
            .issue(
                Kind::SignUp,
                expires_at,
                &self.platform.entropy.array(),
                &context,
            )
            .map_err(internal)?;
        Ok(SignUpStarted {
            options: begun.options,
            context: context.into(),
            expires_at,
        })
    }

    /// Makes a sealed key for an account.
    pub(super) async fn new_key(
        &self,
        account: AccountId,
        key: KeyId,
    ) -> Result<sign::SealedKey, Error> {
        let secret = self
            .platform
            .entropy
            .secret()
            .await
            .map_err(|error| self.platform.nsm_failed(error))?;
        sign::make(
            &self.sealer,
            &account,
            key,
            &secret,
            &self.platform.entropy.array(),
        )
        .map_err(internal)
    }

    /// Ends a registration: stores the account and gives its receipt. Repeated, it gives the same
    /// receipt again, until the account goes its own way.
    pub(super) async fn finish_sign_up(&self, request: SignUpFinish) -> Result<SignedUp, Error> {
        let context: Context = self.redeem(Kind::SignUp, &request.context)?.content;
        let now = self.platform.clock.now();
        let passkey = self.relying_party.finish_registration(
            &context.registration,
            &context.origin,
            &request.credential,
            FIRST_PASSKEY,
            now,
        )?;
        let place = self.place(context.account).await;
        if let Some(loaded) = self.find(&place, None).await? {
            return self.again(&context, &passkey, &loaded);
        }
        let account = fresh(&context, passkey, now);
        let (receipt, account) = self.receipt(&context, account)?;
        match self.commit(&place, None, account, None).await? {
            Committed::Done(head) => self.signed_up(receipt, &head),
            Committed::Conflict => {
                // A replica, or an earlier attempt whose answer was lost.
                let loaded = self
                    .find(&place, None)
                    .await?
                    .ok_or_else(|| refuse(ErrorCode::Conflict))?;
                let passkey = loaded
                    .account
                    .passkey(request.credential.id.as_slice())?
                    .clone();
                self.again(&context, &passkey, &loaded)
            }
        }
    }

    /// The answer to a repeated finish.
    fn again(
        &self,
        context: &Context,
        passkey: &Passkey,
        loaded: &Loaded,
    ) -> Result<SignedUp, Error> {
        let stored = &loaded.account;
        let same = stored.passkeys.first().is_some_and(|first| {
            first.id == passkey.id && first.public_key_sha256 == passkey.public_key_sha256
        });
        if loaded.version != 1 || !same {
            return Err(refuse(ErrorCode::ContextUsed));
        }
        let (receipt, rebuilt) = self.receipt(context, stored.clone())?;
        if rebuilt.receipt != stored.receipt {
            return Err(refuse(ErrorCode::ContextUsed));
        }
        self.signed_up(receipt, &loaded.head())
    }

    /// Signs the receipt of a new account and notes its hash in the account.
    fn receipt(
        &self,
        context: &Context,
        mut account: Account,
    ) -> Result<(Signed<AccountReceipt>, Account), Error> {
        let credential = |passkey: &Passkey| ReceiptCredential {
            id: passkey.id.clone(),
            public_key_sha256: passkey.public_key_sha256,
        };
        let receipt = AccountReceipt {
            account: account.id,
            version: 1,
            issued_at: account.created_at,
            rp_id: self.platform.configuration.rp_id().to_owned(),
            nonce: context.nonce.clone(),
            credentials: account.passkeys.iter().map(credential).collect(),
            keys: vec![ReceiptKey {
                key: KeyId(0),
                address: context.address,
            }],
        };
        let receipt = self.platform.identity.sign(&receipt).map_err(internal)?;
        account.receipt = Hash32(Sha256::digest(receipt.body.as_slice()).into());
        Ok((receipt, account))
    }

    fn signed_up(
        &self,
        receipt: Signed<AccountReceipt>,
        head: &AccountHead,
    ) -> Result<SignedUp, Error> {
        Ok(SignedUp {
            receipt,
            head: self.signed_head(head)?,
        })
    }
}

/// How long a ceremony may take, as WebAuthn wants it.
pub(super) fn timeout(life: u64) -> u32 {
    u32::try_from(life).unwrap_or(u32::MAX)
}

fn fresh(context: &Context, passkey: Passkey, now: u64) -> Account {
    Account {
        id: context.account,
        name: context.name.clone(),
        created_at: now,
        receipt: Hash32([0; 32]),
        confirmed: false,
        passkeys: vec![passkey],
        keys: vec![OwnerKey {
            address: context.address,
            sealed: context.key.clone(),
            label: FIRST_KEY.to_owned(),
            created_at: now,
            archived_at: None,
        }],
        used: Vec::new(),
        signed_at: Vec::new(),
        history: 0,
        landmarks: Vec::new(),
        previous: Hash32([0; 32]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ups_are_bounded_by_the_minute() {
        let sign_ups = SignUps::new(2);
        assert!(sign_ups.admit(1_000_000).is_ok());
        assert!(sign_ups.admit(1_000_001).is_ok());
        let refused = sign_ups.admit(1_059_999).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooMany);
        assert!(sign_ups.admit(1_060_000).is_ok());
    }
}
