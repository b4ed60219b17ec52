//! Accounts in the host's store: loading what may be believed, committing what was decided.

use openkey_protocol::{
    cbor,
    message::{
        AccountHead, AccountId, Error, ErrorCode, Hash32, HistoryEntry, KnownHead, Record,
        RecordId, UserHandle, Write,
    },
    store::{RecordStore, StoreError},
};
use sha2::{Digest, Sha256};

use super::{
    Enclave, UNCONFIRMED_LIFE,
    history::{History, Reader, State, Word},
    internal,
    read::Token,
    turns::Turn,
};
use crate::{
    account::{Account, SCHEMA},
    chain::Link,
    errors::{refuse, refuse_because},
    event::EnclaveEvent,
    seal::{Kind, Name, SealError},
    versions::Seen,
};

/// Where an account lies, by its user handle, and the turn of a request about it.
pub(super) struct Place<'a> {
    pub(super) id: RecordId,
    pub(super) user_handle: UserHandle,
    _turn: Turn<'a>,
}

/// An account as it stands.
pub(super) struct Loaded {
    pub(super) account: Account,
    pub(super) version: u64,
    /// SHA-256 of the sealed record.
    pub(super) hash: Hash32,
    revision: u64,
}

impl Loaded {
    pub(super) fn head(&self) -> AccountHead {
        AccountHead {
            account: self.account.id,
            version: self.version,
            hash: self.hash,
            entry: self.account.history.newest(),
        }
    }

    const fn state(&self) -> State {
        State::new(self.version, self.hash)
    }

    /// This state, shown as current at a time.
    pub(super) const fn seen(&self, shown_at: u64) -> Seen {
        Seen {
            version: self.version,
            hash: self.hash,
            shown_at,
        }
    }
}

/// What became of a commit.
pub(super) enum Committed {
    /// Durable: the new head.
    Done(AccountHead),
    /// The store says that another writer was first, or shows that it was. It may have kept the commit all
    /// the same: only another state in its place says that it had no effect and never will.
    Conflict,
}

impl<S: RecordStore> Enclave<S> {
    /// Waits for a request's turn at an account's place, unless too many wait already. For whoever has shown
    /// that they may ask: by the account's read token or receipt, by a context that only those get, or by an
    /// assertion (see `unproven.rs`). Whoever knows no more than ids would keep the owner out.
    pub(super) async fn place(&self, user_handle: UserHandle) -> Result<Place<'_>, Error> {
        let id = self.sealer.record_id(Kind::Account, &user_handle.0, 0);
        Ok(Place {
            id,
            user_handle,
            _turn: self.turns.enter(id).await?,
        })
    }

    /// Reads an account that must exist. `account` is whose record the caller expects there.
    pub(super) async fn load(
        &self,
        place: &Place<'_>,
        account: Option<&AccountId>,
        known: Option<&KnownHead>,
    ) -> Result<Loaded, Error> {
        self.load_as(place, account, known, |_| Reader::Owner).await
    }

    /// Reads the account of a read token, in which the token's passkey must stand. Where it stands no more,
    /// checking the head takes nothing from those whose passkeys do.
    pub(super) async fn load_for(
        &self,
        place: &Place<'_>,
        token: &Token,
        known: Option<&KnownHead>,
    ) -> Result<Loaded, Error> {
        let reader = |account: &Account| match token.check_passkey(account) {
            Ok(()) => Reader::Owner,
            Err(_) => Reader::Beside,
        };
        let account = Some(&token.account);
        let loaded = self.load_as(place, account, known, reader).await?;
        token.check_passkey(&loaded.account)?;
        Ok(loaded)
    }

    async fn load_as(
        &self,
        place: &Place<'_>,
        account: Option<&AccountId>,
        known: Option<&KnownHead>,
        reader: impl Fn(&Account) -> Reader,
    ) -> Result<Loaded, Error> {
        if let Some(account) = account {
            check_head(account, known)?;
        }
        let Some(loaded) = self.find_as(place, known, reader).await? else {
            return Err(refuse(ErrorCode::UnknownAccount));
        };
        // The same sign-up, finished with another passkey, makes another account in the same place.
        if account.is_some_and(|account| *account != loaded.account.id) {
            return Err(self.forked_by(Word::Client));
        }
        self.check_life(&loaded.account)?;
        Ok(loaded)
    }

    /// Refuses an account that was not confirmed in time. Nobody can have relied on it: its key has
    /// signed nothing.
    pub(super) fn check_life(&self, account: &Account) -> Result<(), Error> {
        // By the attested clock alone: the end is stated and signed, and the host can move the other one.
        let now = self.platform.clock.now();
        let age = now.saturating_sub(account.created_at);
        if !account.confirmed && age >= UNCONFIRMED_LIFE {
            return Err(refuse_because(
                ErrorCode::UnknownAccount,
                "The account was not confirmed within a day and has ended.",
            ));
        }
        Ok(())
    }

    /// Reads an account in its turn. `None` only if neither this enclave nor the client ever knew one. What is
    /// returned continues the newest state that this enclave has seen and the head that the client holds, by
    /// decisions that were not there when these were last shown and cannot have been.
    pub(super) async fn find(
        &self,
        place: &Place<'_>,
        known: Option<&KnownHead>,
    ) -> Result<Option<Loaded>, Error> {
        self.find_as(place, known, |_| Reader::Owner).await
    }

    /// As [`Self::find`], for a reader that follows from the account.
    async fn find_as(
        &self,
        place: &Place<'_>,
        known: Option<&KnownHead>,
        reader: impl Fn(&Account) -> Reader,
    ) -> Result<Option<Loaded>, Error> {
        let seen = self.seen(&place.id).await?;
        let Some(loaded) = self
            .read_account(&place.id, place.user_handle, seen, Reader::Owner)
            .await?
        else {
            return match known {
                Some(_) => Err(self.rolled_back_by(Word::Client)),
                None => Ok(None),
            };
        };
        if let Some(known) = known {
            let reader = reader(&loaded.account);
            self.continues_known(&loaded, known, reader).await?;
        }
        // Loading takes no lasting place: `remember` and `commit` are for what an owner is shown.
        let same = seen.filter(|seen| (seen.version, seen.hash) == (loaded.version, loaded.hash));
        let shown_at = same.map_or(0, |seen| seen.shown_at);
        self.versions.pass(&place.id, loaded.seen(shown_at));
        Ok(Some(loaded))
    }

    /// Reads an account that continues what this enclave has seen, which was asked for before.
    pub(super) async fn read_account(
        &self,
        id: &RecordId,
        user_handle: UserHandle,
        seen: Option<Seen>,
        reader: Reader,
    ) -> Result<Option<Loaded>, Error> {
        let Some(record) = self.get(*id).await? else {
            return match seen {
                Some(_) => Err(self.rolled_back()),
                None => Ok(None),
            };
        };
        let loaded = self.open_account(id, user_handle, record)?;
        if let Some(seen) = seen {
            let account = &loaded.account;
            let (history, chain) = (History::of_account(&account.id, reader), &account.history);
            self.continues_seen::<HistoryEntry>(history, chain, &loaded.state(), seen)
                .await?;
        }
        Ok(Some(loaded))
    }

    /// Refuses an account that does not continue the head that a client holds.
    pub(super) async fn continues_known(
        &self,
        loaded: &Loaded,
        known: &KnownHead,
        reader: Reader,
    ) -> Result<(), Error> {
        let account = &loaded.account;
        if known.head.account != account.id {
            return Err(self.forked_by(Word::Client));
        }
        if known.head.version == 0 {
            return Err(refuse_because(
                ErrorCode::Malformed,
                "The account head has version 0: versions count from 1.",
            ));
        }
        let (history, chain) = (History::of_account(&account.id, reader), &account.history);
        self.continues_head::<HistoryEntry>(history, chain, &loaded.state(), known)
            .await
    }

    pub(super) fn open_account(
        &self,
        id: &RecordId,
        user_handle: UserHandle,
        record: Record,
    ) -> Result<Loaded, Error> {
        let blob = record.blob.as_slice();
        let opened = self
            .sealer
            .open(&account_name(id, &user_handle), blob)
            .map_err(|error| self.unopened(error))?;
        if opened.schema != SCHEMA {
            return Err(self.unopened(SealError::OtherSchema(opened.schema)));
        }
        let account: Account =
            cbor::decode(&opened.plaintext).map_err(|_| self.unopened(SealError::Corrupt))?;
        // Every version after the first has one entry: that of the decision which made it.
        let entries = opened.version.checked_sub(1);
        if account.user_handle != user_handle || entries != Some(account.history.length()) {
            return Err(self.unopened(SealError::Corrupt));
        }
        Ok(Loaded {
            account,
            version: opened.version,
            hash: sha256(blob),
            revision: record.revision,
        })
    }

    /// Writes an account's first version, or its next one together with the history entry of the
    /// decision that made it, in one atomic commit.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::OutcomeUnknown`] once the store was asked to write; any other code before.
    pub(super) async fn commit(
        &self,
        place: &Place<'_>,
        before: Option<(&Loaded, &Link<HistoryEntry>)>,
        account: &Account,
    ) -> Result<Committed, Error> {
        let version = before.map_or(1, |(before, _)| before.version + 1);
        let plaintext = cbor::encode(account).map_err(internal)?;
        let nonce = self.platform.entropy.array();
        let blob = self
            .sealer
            .seal(
                &account_name(&place.id, &place.user_handle),
                SCHEMA,
                version,
                &nonce,
                &plaintext,
            )
            .map_err(internal)?;
        let hash = sha256(&blob);
        let seen = Seen {
            version,
            hash,
            shown_at: self.platform.clock.now(),
        };
        let mut writes = vec![Write {
            id: place.id,
            expected: before.map(|(before, _)| before.revision),
            blob: blob.into(),
        }];
        if let Some((_, link)) = before {
            writes.push(self.seal_link(History::of_account(&account.id, Reader::Owner), link)?);
        }
        // An account that nobody has confirmed takes no lasting place.
        let room = if account.confirmed {
            self.versions.reserve(&place.id)
        } else {
            None
        };
        let mut bucket = None;
        if account.confirmed && room.is_none() {
            let open = self.bucket(&place.id).await?;
            let (changed, write) = self.put(open, &place.id, seen)?;
            writes.push(write);
            bucket = Some(changed);
        }
        // Whatever the store says from here on, it has the writes and may do them later.
        let done = match self.store.commit(writes).await {
            Ok(()) => true,
            Err(StoreError::Conflict) => false,
            Err(StoreError::Unknown { .. }) => self.was_written(place, hash).await?,
            Err(_) => {
                self.store_failed();
                return Err(refuse(ErrorCode::OutcomeUnknown));
            }
        };
        if !done {
            return Ok(Committed::Conflict);
        }
        if let Some(bucket) = bucket {
            bucket.done();
        }
        match room {
            // The lock on the place and the reservation exclude an error.
            Some(_) => self
                .versions
                .observe(&place.id, seen)
                .map_err(|_| refuse(ErrorCode::OutcomeUnknown))?,
            None => self.versions.pass(&place.id, seen),
        }
        Ok(Committed::Done(AccountHead {
            account: account.id,
            version,
            hash,
            entry: account.history.newest(),
        }))
    }

    /// Finds out whether a commit without an answer took place. Entry and account are written
    /// together, so the account tells.
    async fn was_written(&self, place: &Place<'_>, hash: Hash32) -> Result<bool, Error> {
        let record = self.get(place.id).await;
        let record = record.map_err(|_| refuse(ErrorCode::OutcomeUnknown))?;
        Ok(record.is_some_and(|record| sha256(record.blob.as_slice()) == hash))
    }

    pub(super) async fn get(&self, id: RecordId) -> Result<Option<Record>, Error> {
        let records = self.store.get(vec![id]).await;
        let Ok(records) = records.map(<[Option<Record>; 1]>::try_from) else {
            return Err(self.store_failed());
        };
        match records {
            Ok([record]) => Ok(record),
            Err(_) => Err(self.store_failed()),
        }
    }

    pub(super) fn unopened(&self, error: SealError) -> Error {
        self.platform.events.record(EnclaveEvent::RecordCorrupt);
        match error {
            SealError::NewerEpoch => refuse_because(
                ErrorCode::Unavailable,
                "The account was written by a newer program than this enclave.",
            ),
            SealError::OtherSchema(schema) => refuse_because(
                ErrorCode::RecordCorrupt,
                format!("The record has schema {schema}, which this program does not read."),
            ),
            _ => refuse(ErrorCode::RecordCorrupt),
        }
    }

    pub(super) fn store_failed(&self) -> Error {
        self.platform.events.record(EnclaveEvent::StoreFailed);
        refuse(ErrorCode::Unavailable)
    }
}

/// Refuses a request whose head is another account's than the one that it names.
pub(super) fn check_head(account: &AccountId, known: Option<&KnownHead>) -> Result<(), Error> {
    if known.is_some_and(|known| known.head.account != *account) {
        return Err(refuse_because(
            ErrorCode::Malformed,
            "The account head is another account's.",
        ));
    }
    Ok(())
}

pub(super) fn sha256(bytes: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(bytes).into())
}

const fn account_name<'a>(id: &'a RecordId, user_handle: &'a UserHandle) -> Name<'a> {
    Name {
        kind: Kind::Account,
        id: &id.0,
        owner: &user_handle.0,
    }
}
