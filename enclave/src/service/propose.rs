//! From an action to its prompt.

use openkey_consent::{Asker, read_payload};
use openkey_protocol::{
    message::{
        Action, Error, ErrorCode, Hash32, KeyId, NewPasskey, PasskeyCreated, Payload, Prompted,
        Propose, ReceiptKey, Response,
    },
    store::RecordStore,
};
use serde::{Deserialize, Serialize};

use super::{
    Enclave, REGISTRATION_LIFE,
    history::{Reader, Word},
    internal,
    prompt::{Draft, Whose},
    records::{Loaded, check_head},
    sign_up::timeout,
};
use crate::{
    account::{Account, Change, account_summary, check_name, new_passkey_summary},
    errors::refuse,
    seal::Kind,
};

/// A passkey that is about to be made for an account.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    account: Whose,
    origin: String,
    name: String,
    registration: String,
}

impl<S: RecordStore> Enclave<S> {
    /// Answers with a prompt, or with the options for a new passkey.
    pub(super) async fn propose(&self, request: Propose, hash: Hash32) -> Result<Response, Error> {
        self.check_origin(&request.origin)?;
        let loaded = self.proposed(&request).await?;
        match &request.action {
            Action::AddPasskey { name } => {
                let started = self.begin_passkey(&request, name, &loaded)?;
                Ok(Response::NewPasskey(started))
            }
            Action::Sign { key, payload } => {
                let prompted = self
                    .propose_signature(&request, *key, payload, &loaded)
                    .await?;
                Ok(Response::Prompted(prompted))
            }
            action => {
                let change = change(action, &loaded.account)?;
                loaded.account.check(&change, self.platform.clock.now())?;
                let (kind, summary) = account_summary(&loaded.account, action)?;
                let draft = Draft::new(kind, summary, change, hash, request.origin);
                let prompted = self.prompt(draft.for_account(&loaded))?;
                Ok(Response::Prompted(prompted))
            }
        }
    }

    /// The account of a proposal, for whoever may be told of it: whoever is signed in to it, or, before
    /// any sign-in, whoever holds its receipt. Every prompt of an account tells its state, so that it counts
    /// as shown.
    async fn proposed(&self, request: &Propose) -> Result<Loaded, Error> {
        if let Action::Confirm { receipt } = &request.action {
            return self.of_receipt(request, receipt).await;
        }
        let token = self.proposer(request)?;
        let place = self.place(request.user_handle).await?;
        let loaded = self.load_for(&place, &token, request.head.as_ref()).await?;
        // As for a read: what a read token showed is never forgotten.
        self.remember(&place, &loaded).await?;
        Ok(loaded)
    }

    /// The account of a confirmation. Whoever does not hold the receipt is answered as if there were no
    /// account: neither its id nor a head is compared with anything before the receipt is.
    async fn of_receipt(&self, request: &Propose, receipt: &Hash32) -> Result<Loaded, Error> {
        let head = request.head.as_ref();
        check_head(&request.account, head)?;
        let theirs = |found: &Account| found.receipt == *receipt && found.id == request.account;
        let unknown = || match head {
            // Whoever holds a head knows that there was an account.
            Some(_) => Error {
                message: "The store does not show the account of this receipt.".to_owned(),
                ..self.rolled_back_by(Word::Client)
            },
            None => refuse(ErrorCode::UnknownAccount),
        };
        let peeked = self.peek(request.user_handle, theirs).await?;
        let peeked = peeked
            .filter(|it| theirs(&it.account))
            .ok_or_else(unknown)?;
        if peeked.account.confirmed {
            // From now on others may know the receipt, which takes no turn any more.
            if let Some(head) = head {
                self.continues_known(&peeked, head, Reader::Beside).await?;
            }
            return Err(refuse(ErrorCode::AlreadyConfirmed));
        }
        let place = self.place(request.user_handle).await?;
        let found = self.find(&place, None).await?;
        let loaded = found.filter(|it| theirs(&it.account)).ok_or_else(unknown)?;
        if let Some(head) = head {
            self.continues_known(&loaded, head, Reader::Owner).await?;
        }
        self.check_life(&loaded.account)?;
        self.shown(&place, &loaded).await?;
        Ok(loaded)
    }

    async fn propose_signature(
        &self,
        request: &Propose,
        key: KeyId,
        payload: &Payload,
        loaded: &Loaded,
    ) -> Result<Prompted, Error> {
        let now = self.platform.clock.now();
        let address = loaded.account.signing_key(key)?.address;
        let change = Change::Sign { key, address };
        loaded.account.check(&change, now)?;
        // The page vouches for itself alone: which site gave the person the payload is not known.
        let asker = Asker::Page(&request.origin);
        let read = || read_payload(payload, &address, asker, now);
        let (id, bytes) = (loaded.account.id, payload.as_str().len());
        let read = self.effort.read(id, bytes, now, read).await?;
        let digest = Hash32(read.digest);
        let origin = request.origin.clone();
        let draft = Draft::new(read.kind, read.summary, change, digest, origin)
            .for_account(loaded)
            .with_key(ReceiptKey { key, address });
        self.prompt(draft)
    }

    fn begin_passkey(
        &self,
        request: &Propose,
        name: &str,
        loaded: &Loaded,
    ) -> Result<NewPasskey, Error> {
        let account = &loaded.account;
        if !account.confirmed {
            return Err(refuse(ErrorCode::NotConfirmed));
        }
        check_name(name)?;
        account.check_room_for_passkey()?;
        let begun = self.relying_party.begin_registration(
            &account.user_handle,
            &account.name,
            account.passkeys.iter().map(|p| p.id.clone()).collect(),
            timeout(REGISTRATION_LIFE),
        )?;
        let expires_at = self.platform.clock.now() + REGISTRATION_LIFE;
        let context = Context {
            account: loaded.whose(),
            origin: request.origin.clone(),
            name: name.to_owned(),
            registration: begun.state,
        };
        let random = self.platform.entropy.array();
        let context = self
            .sealer
            .issue(Kind::NewPasskey, expires_at, &random, &context)
            .map_err(internal)?;
        Ok(NewPasskey {
            options: begun.options,
            context: context.into(),
            expires_at,
        })
    }

    /// The new passkey is made: asks for the approval of an existing one. The digest covers the
    /// request, and with it this very credential.
    pub(super) async fn passkey_created(
        &self,
        request: PasskeyCreated,
        hash: Hash32,
    ) -> Result<Prompted, Error> {
        let context: Context = self.redeem(Kind::NewPasskey, &request.context)?.content;
        let now = self.platform.clock.now();
        let passkey = self.relying_party.finish_registration(
            &context.registration,
            &context.origin,
            &request.credential,
            &context.name,
            now,
        )?;
        let shown = &context.account.head;
        let place = self.place(context.account.user_handle).await?;
        let loaded = self.load(&place, Some(&shown.account), None).await?;
        if loaded.hash != shown.hash {
            return Err(refuse(ErrorCode::AccountChanged));
        }
        // The context is given to whoever is signed in, and to nobody else.
        self.remember(&place, &loaded).await?;
        drop(place);
        let (kind, summary) = new_passkey_summary(&loaded.account, &passkey);
        let change = Change::AddPasskey(Box::new(passkey));
        loaded.account.check(&change, now)?;
        let draft = Draft::new(kind, summary, change, hash, context.origin);
        self.prompt(draft.for_account(&loaded))
    }
}

impl Loaded {
    pub(super) fn whose(&self) -> Whose {
        Whose {
            user_handle: self.account.user_handle,
            head: self.head(),
        }
    }
}

/// What an action other than a signature or a new passkey does.
fn change(action: &Action, account: &Account) -> Result<Change, Error> {
    Ok(match action.clone() {
        Action::Confirm { receipt } => Change::Confirm { receipt },
        Action::RenamePasskey { passkey, name } => Change::RenamePasskey { passkey, name },
        Action::RemovePasskey { passkey } => Change::RemovePasskey { passkey },
        Action::CreateKey { label } => Change::CreateKey { label },
        Action::LabelKey { key, label } => Change::LabelKey {
            key,
            address: account.key(key)?.address,
            label,
        },
        Action::ArchiveKey { key } => Change::ArchiveKey { key },
        Action::RestoreKey { key } => Change::RestoreKey { key },
        Action::Sign { .. } | Action::AddPasskey { .. } => {
            return Err(refuse(ErrorCode::Internal));
        }
    })
}
