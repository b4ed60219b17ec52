//! From an approval to its effect: all checks first, then one atomic commit that consumes the
//! context and records the decision, and only then the answer.

use openkey_protocol::{
    message::{AccountId, Approve, Approved, Error, ErrorCode, KeyId, Outcome, PromptKind},
    store::RecordStore,
};

use super::{
    Enclave,
    prompt::Context,
    read::token_life,
    records::{Committed, Loaded, Place},
};
use crate::{
    account::{Account, Change, Decision, Link, OwnerKey},
    errors::{refuse, refuse_because},
    event::EnclaveEvent,
    seal::{Kind, SealError, Ticket},
    sign::{self, KeyError, SealedKey},
};

/// How often an approval is judged anew because a replica's change was faster.
const ATTEMPTS: usize = 4;

/// What is about to be committed.
struct Next {
    account: Account,
    link: Link,
    outcome: Pending,
}

/// An outcome that is not released before the commit.
enum Pending {
    Token,
    Ready(Outcome),
}

impl<S: RecordStore> Enclave<S> {
    pub(super) async fn approve(&self, request: Approve) -> Result<Approved, Error> {
        let ticket: Ticket<Context> = self.redeem(Kind::Prompt, &request.context)?;
        check_confirmation(&ticket.content, &request)?;
        let place = self.place(whose(&ticket.content, &request)?).await;
        for _ in 0..ATTEMPTS {
            let loaded = self.load(&place, request.head.as_ref()).await?;
            let next = self.decide(&place, &loaded, &ticket, &request).await?;
            let link = Some(&next.link);
            if let Committed::Done(head) = self
                .commit(&place, Some(&loaded), next.account, link)
                .await?
            {
                let outcome = match next.outcome {
                    Pending::Ready(outcome) => outcome,
                    Pending::Token => self.token(place.account, &request)?,
                };
                return Ok(Approved {
                    head: self.signed_head(&head)?,
                    outcome,
                });
            }
        }
        Err(refuse(ErrorCode::Conflict))
    }

    /// Judges an approval against the account as it stands.
    async fn decide(
        &self,
        place: &Place<'_>,
        loaded: &Loaded,
        ticket: &Ticket<Context>,
        request: &Approve,
    ) -> Result<Next, Error> {
        let context = &ticket.content;
        let now = self.platform.clock.now();
        let mut account = loaded.account.clone();
        account.check_unused(&ticket.id)?;
        if context.change.changes_authority() && context.version != loaded.version {
            return Err(refuse(ErrorCode::AccountChanged));
        }
        let assertion = &request.assertion;
        let passkey = account.passkey_mut(assertion.credential_id.as_slice())?;
        let verified = self.relying_party.finish_assertion(
            &context.assertion,
            &context.origin,
            &place.account,
            passkey,
            assertion,
        )?;
        passkey.counter = verified.counter;
        passkey.used_at = Some(now);
        if let Some(credential) = verified.credential {
            passkey.credential = credential;
        }
        account.check(&context.change, now)?;

        let outcome = self.effect(place, &account, context).await?;
        account.apply(&context.change, outcome.new_key, now)?;
        account.consume(&ticket.id, ticket.expires_at, now)?;
        let signature = match &outcome.pending {
            Pending::Ready(Outcome::Signature { signature, .. }) => Some(signature.clone()),
            _ => None,
        };
        let link = account.record(
            Decision {
                kind: context.kind,
                title: context.title.clone(),
                origin: context.origin.clone(),
                passkey: assertion.credential_id.clone(),
                digest: context.digest,
                key: context.change.signs(),
                signature,
            },
            now,
        )?;
        Ok(Next {
            account,
            link,
            outcome: outcome.pending,
        })
    }

    /// What the change gives its owner, and the key it makes.
    async fn effect(
        &self,
        place: &Place<'_>,
        account: &Account,
        context: &Context,
    ) -> Result<Effect, Error> {
        let effect = |pending| Effect {
            pending,
            new_key: None,
        };
        Ok(match &context.change {
            Change::SignIn | Change::Confirm { .. } => effect(Pending::Token),
            Change::Sign { key } => effect(Pending::Ready(self.sign(account, *key, context)?)),
            Change::CreateKey { label } => {
                let key = account.next_key();
                let made = self.new_key(place.account, key).await?;
                let owned = OwnerKey {
                    address: made.address,
                    sealed: made.sealed,
                    label: label.clone(),
                    created_at: self.platform.clock.now(),
                    archived_at: None,
                };
                Effect {
                    pending: Pending::Ready(Outcome::KeyCreated(owned.view(key))),
                    new_key: Some(owned),
                }
            }
            _ => effect(Pending::Ready(Outcome::Changed)),
        })
    }

    /// Signs the digest of the prompt, and nothing else.
    fn sign(&self, account: &Account, key: KeyId, context: &Context) -> Result<Outcome, Error> {
        let owned = account.signing_key(key)?;
        let sealed = SealedKey {
            address: owned.address,
            sealed: owned.sealed.clone(),
        };
        let signature = sign::sign(&self.sealer, &account.id, key, &sealed, &context.digest.0)
            .map_err(|error| match error {
                KeyError::Sealed(error) => self.unopened(error),
                KeyError::OtherAddress => self.unopened(SealError::Corrupt),
                KeyError::SelfCheck => {
                    self.platform.events.record(EnclaveEvent::SelfCheckFailed);
                    refuse(ErrorCode::Internal)
                }
            })?;
        Ok(Outcome::Signature {
            signature: signature.into(),
            digest: context.digest,
            address: owned.address,
        })
    }

    fn token(&self, account: AccountId, request: &Approve) -> Result<Outcome, Error> {
        let expires_at = token_life(self.platform.clock.now());
        let passkey = request.assertion.credential_id.clone();
        let token = self.issue_token(account, passkey, expires_at)?;
        Ok(Outcome::SignedIn { token, expires_at })
    }
}

struct Effect {
    pending: Pending,
    new_key: Option<OwnerKey>,
}

/// A dangerous prompt is approved only by whoever repeats its digest; a digest of something else is
/// a confusion in any case.
fn check_confirmation(context: &Context, request: &Approve) -> Result<(), Error> {
    match request.confirmed {
        Some(digest) if digest == context.digest => Ok(()),
        None if !context.confirm => Ok(()),
        Some(_) => Err(refuse_because(
            ErrorCode::ConfirmationNeeded,
            "What was confirmed is not what this prompt would sign.",
        )),
        None => Err(refuse(ErrorCode::ConfirmationNeeded)),
    }
}

/// The account an approval is about: the context's, or, for a sign-in, the one that the passkey
/// names.
fn whose(context: &Context, request: &Approve) -> Result<AccountId, Error> {
    if let Some(account) = context.account {
        return Ok(account);
    }
    if context.kind != PromptKind::SignIn {
        return Err(refuse(ErrorCode::ContextInvalid));
    }
    let handle = request.assertion.user_handle.as_ref();
    handle
        .and_then(|handle| handle.as_slice().try_into().ok())
        .map(AccountId)
        .ok_or_else(|| {
            refuse_because(
                ErrorCode::AssertionRefused,
                "The passkey does not say whose it is.",
            )
        })
}
