//! Accounts in the host's store: loading what may be believed, committing what was decided.

use openkey_protocol::{
    cbor,
    message::{
        AccountHead, AccountId, Error, ErrorCode, Hash32, MAX_GET, Record, RecordId, Signed, Write,
    },
    store::{RecordStore, StoreError},
};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard};

use super::{Enclave, internal};
use crate::{
    account::{Account, Link, SCHEMA},
    errors::{refuse, refuse_because},
    event::EnclaveEvent,
    seal::{Kind, Name, SealError},
    versions::VersionError,
};

/// The schema of history records.
const HISTORY_SCHEMA: u32 = 1;
/// Locks for all accounts: enough that two accounts seldom share one.
const STRIPES: usize = 1024;

/// One request at a time for each account of this enclave. Replicas are kept apart by the store's
/// compare-and-swap; this only keeps two requests from seeing each other's half of the memory.
pub(crate) struct Locks(Vec<Mutex<()>>);

impl Locks {
    pub(crate) fn new() -> Self {
        Self((0..STRIPES).map(|_| Mutex::new(())).collect())
    }
}

/// An account that was opened, and the place it holds.
pub(super) struct Place<'a> {
    pub(super) id: RecordId,
    pub(super) account: AccountId,
    _guard: Option<MutexGuard<'a, ()>>,
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
        }
    }
}

/// What became of a commit.
pub(super) enum Committed {
    /// Durable: the new head.
    Done(AccountHead),
    /// Another writer was first.
    Conflict,
}

impl<S: RecordStore> Enclave<S> {
    /// Takes an account's lock.
    pub(super) async fn place(&self, account: AccountId) -> Place<'_> {
        let id = self.sealer.record_id(Kind::Account, &account.0, 0);
        let [one, two, ..] = id.0;
        let stripe = usize::from(u16::from_be_bytes([one, two])) % STRIPES;
        let guard = match self.locks.0.get(stripe) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        Place {
            id,
            account,
            _guard: guard,
        }
    }

    /// Reads an account that must exist.
    pub(super) async fn load(
        &self,
        place: &Place<'_>,
        head: Option<&AccountHead>,
    ) -> Result<Loaded, Error> {
        match self.find(place, head).await? {
            Some(loaded) => Ok(loaded),
            None => Err(refuse(ErrorCode::UnknownAccount)),
        }
    }

    /// Reads an account. `None` only if neither this enclave nor the client ever knew one.
    pub(super) async fn find(
        &self,
        place: &Place<'_>,
        head: Option<&AccountHead>,
    ) -> Result<Option<Loaded>, Error> {
        let Some(record) = self.get(place.id).await? else {
            if head.is_some() || self.versions.knows(&place.id) {
                return Err(self.rolled_back());
            }
            return Ok(None);
        };
        let loaded = self.open_account(place, record)?;
        if let Some(head) = head {
            if head.account != place.account {
                return Err(refuse_because(
                    ErrorCode::Malformed,
                    "The account head is another account's.",
                ));
            }
            let fork = head.version == loaded.version && head.hash != loaded.hash;
            if head.version > loaded.version || fork {
                return Err(self.rolled_back());
            }
        }
        self.observe(place, loaded.version, loaded.hash)?;
        Ok(Some(loaded))
    }

    fn open_account(&self, place: &Place<'_>, record: Record) -> Result<Loaded, Error> {
        let blob = record.blob.as_slice();
        let opened = self
            .sealer
            .open(&account_name(place), blob)
            .map_err(|error| self.unopened(error))?;
        let account: Account =
            cbor::decode(&opened.plaintext).map_err(|_| self.unopened(SealError::Corrupt))?;
        if opened.schema != SCHEMA || account.id != place.account {
            return Err(self.unopened(SealError::Corrupt));
        }
        Ok(Loaded {
            account,
            version: opened.version,
            hash: sha256(blob),
            revision: record.revision,
        })
    }

    fn observe(&self, place: &Place<'_>, version: u64, hash: Hash32) -> Result<(), Error> {
        self.versions
            .observe(&place.id, version, hash)
            .map_err(|error| match error {
                VersionError::RolledBack => self.rolled_back(),
                VersionError::Full => refuse(ErrorCode::Full),
            })
    }

    /// Writes an account's next version, or its first if there is no `before`, and the history entry
    /// of the decision, in one atomic commit.
    pub(super) async fn commit(
        &self,
        place: &Place<'_>,
        before: Option<&Loaded>,
        mut account: Account,
        link: Option<&Link>,
    ) -> Result<Committed, Error> {
        account.previous = before.map_or(Hash32([0; 32]), |before| before.hash);
        let version = before.map_or(1, |before| before.version + 1);
        let _room = match before {
            Some(_) => None,
            None => Some(
                self.versions
                    .reserve(&place.id)
                    .map_err(|_| refuse(ErrorCode::Full))?,
            ),
        };
        let plaintext = cbor::encode(&account).map_err(internal)?;
        let nonce = self.platform.entropy.array();
        let blob = self
            .sealer
            .seal(&account_name(place), SCHEMA, version, &nonce, &plaintext)
            .map_err(internal)?;
        let hash = sha256(&blob);
        let mut writes = vec![Write {
            id: place.id,
            expected: before.map(|before| before.revision),
            blob: blob.into(),
        }];
        if let Some(link) = link {
            writes.push(self.seal_history(place.account, link)?);
        }
        let done = match self.store.commit(writes).await {
            Ok(()) => true,
            Err(StoreError::Conflict) => false,
            Err(StoreError::Unknown { .. }) => self.was_written(place, hash).await?,
            Err(_) => return Err(self.store_failed()),
        };
        if !done {
            return Ok(Committed::Conflict);
        }
        self.observe(place, version, hash)?;
        Ok(Committed::Done(AccountHead {
            account: place.account,
            version,
            hash,
        }))
    }

    /// Finds out whether a commit without an answer took place. Entry and account are written
    /// together, so the account tells.
    async fn was_written(&self, place: &Place<'_>, hash: Hash32) -> Result<bool, Error> {
        let record = self.get(place.id).await.map_err(|_| {
            refuse_because(
                ErrorCode::Unavailable,
                "The store did not say whether the change was written: look before you repeat it.",
            )
        })?;
        Ok(record.is_some_and(|record| sha256(record.blob.as_slice()) == hash))
    }

    fn seal_history(&self, account: AccountId, link: &Link) -> Result<Write, Error> {
        let id = self
            .sealer
            .record_id(Kind::History, &account.0, link.entry.sequence);
        let plaintext = cbor::encode(link).map_err(internal)?;
        let blob = self
            .sealer
            .seal(
                &history_name(&id, &account),
                HISTORY_SCHEMA,
                link.entry.sequence,
                &self.platform.entropy.array(),
                &plaintext,
            )
            .map_err(internal)?;
        Ok(Write {
            id,
            expected: None,
            blob: blob.into(),
        })
    }

    /// Reads links of an account's history by their sequence numbers, at most [`MAX_GET`] and all of
    /// which must exist. That they belong to the account's present chain is for the caller to check.
    pub(super) async fn links(
        &self,
        account: AccountId,
        sequences: &[u64],
    ) -> Result<Vec<Link>, Error> {
        debug_assert!(sequences.len() <= MAX_GET);
        let ids: Vec<RecordId> = sequences
            .iter()
            .map(|sequence| self.sealer.record_id(Kind::History, &account.0, *sequence))
            .collect();
        let records = self
            .store
            .get(ids.clone())
            .await
            .map_err(|_| self.store_failed())?;
        if records.len() != ids.len() {
            return Err(self.store_failed());
        }
        let mut links = Vec::with_capacity(ids.len());
        for ((record, id), sequence) in records.into_iter().zip(&ids).zip(sequences) {
            // The account says that this entry exists: the store hides it.
            let record = record.ok_or_else(|| self.rolled_back())?;
            let opened = self
                .sealer
                .open(&history_name(id, &account), record.blob.as_slice())
                .map_err(|error| self.unopened(error))?;
            let link: Link =
                cbor::decode(&opened.plaintext).map_err(|_| self.unopened(SealError::Corrupt))?;
            if opened.version != *sequence || link.entry.sequence != *sequence {
                return Err(self.unopened(SealError::Corrupt));
            }
            links.push(link);
        }
        Ok(links)
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

    /// A head for the client, signed.
    pub(super) fn signed_head(&self, head: &AccountHead) -> Result<Signed<AccountHead>, Error> {
        self.platform.identity.sign(head).map_err(internal)
    }

    pub(super) fn rolled_back(&self) -> Error {
        self.platform.events.record(EnclaveEvent::RolledBack);
        refuse(ErrorCode::RolledBack)
    }

    pub(super) fn unopened(&self, error: SealError) -> Error {
        self.platform.events.record(EnclaveEvent::RecordCorrupt);
        match error {
            SealError::NewerEpoch => refuse_because(
                ErrorCode::Unavailable,
                "The account was written by a newer program than this enclave.",
            ),
            _ => refuse(ErrorCode::RecordCorrupt),
        }
    }

    fn store_failed(&self) -> Error {
        self.platform.events.record(EnclaveEvent::StoreFailed);
        refuse(ErrorCode::Unavailable)
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(bytes).into())
}

const fn account_name<'a>(place: &'a Place<'_>) -> Name<'a> {
    Name {
        kind: Kind::Account,
        id: &place.id.0,
        owner: &place.account.0,
    }
}

const fn history_name<'a>(id: &'a RecordId, account: &'a AccountId) -> Name<'a> {
    Name {
        kind: Kind::History,
        id: &id.0,
        owner: &account.0,
    }
}
