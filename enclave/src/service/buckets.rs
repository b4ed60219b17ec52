//! What a running enclave remembers of accounts beyond its memory: a fixed number of sealed records
//! ("buckets") in the host's store, whose hashes stay in memory.
//!
//! Each boot has buckets of its own, which nobody else writes. A bucket is read when an account is not
//! in memory, and written in the same commit as the account that has no place there. The host can hide a
//! bucket or show an older one no more than an account: its hash is compared. Nor can it bring a write of a
//! bucket that it kept back, once an account of the bucket was shown without it. A boot that ends leaves its
//! buckets in the store; nobody reads them again.
//!
//! A bucket has for each account the time at which it was shown last. A read alone does not write it: until
//! the next write the newer time is in memory, for as long as the account has a place there.

use std::collections::{BTreeMap, VecDeque};

use openkey_protocol::{
    message::{Error, ErrorCode, Hash32, RecordId, Write},
    store::{RecordStore, StoreError},
};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    Enclave,
    history::is_late,
    internal,
    records::{Loaded, Place, sha256},
};
use crate::{
    errors::refuse,
    seal::{Kind, Name, SealError},
    versions::{Key, Seen, VersionError, key},
};

/// The schema of buckets.
const SCHEMA: u32 = 2;
/// An account in a bucket: key, version, hash and when it was shown.
const ENTRY: usize = 16 + 8 + 32 + 8;
/// Most accounts in a bucket: it fits one frame of the store, beside what it is written with.
pub(crate) const MAX_ENTRIES: usize = 4096;
/// Most writes of a bucket whose outcome is not known at the same time. Each ends within seconds, long
/// before so many others have begun.
const MAX_PENDING: usize = 64;
/// How often a write of a bucket alone is tried.
const ATTEMPTS: usize = 4;

/// The buckets of this boot.
pub(crate) struct Buckets(Vec<Mutex<Hashes>>);

/// Which sealed bytes of a bucket may be believed.
#[derive(Default)]
struct Hashes {
    /// What is stored, as far as it is known.
    stored: Option<Hash32>,
    /// Writes that may be stored or still come: their outcome is not known, because the request that began
    /// them was cut off or the store did not confirm them. With the time at which they were begun.
    pending: VecDeque<(Hash32, u64)>,
}

/// One bucket, locked, as it is in the store.
pub(super) struct Bucket<'a> {
    hashes: MutexGuard<'a, Hashes>,
    id: RecordId,
    accounts: BTreeMap<Key, Seen>,
    version: u64,
    revision: Option<u64>,
}

/// A bucket with a change that is about to be written.
pub(super) struct Changed<'a> {
    hashes: MutexGuard<'a, Hashes>,
    hash: Hash32,
}

impl Buckets {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count.max(1)).map(|_| Mutex::default()).collect())
    }

    /// The bucket of a record.
    fn of(&self, id: &RecordId) -> Option<&Mutex<Hashes>> {
        self.0.get(self.place(id))
    }

    /// Which bucket a record belongs to. Its id is a keyed hash, which the host cannot choose.
    fn place(&self, id: &RecordId) -> usize {
        let [.., three, two, one, zero] = id.0;
        let number = u32::from_be_bytes([three, two, one, zero]);
        usize::try_from(number).unwrap_or_default() % self.0.len()
    }
}

impl Changed<'_> {
    /// It is stored.
    pub(super) fn done(mut self) {
        self.hashes.stored = Some(self.hash);
        // What was begun before expected a revision that is gone.
        self.hashes.pending.clear();
    }
}

impl<S: RecordStore> Enclave<S> {
    /// The newest version of an account that this boot has seen, in memory or in its bucket.
    pub(super) async fn seen(&self, id: &RecordId) -> Result<Option<Seen>, Error> {
        // What is in memory is never older than what is in a bucket.
        if let Some(seen) = self.versions.newest(id) {
            return Ok(Some(seen));
        }
        let bucket = self.bucket(id).await?;
        Ok(bucket.accounts.get(&key(id)).copied())
    }

    /// As [`Self::seen`], for whoever has proven nothing: they do not queue at a bucket, where owners wait.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Busy`] if somebody reads or writes the account's bucket, and those of reading it.
    pub(super) async fn seen_at_once(&self, id: &RecordId) -> Result<Option<Seen>, Error> {
        if let Some(seen) = self.versions.newest(id) {
            return Ok(Some(seen));
        }
        let lock = self.buckets.of(id).ok_or_else(|| internal(()))?;
        let hashes = lock.try_lock().map_err(|_| refuse(ErrorCode::Busy))?;
        let bucket = self.read_bucket(id, hashes).await?;
        Ok(bucket.accounts.get(&key(id)).copied())
    }

    /// Notes that an account is shown as it was loaded, where it is remembered already.
    ///
    /// # Errors
    ///
    /// Those of reading the account's bucket, where the outcome of a write of it is not known.
    pub(super) async fn shown(&self, place: &Place<'_>, loaded: &Loaded) -> Result<(), Error> {
        let seen = loaded.seen(self.platform.clock.now());
        if self.versions.shown(&place.id, seen) {
            return Ok(());
        }
        let Some(bucket) = self.buckets.of(&place.id) else {
            return Ok(());
        };
        let mut hashes = bucket.lock().await;
        if !hashes.pending.is_empty() {
            // One that is stored was stored before this look: it does not count as kept back.
            drop(hashes);
            hashes = self.bucket(&place.id).await?.hashes;
        }
        // Those that are not are refused if the store brings them later.
        let come = |(_, begun_at): &(_, u64)| !is_late(*begun_at, seen.shown_at);
        hashes.pending.retain(come);
        Ok(())
    }

    /// Remembers what the owner of an account was shown, in memory or in its bucket. Unconfirmed accounts
    /// take no lasting place: nobody has relied on them yet.
    pub(super) async fn remember(&self, place: &Place<'_>, loaded: &Loaded) -> Result<(), Error> {
        self.shown(place, loaded).await?;
        if !loaded.account.confirmed {
            return Ok(());
        }
        let seen = loaded.seen(self.platform.clock.now());
        match self.versions.observe(&place.id, seen) {
            Ok(()) => return Ok(()),
            Err(VersionError::RolledBack) => return Err(self.rolled_back()),
            Err(VersionError::Forked) => return Err(self.forked()),
            Err(VersionError::Full) => {}
        }
        for _ in 0..ATTEMPTS {
            let bucket = self.bucket(&place.id).await?;
            let kept = bucket.accounts.get(&key(&place.id));
            if kept.is_some_and(|kept| (kept.version, kept.hash) == (seen.version, seen.hash)) {
                return Ok(());
            }
            let (changed, write) = self.put(bucket, &place.id, seen)?;
            match self.store.commit(vec![write]).await {
                Ok(()) => {
                    changed.done();
                    return Ok(());
                }
                // Reading it tells, at the next attempt.
                Err(StoreError::Conflict | StoreError::Unknown { .. }) => {}
                Err(_) => return Err(self.store_failed()),
            }
        }
        Err(self.store_failed())
    }

    /// Locks and reads the bucket of an account. One that this boot has not written is empty, and is not
    /// looked for.
    pub(super) async fn bucket(&self, account: &RecordId) -> Result<Bucket<'_>, Error> {
        let lock = self.buckets.of(account).ok_or_else(|| internal(()))?;
        self.read_bucket(account, lock.lock().await).await
    }

    /// Reads the bucket of an account, which is locked.
    async fn read_bucket<'a>(
        &self,
        account: &RecordId,
        hashes: MutexGuard<'a, Hashes>,
    ) -> Result<Bucket<'a>, Error> {
        let place = self.buckets.place(account);
        let boot = self.platform.identity.public();
        let index = u64::try_from(place).map_err(internal)?;
        let id = self.sealer.record_id(Kind::Seen, &boot, index);
        let mut bucket = Bucket {
            hashes,
            id,
            accounts: BTreeMap::new(),
            version: 0,
            revision: None,
        };
        if bucket.hashes.stored.is_none() && bucket.hashes.pending.is_empty() {
            return Ok(bucket);
        }
        let Some(record) = self.get(id).await? else {
            return match bucket.hashes.stored {
                Some(_) => Err(self.rolled_back()),
                None => Ok(bucket),
            };
        };
        let hash = sha256(record.blob.as_slice());
        if bucket.hashes.stored != Some(hash) {
            if !bucket.hashes.pending.iter().any(|it| it.0 == hash) {
                return Err(self.rolled_back());
            }
            bucket.hashes.stored = Some(hash);
            bucket.hashes.pending.clear();
        }
        let opened = self
            .sealer
            .open(&name(&id, &boot), record.blob.as_slice())
            .map_err(|error| self.unopened(error))?;
        bucket.accounts =
            unpack(&opened.plaintext).ok_or_else(|| self.unopened(SealError::Corrupt))?;
        bucket.version = opened.version;
        bucket.revision = Some(record.revision);
        Ok(bucket)
    }

    /// The write that puts an account into its bucket. Until [`Changed::done`] its outcome counts as unknown,
    /// whatever the store says, and also if the request is cut off.
    pub(super) fn put<'a>(
        &self,
        mut bucket: Bucket<'a>,
        account: &RecordId,
        seen: Seen,
    ) -> Result<(Changed<'a>, Write), Error> {
        bucket.accounts.insert(key(account), seen);
        self.versions.refresh(&mut bucket.accounts);
        if bucket.accounts.len() > MAX_ENTRIES {
            return Err(refuse(ErrorCode::Full));
        }
        let boot = self.platform.identity.public();
        let plaintext = pack(&bucket.accounts);
        let nonce = self.platform.entropy.array();
        let blob = self
            .sealer
            .seal(
                &name(&bucket.id, &boot),
                SCHEMA,
                bucket.version.saturating_add(1),
                &nonce,
                &plaintext,
            )
            .map_err(internal)?;
        let hash = sha256(&blob);
        let mut hashes = bucket.hashes;
        if hashes.pending.len() >= MAX_PENDING {
            hashes.pending.pop_front();
        }
        hashes.pending.push_back((hash, self.platform.clock.now()));
        let write = Write {
            id: bucket.id,
            expected: bucket.revision,
            blob: blob.into(),
        };
        Ok((Changed { hashes, hash }, write))
    }
}

fn pack(accounts: &BTreeMap<Key, Seen>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(accounts.len().saturating_mul(ENTRY));
    for (key, seen) in accounts {
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&seen.version.to_be_bytes());
        bytes.extend_from_slice(&seen.hash.0);
        bytes.extend_from_slice(&seen.shown_at.to_be_bytes());
    }
    bytes
}

fn unpack(bytes: &[u8]) -> Option<BTreeMap<Key, Seen>> {
    let (entries, rest) = bytes.as_chunks::<ENTRY>();
    let entry = |entry: &[u8; ENTRY]| {
        let (key, rest) = entry.split_first_chunk::<16>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        let shown_at = rest.first_chunk::<8>()?;
        let seen = Seen {
            version: u64::from_be_bytes(*version),
            hash: Hash32(*hash),
            shown_at: u64::from_be_bytes(*shown_at),
        };
        Some((*key, seen))
    };
    rest.is_empty()
        .then(|| entries.iter().map(entry).collect())
        .flatten()
}

const fn name<'a>(id: &'a RecordId, boot: &'a [u8; 32]) -> Name<'a> {
    Name {
        kind: Kind::Seen,
        id: &id.0,
        owner: boot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_come_back_as_they_were_and_nothing_else_does() {
        let entry = |at: u8| {
            let seen = Seen {
                version: u64::from(at),
                hash: Hash32([at; 32]),
                shown_at: 1_000 + u64::from(at),
            };
            ([at; 16], seen)
        };
        let accounts: BTreeMap<Key, Seen> = (0..20).map(entry).collect();
        let bytes = pack(&accounts);
        assert_eq!(bytes.len(), 20 * ENTRY);
        assert_eq!(unpack(&bytes), Some(accounts));
        assert_eq!(unpack(&[]), Some(BTreeMap::new()));
        assert_eq!(unpack(&bytes[1..]), None);
    }
}
