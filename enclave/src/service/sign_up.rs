//! Registration: a new account with its first passkey and its first key.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use openkey_protocol::{
    message::{
        AccountId, AccountReceipt, Address, Bytes, Error, ErrorCode, Hash32, Key32, KeyId,
        ReceiptCredential, ReceiptKey, SignUp, SignUpFinish, SignUpStarted, Signed, SignedUp,
        UserHandle,
    },
    store::RecordStore,
};
use openkey_verifier::receipt::account_id;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Enclave, REGISTRATION_LIFE, internal,
    records::{Committed, Loaded},
};
use crate::{
    account::{Account, OwnerKey, Passkey, check_name},
    chain::Chain,
    errors::{refuse, refuse_because},
    seal::{Kind, Ticket},
    sign::{self, Reason},
};

/// A sign-up that was finished, and not by the passkey that finishes it now: this one stands in no account.
fn finished_by_another() -> Error {
    Error {
        message: "This sign-up was finished with another passkey.".to_owned(),
        advice: "The passkey that was just made stands in no account. Create an account anew, and use no address \
                 of this sign-up: somebody else may hold its key."
            .to_owned(),
        ..refuse(ErrorCode::ContextUsed)
    }
}

/// Milliseconds in which sign-ups are counted.
const WINDOW: u64 = 60_000;
/// What the first passkey and the first key are called until their owner says otherwise.
const FIRST_PASSKEY: &str = "First passkey";
const FIRST_KEY: &str = "First key";

/// A registration under way. It holds neither a key nor what one could be computed from without the
/// root key, and it does not fix whose account it becomes: account and key follow from the public key
/// of the passkey that finishes it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    /// The identity key of the boot that began it: only there can it make an account.
    boot: Key32,
    user_handle: UserHandle,
    origin: String,
    name: String,
    nonce: Bytes,
    registration: String,
}

/// Counts finished registrations by the minute, and remembers those of this boot.
pub(crate) struct SignUps {
    per_minute: u32,
    state: Mutex<(u64, u32)>,
    finished: Mutex<HashMap<[u8; 16], Finished>>,
}

/// What a context was spent for.
struct Finished {
    account: AccountId,
    expires_at: u64,
}

impl SignUps {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            state: Mutex::new((0, 0)),
            finished: Mutex::default(),
        }
    }

    /// Spends a context for one account; for the same account again, as often as it is repeated, which counts
    /// once. Each is remembered until it ends, so there are never more than can be finished within
    /// [`REGISTRATION_LIFE`].
    ///
    /// What is only begun takes no place anywhere, and is not counted: whoever begins many and finishes none
    /// keeps nobody out.
    fn spend<T>(&self, ticket: &Ticket<T>, account: AccountId, now: u64) -> Result<(), Error> {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.retain(|_, finished| finished.expires_at > now);
        if let Some(spent) = finished.get(&ticket.id) {
            if spent.account != account {
                return Err(finished_by_another());
            }
            return Ok(());
        }
        self.admit(now)?;
        let spent = Finished {
            account,
            expires_at: ticket.expires_at,
        };
        finished.insert(ticket.id, spent);
        Ok(())
    }

    /// Refuses while as many are finished as may be.
    fn check(&self, now: u64) -> Result<(), Error> {
        self.count(now, 0)
    }

    fn admit(&self, now: u64) -> Result<(), Error> {
        self.count(now, 1)
    }

    fn count(&self, now: u64, more: u32) -> Result<(), Error> {
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
        *count += more;
        Ok(())
    }
}

impl<S: RecordStore> Enclave<S> {
    /// Begins a registration. Nothing is stored, and nothing counted. The call's nonce goes into the receipt.
    pub(super) fn sign_up(&self, request: SignUp, nonce: Bytes) -> Result<SignUpStarted, Error> {
        self.check_origin(&request.origin)?;
        check_name(&request.name)?;
        // No passkey is made that could not be used.
        self.sign_ups.check(self.platform.clock.now())?;
        let user_handle = UserHandle(self.platform.entropy.array());
        let begun = self.relying_party.begin_registration(
            &user_handle,
            &request.name,
            Vec::new(),
            timeout(REGISTRATION_LIFE),
        )?;
        let expires_at = self.platform.clock.now() + REGISTRATION_LIFE;
        let context = Context {
            boot: Key32(self.platform.identity.public()),
            user_handle,
            origin: request.origin,
            name: request.name,
            nonce,
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

    /// Makes the sealed key that a consent makes, with the public key of the passkey that gave it.
    pub(super) fn new_key(
        &self,
        account: AccountId,
        key: KeyId,
        reason: Reason<'_>,
        public_key_sha256: &Hash32,
    ) -> Result<sign::SealedKey, Error> {
        sign::make_for(
            &self.sealer,
            &account,
            key,
            (reason, public_key_sha256),
            &self.platform.entropy.array(),
        )
        .map_err(internal)
    }

    /// Ends a registration: stores the account and gives its receipt. Repeated with the same passkey it
    /// gives the same receipt again, at any boot, because an answer may get lost. Finished with another
    /// passkey it makes nothing, and if it did it would be another account with another key.
    pub(super) async fn finish_sign_up(&self, request: SignUpFinish) -> Result<SignedUp, Error> {
        let ticket: Ticket<Context> = self.redeem(Kind::SignUp, &request.context)?;
        let context = &ticket.content;
        let now = self.platform.clock.now();
        let passkey = self.relying_party.finish_registration(
            &context.registration,
            &context.origin,
            &request.credential,
            FIRST_PASSKEY,
            now,
        )?;
        let account = account_id(&context.user_handle, &passkey.public_key_sha256);
        let place = self.place(context.user_handle).await?;
        if let Some(loaded) = self.find(&place, None).await? {
            let done = self.again(context, &passkey, &account, &loaded)?;
            self.shown(&place, &loaded).await?;
            return Ok(done);
        }
        if context.boot.0 != self.platform.identity.public() {
            return Err(refuse(ErrorCode::BeginAgain));
        }
        // What a context was spent for is forgotten when it ends.
        let now = self.before_end(&ticket)?;
        self.sign_ups.spend(&ticket, account, now)?;
        let reason = Reason::SignUp {
            context: &ticket.id,
        };
        let key = self.new_key(account, KeyId(0), reason, &passkey.public_key_sha256)?;
        let receipt = self.receipt(context, &passkey, account, key.address, now)?;
        let new = fresh(context, passkey.clone(), account, key, hash(&receipt), now);
        match self.commit(&place, None, &new).await {
            Ok(Committed::Done(head)) => Ok(SignedUp { receipt, head }),
            Ok(Committed::Conflict) => {
                // An earlier attempt whose answer was lost.
                let Ok(Some(loaded)) = self.find(&place, None).await else {
                    return Err(may_be_made());
                };
                let done = self.again(context, &passkey, &account, &loaded)?;
                self.shown(&place, &loaded).await?;
                Ok(done)
            }
            Err(error) if error.code == ErrorCode::OutcomeUnknown => Err(may_be_made()),
            Err(error) => Err(error),
        }
    }

    /// The answer to a repeated finish, for the passkey that made the account and no other.
    fn again(
        &self,
        context: &Context,
        passkey: &Passkey,
        account: &AccountId,
        loaded: &Loaded,
    ) -> Result<SignedUp, Error> {
        let stored = &loaded.account;
        let first = stored.keys.first().map(|key| key.address);
        let (true, Some(address)) = (stored.id == *account, first) else {
            return Err(finished_by_another());
        };
        let receipt = self.receipt(context, passkey, *account, address, stored.created_at)?;
        if hash(&receipt) != stored.receipt {
            return Err(finished_by_another());
        }
        Ok(SignedUp {
            receipt,
            head: loaded.head(),
        })
    }

    /// Signs the receipt of a new account.
    fn receipt(
        &self,
        context: &Context,
        passkey: &Passkey,
        account: AccountId,
        address: Address,
        created_at: u64,
    ) -> Result<Signed<AccountReceipt>, Error> {
        let receipt = AccountReceipt {
            account,
            user_handle: context.user_handle,
            version: 1,
            issued_at: created_at,
            rp_id: self.platform.configuration.rp_id().to_owned(),
            nonce: context.nonce.clone(),
            credentials: vec![ReceiptCredential {
                id: passkey.id.clone(),
                public_key_sha256: passkey.public_key_sha256,
            }],
            keys: vec![ReceiptKey {
                key: KeyId(0),
                address,
            }],
        };
        self.platform.identity.sign(&receipt).map_err(internal)
    }
}

/// The store did not confirm an account.
fn may_be_made() -> Error {
    Error {
        advice: "Finish the sign-up again with the same passkey: it makes the same account. An account that \
                 nobody confirms signs nothing and ends after a day."
            .to_owned(),
        ..refuse(ErrorCode::OutcomeUnknown)
    }
}

/// How long a ceremony may take, as WebAuthn wants it.
pub(super) fn timeout(life: u64) -> u32 {
    u32::try_from(life).unwrap_or(u32::MAX)
}

/// What the first passkey confirms.
fn hash(receipt: &Signed<AccountReceipt>) -> Hash32 {
    Hash32(Sha256::digest(receipt.body.as_slice()).into())
}

fn fresh(
    context: &Context,
    passkey: Passkey,
    account: AccountId,
    key: sign::SealedKey,
    receipt: Hash32,
    now: u64,
) -> Account {
    Account {
        id: account,
        user_handle: context.user_handle,
        name: context.name.clone(),
        created_at: now,
        receipt,
        confirmed: false,
        passkeys: vec![passkey],
        keys: vec![OwnerKey {
            address: key.address,
            sealed: key.sealed,
            label: FIRST_KEY.to_owned(),
            created_at: now,
            archived_at: None,
        }],
        used: Vec::new(),
        signed_at: Vec::new(),
        history: Chain::new(now),
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
        assert!(sign_ups.check(1_059_999).is_err());
        assert!((0..9).all(|_| sign_ups.check(1_060_000).is_ok()));
        assert!(sign_ups.admit(1_060_000).is_ok());
    }
}
