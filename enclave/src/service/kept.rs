//! What a deployment keeps once: the secrets that operators brought, and announced successors. Each
//! is one sealed record, replaced by compare-and-swap. What a status or fresh evidence told of them at a
//! time, that there is none included, is continued only by changes that are dated later.

use std::sync::{Mutex, PoisonError};

use openkey_protocol::{
    cbor,
    message::{Bytes, Error, ErrorCode, Hash32, RecordId, SecretStatus, UpgradeStatus, Write},
    store::{RecordStore, StoreError},
};
use openkey_verifier::{attestation::UnixMillis, release::rfc3339};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::{Zeroize, Zeroizing};

use super::{
    Enclave,
    history::{History, State, TOLERANCE, Word, is_late},
    internal,
};
use crate::{
    chain::{Chain, Entry},
    errors::refuse,
    seal::{Kind, Name, SealError},
    service::records::sha256,
    versions::Seen,
};

/// For how long a status shows what was read before, in milliseconds: a replica may have changed it,
/// but strangers who ask for the status must not keep the store busy.
const SHOWN_FOR: u64 = 10_000;
/// The same for what could not be read: requests that wait for a store that does not answer must not
/// each ask it again.
const FAILURE_SHOWN_FOR: u64 = 1_000;

/// More than the clocks of two enclaves and of whoever looks differ, in milliseconds.
const CLOCKS: u64 = 60_000;

/// What is remembered of a record that is not there.
const ABSENT: Seen = Seen {
    version: 0,
    hash: Hash32([0; 32]),
    shown_at: 0,
};

/// One secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) content: Bytes,
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.content.0.zeroize();
    }
}

/// What the sealed record holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<T> {
    /// When the first version was made. Milliseconds since 1970.
    made_at: u64,
    /// The changes of this record: a later state is believed only if it continues the one that was
    /// seen.
    history: Chain,
    content: T,
}

/// One change of a record, as an entry of its history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revision {
    sequence: u64,
    previous: Hash32,
    record: Hash32,
    at: u64,
}

impl Entry for Revision {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn previous(&self) -> Hash32 {
        self.previous
    }

    fn record(&self) -> Hash32 {
        self.record
    }

    fn at(&self) -> u64 {
        self.at
    }
}

/// A record that was read, or is not there yet.
pub(super) struct Kept<T> {
    pub(super) content: T,
    made_at: u64,
    history: Chain,
    /// The state that was read.
    state: Option<Seen>,
    revision: Option<u64>,
}

/// Whether a write took place.
pub(super) enum Written {
    /// It is durable.
    Done,
    /// The store says that another replica was first, or shows that it was.
    Conflict,
}

/// What the status shows, and when it was read.
#[derive(Default)]
pub(crate) struct Shown(Mutex<Option<(u64, Lists)>>);

/// What the status lists.
#[derive(Clone, Default)]
pub(crate) struct Lists {
    /// Secrets by name; empty while the store does not answer.
    pub(crate) secrets: Vec<SecretStatus>,
    /// Whether the record of secrets was read.
    pub(crate) secrets_known: bool,
    /// Pending successors.
    pub(crate) upgrades: Vec<UpgradeStatus>,
    /// Whether the record of successors was read; if not, `upgrades` is what this boot remembers.
    pub(crate) upgrades_known: bool,
    /// Manifests whose withdrawal is in the record.
    pub(crate) withdrawn: Vec<Hash32>,
}

impl Shown {
    fn get(&self, now: u64) -> Option<Lists> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, lists) = shown.as_ref()?;
        let life = if lists.upgrades_known && lists.secrets_known {
            SHOWN_FOR
        } else {
            FAILURE_SHOWN_FOR
        };
        (now.saturating_sub(*at) < life).then(|| lists.clone())
    }

    fn set(&self, value: Option<(u64, Lists)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    /// The next status reads the records again.
    pub(super) fn forget(&self) {
        self.set(None);
    }
}

impl<S: RecordStore> Enclave<S> {
    /// What the status lists, and what evidence commits to: secrets by name, and successors. Notes that it
    /// is shown now.
    pub(crate) async fn kept(&self) -> Lists {
        let lists = self.lists().await;
        let known = [
            (Kind::Upgrades, lists.upgrades_known),
            (Kind::Secrets, lists.secrets_known),
        ];
        let shown_at = self.platform.clock.now();
        for (kind, _) in known.into_iter().filter(|(_, known)| *known) {
            let id = self.kept_id(kind);
            let newest = self.kept_versions.newest(&id).unwrap_or(ABSENT);
            // Each kind has a place of its own, and this is the newest state there is.
            let _ = self.kept_versions.observe(&id, Seen { shown_at, ..newest });
        }
        lists
    }

    async fn lists(&self) -> Lists {
        if let Some(lists) = self.shown.get(self.platform.clock.elapsed_ms()) {
            return lists;
        }
        let _turn = self.upgrades.turn.lock().await;
        // Whoever had the turn before has read them.
        let now = self.platform.clock.elapsed_ms();
        if let Some(lists) = self.shown.get(now) {
            return lists;
        }
        let upgrades_known = self.read_successors().await.is_ok();
        let secrets = self.read_kept::<Vec<Secret>>(Kind::Secrets).await;
        let secrets_known = secrets.is_ok();
        let secrets = secrets.map(|kept| kept.content).unwrap_or_default();
        let secrets = secrets.iter().map(|secret| SecretStatus {
            name: secret.name.clone(),
            version: secret.version,
        });
        let (upgrades, withdrawn) = self.remembered();
        let lists = Lists {
            secrets: secrets.collect(),
            secrets_known,
            upgrades,
            upgrades_known,
            withdrawn,
        };
        self.shown.set(Some((now, lists.clone())));
        lists
    }

    /// Reads one of the two records.
    pub(super) async fn read_kept<T>(&self, kind: Kind) -> Result<Kept<T>, Error>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let id = self.kept_id(kind);
        let seen = self.kept_versions.newest(&id);
        let Some(record) = self.get(id).await? else {
            if seen.is_some_and(|seen| seen.version > 0) {
                return Err(self.rolled_back());
            }
            let now = self.platform.clock.now();
            return Ok(Kept {
                content: T::default(),
                made_at: now,
                history: Chain::new(now),
                state: None,
                revision: None,
            });
        };
        let blob = record.blob.as_slice();
        let opened = self
            .sealer
            .open(&name(kind, &id), blob)
            .map_err(|error| self.unopened(error))?;
        if opened.schema != schema(kind) {
            return Err(self.unopened(SealError::OtherSchema(opened.schema)));
        }
        let Stored {
            made_at,
            history,
            content,
        } = cbor::decode::<Stored<T>>(&opened.plaintext)
            .map_err(|_| self.unopened(SealError::Corrupt))?;
        // Every version after the first has one entry: that of the change which made it.
        if opened.version.checked_sub(1) != Some(history.length()) {
            return Err(self.unopened(SealError::Corrupt));
        }
        let read = Seen {
            version: opened.version,
            hash: sha256(blob),
            shown_at: 0,
        };
        match seen {
            // There was none when the list was shown last.
            Some(seen) if seen.version == 0 && is_late(made_at, seen.shown_at) => {
                return Err(self.late(Word::Enclave));
            }
            Some(seen) if seen.version > 0 => {
                let now = State::new(read.version, read.hash);
                self.continues_seen::<Revision>(History::of_kept(kind), &history, &now, seen)
                    .await?;
            }
            _ => {}
        }
        self.kept_versions
            .observe(&id, read)
            .map_err(|_| self.rolled_back())?;
        Ok(Kept {
            content,
            made_at,
            history,
            state: Some(read),
            revision: Some(record.revision),
        })
    }

    /// Replaces one of the two records by its next version. `again` says how long the same request can
    /// come again, for the advice of the error.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::OutcomeUnknown`] once the store was asked to write.
    pub(super) async fn write_kept<T: Serialize>(
        &self,
        kind: Kind,
        kept: &Kept<T>,
        again: Again,
    ) -> Result<Written, Error> {
        let id = self.kept_id(kind);
        let mut history = kept.history.clone();
        let mut writes = Vec::new();
        let mut version = 1;
        if let Some(before) = &kept.state {
            let now = self.platform.clock.now();
            let link = history.append(now, |sequence, previous, at| Revision {
                sequence,
                previous,
                record: before.hash,
                at,
            })?;
            writes.push(self.seal_link(History::of_kept(kind), &link)?);
            version = before.version + 1;
        }
        let stored = Stored {
            made_at: kept.made_at,
            history,
            content: &kept.content,
        };
        let plaintext = Zeroizing::new(cbor::encode(&stored).map_err(internal)?);
        let nonce = self.platform.entropy.array();
        let blob = self
            .sealer
            .seal(&name(kind, &id), schema(kind), version, &nonce, &plaintext)
            .map_err(internal)?;
        let hash = sha256(&blob);
        writes.push(Write {
            id,
            expected: kept.revision,
            blob: blob.into(),
        });
        match self.store.commit(writes).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Ok(Written::Conflict),
            Err(StoreError::Unknown { .. }) => {
                let now = self.get(id).await.map_err(|_| unconfirmed(again))?;
                if now.is_none_or(|record| sha256(record.blob.as_slice()) != hash) {
                    return Ok(Written::Conflict);
                }
            }
            Err(_) => return Err(unconfirmed(again)),
        }
        let written = Seen {
            version,
            hash,
            shown_at: 0,
        };
        self.kept_versions
            .observe(&id, written)
            .map_err(|_| unconfirmed(again))?;
        self.shown.forget();
        Ok(Written::Done)
    }

    fn kept_id(&self, kind: Kind) -> RecordId {
        self.sealer.record_id(kind, b"", 0)
    }
}

/// How long whoever has the bytes of what was asked can bring it again, with the same effect.
#[derive(Clone, Copy)]
pub(super) enum Again {
    /// Until an operator's order expires. Milliseconds since 1970.
    Until(u64),
    /// For as long as the manifest is valid: an announcement is signed by no operator, and anybody makes
    /// another one of the same manifest.
    Always,
}

/// The refusal of a change that the store was asked to write and did not confirm.
pub(super) fn unconfirmed(again: Again) -> Error {
    let advice = match again {
        Again::Until(expires_at) => {
            let settled = expires_at.saturating_add(TOLERANCE).saturating_add(CLOCKS);
            format!(
                "The order can still take effect. Look at the status after {}: what it does not list then did \
                 not happen and cannot happen later at this boot of the enclave.",
                rfc3339(UnixMillis(settled))
            )
        }
        Again::Always => "Look at the status in three minutes: what it does not list then cannot appear later \
                          as if it had waited since now. Anybody who has the manifest can announce it again \
                          until it expires: withdraw it if it must not get the root key."
            .to_owned(),
    };
    Error {
        advice,
        ..refuse(ErrorCode::OutcomeUnknown)
    }
}

/// The schema of a record's content.
const fn schema(kind: Kind) -> u32 {
    match kind {
        Kind::Upgrades => 5,
        _ => 3,
    }
}

const fn name(kind: Kind, id: &RecordId) -> Name<'_> {
    Name {
        kind,
        id: &id.0,
        owner: b"",
    }
}
