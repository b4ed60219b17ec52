//! From an approval to its effect: all checks first, then one atomic commit that consumes the
//! context and records the decision, and only then the answer.

use openkey_protocol::{
    message::{
        Approve, Approved, ApprovedBy, ConcernedKey, Error, ErrorCode, Hash32, HistoryEntry, KeyId,
        Outcome, PromptKind, UserHandle,
    },
    store::RecordStore,
};

use super::{
    Enclave,
    prompt::Context,
    read::token_end,
    records::{Committed, Loaded},
};
use crate::{
    account::{Account, Change, Decision, OwnerKey},
    chain::Link,
    errors::{refuse, refuse_because},
    event::EnclaveEvent,
    passkeys::Proven,
    seal::{Kind, SealError, Ticket},
    sign::{self, KeyError, Reason, SealedKey},
};

/// How often an approval is judged anew because a replica's change was faster.
const ATTEMPTS: usize = 4;

/// What is about to be committed, and what is released only afterwards.
struct Next {
    account: Account,
    link: Link<HistoryEntry>,
    outcome: Outcome,
}

impl<S: RecordStore> Enclave<S> {
    pub(super) async fn approve(&self, request: Approve) -> Result<Approved, Error> {
        let ticket: Ticket<Context> = self.redeem(Kind::Prompt, &request.context)?;
        check_confirmation(&ticket.content, &request)?;
        let shown = ticket.content.account.map(|whose| whose.head);
        let account = shown.as_ref().map(|head| &head.account);
        let user_handle = user_handle(&ticket.content, &request)?;
        let proven = self.answered(user_handle, &ticket, &request).await?;
        let place = self.place(user_handle).await?;
        // The record that a commit was decided on which the store may have kept.
        let mut open = None;
        for _ in 0..ATTEMPTS {
            let loaded = self.load(&place, account, request.head.as_ref()).await;
            let loaded = loaded.map_err(|error| known(not_spent(error), open))?;
            // Another decision stands where the commit would be: it had no effect and never will.
            open = open.filter(|record| *record == loaded.hash);
            let next = self.decide(&loaded, &ticket, &request, &proven);
            let next = next.map_err(|error| known(error, open))?;
            let before = Some((&loaded, &next.link));
            let committed = self.commit(&place, before, &next.account).await;
            let committed = committed.map_err(|error| known(not_spent(error), open))?;
            if let Committed::Done(head) = committed {
                let outcome = next.outcome;
                return Ok(Approved { head, outcome });
            }
            open = Some(loaded.hash);
        }
        Err(refuse(ErrorCode::OutcomeUnknown))
    }

    /// Refuses whoever cannot answer for the account, before anything of it is taken or spent: a sign-in asks
    /// for no account, so that anybody can name any. Only who is asked for is proven here; the rest, such as
    /// the head and the passkey's counter, is judged in the account's turn.
    async fn answered<'a>(
        &self,
        user_handle: UserHandle,
        ticket: &'a Ticket<Context>,
        request: &'a Approve,
    ) -> Result<Proven<'a>, Error> {
        let (context, assertion) = (&ticket.content, &request.assertion);
        let account = context.account.as_ref().map(|whose| &whose.head.account);
        let id = assertion.credential_id.as_slice();
        let peeked = self.peek_passkey(user_handle, account, request.head.as_ref(), id);
        let loaded = peeked.await.map_err(not_spent)?;
        let proof = loaded.account.passkey(id).and_then(|passkey| {
            self.relying_party.prove(
                &context.assertion,
                &context.origin,
                user_handle,
                passkey,
                assertion,
            )
        });
        // An approval that has counted may have removed its own passkey.
        proof.or_else(|error| fits(&loaded, ticket).and(Err(error)))
    }

    /// Judges an approval against the account as it stands, and dates the decision: before the end of its
    /// prompt, however long the request waited for its turn or for the store. So a look at the account is
    /// final [`TOLERANCE`](super::TOLERANCE) after that end, and the id of a used context can be forgotten
    /// with it.
    fn decide(
        &self,
        loaded: &Loaded,
        ticket: &Ticket<Context>,
        request: &Approve,
        proven: &Proven<'_>,
    ) -> Result<Next, Error> {
        let context = &ticket.content;
        let now = self.before_end(ticket)?;
        let mut account = loaded.account.clone();
        fits(loaded, ticket)?;
        let user_handle = account.user_handle;
        let passkey = account.passkey_mut(request.assertion.credential_id.as_slice())?;
        let verified = self.relying_party.judge(proven, &user_handle, passkey)?;
        passkey.answered(&verified);
        passkey.used_at = Some(now);
        let approved_by = ApprovedBy {
            id: passkey.id.clone(),
            name: passkey.name.clone(),
            public_key_sha256: passkey.public_key_sha256,
        };
        let possession = request.possession.as_ref();
        let change = self.proven(context, &user_handle, possession)?;
        account.check(&change, now)?;

        let outcome = self.effect(
            &account,
            ticket,
            request,
            &loaded.hash,
            &approved_by.public_key_sha256,
        )?;
        // As it is before the change: what a key is called afterwards is among the lines.
        let key = concerned(&account, &change, outcome.new_key.as_ref())?;
        account.apply(&change, outcome.new_key, now)?;
        account.consume(&ticket.id, ticket.expires_at, now)?;
        let signature = match &outcome.given {
            Outcome::Signature { signature, .. } => Some(signature.clone()),
            _ => None,
        };
        let link = account.record(
            Decision {
                record: loaded.hash,
                kind: context.kind,
                title: context.title.clone(),
                told: context.told.clone(),
                origin: context.origin.clone(),
                passkey: approved_by,
                digest: context.digest,
                key,
                signature,
            },
            now,
        )?;
        Ok(Next {
            account,
            link,
            outcome: outcome.given,
        })
    }

    /// What the change gives its owner, and the key it makes.
    fn effect(
        &self,
        account: &Account,
        ticket: &Ticket<Context>,
        request: &Approve,
        record: &Hash32,
        public_key_sha256: &Hash32,
    ) -> Result<Effect, Error> {
        let context = &ticket.content;
        let effect = |given| Effect {
            given,
            new_key: None,
        };
        Ok(match &context.change {
            Change::SignIn | Change::Confirm { .. } => {
                effect(self.token(account, ticket, request)?)
            }
            Change::Sign { key, .. } => effect(self.sign(account, *key, context)?),
            Change::CreateKey { label } => {
                let key = account.next_key();
                let reason = Reason::Prompt {
                    context: &ticket.id,
                    record,
                };
                let made = self.new_key(account.id, key, reason, public_key_sha256)?;
                let owned = OwnerKey {
                    address: made.address,
                    sealed: made.sealed,
                    label: label.clone(),
                    created_at: self.platform.clock.now(),
                    archived_at: None,
                };
                Effect {
                    given: Outcome::KeyCreated(owned.view(key)),
                    new_key: Some(owned),
                }
            }
            _ => effect(Outcome::Changed),
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

    fn token(
        &self,
        account: &Account,
        ticket: &Ticket<Context>,
        request: &Approve,
    ) -> Result<Outcome, Error> {
        let expires_at = token_end(ticket.expires_at);
        let passkey = request.assertion.credential_id.clone();
        let token = self.issue_token(account, passkey, expires_at)?;
        Ok(Outcome::SignedIn { token, expires_at })
    }
}

struct Effect {
    given: Outcome,
    new_key: Option<OwnerKey>,
}

/// Refuses a prompt that was answered already, or was shown for another record than the one that it changes.
fn fits(loaded: &Loaded, ticket: &Ticket<Context>) -> Result<(), Error> {
    let context = &ticket.content;
    loaded.account.check_unused(&ticket.id)?;
    // The number of a version says nothing: the host can bring another history to the same one.
    let shown = context.account.map(|whose| whose.head.hash);
    if context.change.changes_authority() && shown != Some(loaded.hash) {
        return Err(refuse(ErrorCode::AccountChanged));
    }
    Ok(())
}

/// The key that a decision concerns: one of the account's, or the one that it makes.
fn concerned(
    account: &Account,
    change: &Change,
    new: Option<&OwnerKey>,
) -> Result<Option<ConcernedKey>, Error> {
    let (key, owned) = match (change.key(), new) {
        (Some(key), _) => (key, account.key(key)?),
        (None, Some(new)) => (account.next_key(), new),
        (None, None) => return Ok(None),
    };
    Ok(Some(ConcernedKey {
        key,
        address: owned.address,
        label: owned.label.clone(),
    }))
}

/// What may be said of a refusal: `open` is the record of an earlier attempt whose commit the store may have
/// kept.
fn known(error: Error, open: Option<Hash32>) -> Error {
    match open {
        Some(_) => refuse(ErrorCode::OutcomeUnknown),
        None => error,
    }
}

/// A refusal for what the store shows, and not for the approval, which is spent by a commit alone: whoever
/// carries it can bring it again.
fn not_spent(error: Error) -> Error {
    if error.code == ErrorCode::OutcomeUnknown {
        return error;
    }
    Error {
        advice: format!(
            "{} Your approval itself can still be used until it expires, two minutes after its prompt.",
            error.advice
        ),
        ..error
    }
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

/// Where the account lies that an approval is about: the context says so, or, for a sign-in, the
/// passkey.
fn user_handle(context: &Context, request: &Approve) -> Result<UserHandle, Error> {
    if let Some(whose) = context.account {
        return Ok(whose.user_handle);
    }
    if context.kind != PromptKind::SignIn {
        return Err(refuse(ErrorCode::ContextInvalid));
    }
    let handle = request.assertion.user_handle.as_ref();
    handle
        .and_then(|handle| handle.as_slice().try_into().ok())
        .map(UserHandle)
        .ok_or_else(|| {
            refuse_because(
                ErrorCode::AssertionRefused,
                "The passkey does not say whose it is.",
            )
        })
}
