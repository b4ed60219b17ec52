//! Prompts: what the enclave is about to do, told to the client and sealed for itself.

use openkey_protocol::{
    message::{
        AccountHead, Bytes, Error, ErrorCode, Excerpt, Hash32, Line, Prompt, PromptKind, Prompted,
        ReceiptKey, SignIn, Summary, UserHandle,
    },
    store::RecordStore,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Enclave, PROMPT_LIFE, internal, records::Loaded, sign_up::timeout};
use crate::{
    account::{Change, excerpt, title},
    errors::refuse,
    seal::{Kind, Ticket, TicketError},
};

/// A prompt that waits: what an approval must be compared with. The bytes that were shown are not
/// kept, their digest is: nothing else can be signed under this context.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Context {
    /// Absent for a sign-in, where the passkey says whose it is.
    pub(super) account: Option<Whose>,
    pub(super) origin: String,
    pub(super) kind: PromptKind,
    pub(super) title: String,
    /// The beginning of what was shown, for the history.
    pub(super) told: Excerpt,
    pub(super) digest: Hash32,
    /// Whether the approval must repeat the digest.
    pub(super) confirm: bool,
    pub(super) change: Change,
    /// The WebAuthn library's state: the challenge.
    pub(super) assertion: String,
}

/// Whose prompt it is, and the record it was shown for.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    pub(super) user_handle: UserHandle,
    pub(super) head: AccountHead,
}

/// What a prompt is made of. It cannot be made without saying what it is, what is shown and what
/// an approval does.
pub(super) struct Draft {
    kind: PromptKind,
    summary: Summary,
    change: Change,
    digest: Hash32,
    origin: String,
    account: Option<Whose>,
    key: Option<ReceiptKey>,
    allow: Vec<Bytes>,
}

impl Draft {
    /// A prompt that any passkey of this relying party may answer. `digest` is what the approval
    /// commits to.
    pub(super) fn new(
        kind: PromptKind,
        summary: Summary,
        change: Change,
        digest: Hash32,
        origin: String,
    ) -> Self {
        Self {
            kind,
            summary,
            change,
            digest,
            origin,
            account: None,
            key: None,
            allow: Vec::new(),
        }
    }

    /// Binds the prompt to an account as it was loaded: its passkeys alone may answer, for this
    /// record alone.
    pub(super) fn for_account(self, loaded: &Loaded) -> Self {
        let passkeys = &loaded.account.passkeys;
        Self {
            account: Some(loaded.whose()),
            allow: passkeys.iter().map(|passkey| passkey.id.clone()).collect(),
            ..self
        }
    }

    /// Names the key that will sign.
    pub(super) fn with_key(self, key: ReceiptKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }
}

impl<S: RecordStore> Enclave<S> {
    /// Begins a sign-in without a user name.
    pub(super) fn sign_in(&self, request: SignIn, hash: Hash32) -> Result<Prompted, Error> {
        self.check_origin(&request.origin)?;
        let summary = Summary {
            title: "Sign in".to_owned(),
            lines: vec![Line {
                label: "Allows".to_owned(),
                value: "To see your passkeys, keys and history for 15 minutes".to_owned(),
            }],
            ..Summary::default()
        };
        self.prompt(Draft::new(
            PromptKind::SignIn,
            summary,
            Change::SignIn,
            hash,
            request.origin,
        ))
    }

    /// Makes a prompt: a challenge of its own, words, and a sealed context.
    pub(super) fn prompt(&self, draft: Draft) -> Result<Prompted, Error> {
        let begun = self
            .relying_party
            .begin_assertion(draft.allow, timeout(PROMPT_LIFE))?;
        let mut summary = draft.summary;
        let (title, told) = (title(&summary), excerpt(draft.kind, &summary));
        summary.lines.push(Line {
            label: "Page".to_owned(),
            value: draft.origin.clone(),
        });
        let issued_at = self.platform.clock.now();
        let expires_at = issued_at + PROMPT_LIFE;
        let context = Context {
            account: draft.account,
            origin: draft.origin.clone(),
            kind: draft.kind,
            title,
            told,
            digest: draft.digest,
            confirm: summary.confirm,
            change: draft.change,
            assertion: begun.state,
        };
        let prompt = Prompt {
            kind: draft.kind,
            account: draft.account.map(|whose| whose.head.account),
            key: draft.key,
            head: draft.account.map(|whose| whose.head),
            challenge: begun.options.challenge.clone(),
            digest: draft.digest,
            origin: draft.origin,
            issued_at,
            expires_at,
            summary,
        };
        let context = self
            .sealer
            .issue(
                Kind::Prompt,
                expires_at,
                &self.platform.entropy.array(),
                &context,
            )
            .map_err(internal)?;
        Ok(Prompted {
            prompt: Box::new(prompt),
            options: begun.options,
            context: context.into(),
        })
    }

    /// The time at which something is decided under a ticket, if its time is not over by either clock.
    ///
    /// Asked where the decision is dated, beside [`Self::redeem`] at the beginning: in between a request
    /// waits for its turn and for the store, and the host has both in its hand.
    pub(super) fn before_end<T>(&self, ticket: &Ticket<T>) -> Result<u64, Error> {
        let now = self.platform.clock.now();
        // Never earlier than `now`, which was read before.
        if self.platform.clock.expiry_now() >= ticket.expires_at {
            return Err(refuse(ErrorCode::ContextExpired));
        }
        Ok(now)
    }

    /// Opens a context or token, if its time is not over by either clock.
    pub(super) fn redeem<T: Serialize + DeserializeOwned>(
        &self,
        kind: Kind,
        ticket: &Bytes,
    ) -> Result<Ticket<T>, Error> {
        self.sealer
            .redeem(kind, self.platform.clock.expiry_now(), ticket.as_slice())
            .map_err(|error| {
                refuse(match error {
                    TicketError::Invalid => ErrorCode::ContextInvalid,
                    TicketError::Expired => ErrorCode::ContextExpired,
                })
            })
    }
}
