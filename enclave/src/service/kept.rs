//! What a deployment keeps once: the secrets that operators brought, and announced successors. Each
//! is one sealed record, replaced by compare-and-swap.

use std::sync::{Mutex, PoisonError};

use openkey_protocol::{
    cbor,
    message::{Bytes, Error, ErrorCode, RecordId, SecretStatus, UpgradeStatus, Write},
    store::{RecordStore, StoreError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::{Zeroize, Zeroizing};

use super::{Enclave, internal, upgrades::Upgrade};
use crate::{
    errors::{refuse, refuse_because},
    seal::{Kind, Name, SealError},
    service::records::sha256,
};

/// The schema of both records.
const SCHEMA: u32 = 1;
/// For how long a status shows what was read before, in milliseconds: a replica may have changed it,
/// but strangers who ask for the status must not keep the store busy.
const SHOWN_FOR: u64 = 10_000;

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

/// A record that was read, or is not there yet.
pub(super) struct Kept<T> {
    pub(super) content: Vec<T>,
    version: u64,
    revision: Option<u64>,
}

/// Whether a write took place.
pub(super) enum Written {
    /// It is durable.
    Done,
    /// Another replica was first.
    Conflict,
}

/// What the status shows, and when it was read.
#[derive(Default)]
pub(crate) struct Shown(Mutex<Option<(u64, Lists)>>);

type Lists = (Vec<SecretStatus>, Vec<UpgradeStatus>);

impl Shown {
    fn get(&self, now: u64) -> Option<Lists> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, lists) = shown.as_ref()?;
        (now.saturating_sub(*at) < SHOWN_FOR).then(|| lists.clone())
    }

    fn set(&self, value: Option<(u64, Lists)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl<S: RecordStore> Enclave<S> {
    /// What the status lists: secrets by name, and successors. Empty while the store does not
    /// answer.
    pub(crate) async fn kept(&self) -> (Vec<SecretStatus>, Vec<UpgradeStatus>) {
        let now = self.platform.clock.elapsed_ms();
        if let Some(lists) = self.shown.get(now) {
            return lists;
        }
        let secrets = self.read_kept::<Secret>(Kind::Secrets).await;
        let upgrades = self.read_kept::<Upgrade>(Kind::Upgrades).await;
        let (Ok(secrets), Ok(upgrades)) = (secrets, upgrades) else {
            return Default::default();
        };
        let secrets = secrets.content.iter().map(|secret| SecretStatus {
            name: secret.name.clone(),
            version: secret.version,
        });
        let upgrades = upgrades
            .content
            .iter()
            .map(|known| self.upgrade_status(known));
        let lists = (secrets.collect(), upgrades.collect());
        self.shown.set(Some((now, lists)));
        self.shown.get(now).unwrap_or_default()
    }

    /// Reads one of the two records.
    pub(super) async fn read_kept<T>(&self, kind: Kind) -> Result<Kept<T>, Error>
    where
        T: Serialize + DeserializeOwned,
    {
        let id = self.kept_id(kind);
        let Some(record) = self.get(id).await? else {
            if self.kept_versions.newest(&id).is_some() {
                return Err(self.rolled_back());
            }
            return Ok(Kept {
                content: Vec::new(),
                version: 0,
                revision: None,
            });
        };
        let blob = record.blob.as_slice();
        let opened = self
            .sealer
            .open(&name(kind, &id), blob)
            .map_err(|error| self.unopened(error))?;
        if opened.schema != SCHEMA {
            return Err(self.unopened(SealError::Corrupt));
        }
        let content =
            cbor::decode(&opened.plaintext).map_err(|_| self.unopened(SealError::Corrupt))?;
        self.kept_versions
            .observe(&id, opened.version, sha256(blob))
            .map_err(|_| self.rolled_back())?;
        Ok(Kept {
            content,
            version: opened.version,
            revision: Some(record.revision),
        })
    }

    /// Replaces one of the two records by its next version.
    pub(super) async fn write_kept<T: Serialize>(
        &self,
        kind: Kind,
        kept: &Kept<T>,
    ) -> Result<Written, Error> {
        let id = self.kept_id(kind);
        let plaintext = Zeroizing::new(cbor::encode(&kept.content).map_err(internal)?);
        let version = kept.version + 1;
        let nonce = self.platform.entropy.array();
        let blob = self
            .sealer
            .seal(&name(kind, &id), SCHEMA, version, &nonce, &plaintext)
            .map_err(internal)?;
        let hash = sha256(&blob);
        let write = Write {
            id,
            expected: kept.revision,
            blob: blob.into(),
        };
        self.shown.set(None);
        match self.store.commit(vec![write]).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Ok(Written::Conflict),
            Err(StoreError::Unknown { .. }) => {
                let unsure = |_| {
                    refuse_because(
                        ErrorCode::Unavailable,
                        "The store did not say whether it was written: look before you repeat it.",
                    )
                };
                let now = self.get(id).await.map_err(unsure)?;
                if now.is_none_or(|record| sha256(record.blob.as_slice()) != hash) {
                    return Ok(Written::Conflict);
                }
            }
            Err(_) => return Err(refuse(ErrorCode::Unavailable)),
        }
        self.kept_versions
            .observe(&id, version, hash)
            .map_err(|_| self.rolled_back())?;
        Ok(Written::Done)
    }

    fn kept_id(&self, kind: Kind) -> RecordId {
        self.sealer.record_id(kind, b"", 0)
    }
}

const fn name(kind: Kind, id: &RecordId) -> Name<'_> {
    Name {
        kind,
        id: &id.0,
        owner: b"",
    }
}
