//! A record store that lies.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openkey_protocol::message::{Record, RecordId, Write};
use openkey_protocol::store::{RecordStore, StoreError};

use super::{Board, Fault};

/// How many records the store remembers older versions of, newest first: more than a test touches,
/// bounded all the same.
const REMEMBERED: usize = 4096;

/// A store with the faults `store-older`, `store-hide`, `store-swap` and `store-error`.
///
/// Each record of an answer is an opportunity of its own for the first three; a store error before
/// a commit says so, one after it leaves the enclave in doubt. To answer with an
/// older version it remembers the last version of each record that another one has replaced; what
/// was replaced before this process started is forgotten, so the fault needs a change first.
pub struct FaultyStore<S> {
    store: S,
    board: Arc<Board>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The newest version seen and the one before.
    versions: BTreeMap<RecordId, Versions>,
    order: VecDeque<RecordId>,
}

#[derive(Default)]
struct Versions {
    newest: Option<Record>,
    older: Option<Record>,
}

impl Memory {
    fn see(&mut self, id: RecordId, record: &Record) {
        if !self.versions.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > REMEMBERED
                && let Some(gone) = self.order.pop_front()
            {
                self.versions.remove(&gone);
            }
        }
        let versions = self.versions.entry(id).or_default();
        match &versions.newest {
            Some(newest) if newest.revision >= record.revision => {}
            _ => versions.older = versions.newest.replace(record.clone()),
        }
    }

    fn older(&self, id: &RecordId) -> Option<Record> {
        self.versions.get(id)?.older.clone()
    }

    /// Another record of the same sort: what was written more than once is an account, everything
    /// else a history entry. The next one by id; any other if there is none of that sort.
    fn other(&self, id: &RecordId) -> Option<Record> {
        let rewritten =
            |versions: &Versions| versions.newest.as_ref().is_some_and(|it| it.revision > 1);
        let sort = self.versions.get(id).is_some_and(rewritten);
        let others = || {
            let after = self.versions.range(id..);
            let before = self.versions.range(..id);
            after.chain(before).filter(|(other, _)| *other != id)
        };
        let same = others().find(|(_, versions)| rewritten(versions) == sort);
        let (_, versions) = same.or_else(|| others().next())?;
        versions.newest.clone()
    }
}

impl<S> FaultyStore<S> {
    /// Puts the board between a store and the enclave.
    pub fn new(store: S, board: Arc<Board>) -> Self {
        Self {
            store,
            board,
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Every change is complete in itself: a panic elsewhere leaves the memory usable.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, id: RecordId, record: Option<Record>) -> Option<Record> {
        let mut memory = self.memory();
        if let Some(record) = &record {
            memory.see(id, record);
        }
        // Every fault draws once per record, whether or not another has struck already, so that
        // its own sequence does not depend on the others.
        let older = self.board.strikes(Fault::StoreOlder);
        let hide = self.board.strikes(Fault::StoreHide);
        let swap = self.board.strikes(Fault::StoreSwap);
        if hide {
            return None;
        }
        if swap && let Some(other) = memory.other(&id) {
            return Some(other);
        }
        if older && let Some(older) = memory.older(&id) {
            return Some(older);
        }
        record
    }
}

impl<S: RecordStore> RecordStore for FaultyStore<S> {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        if self.board.strikes(Fault::StoreError) {
            return Err(failed());
        }
        let records = self.store.get(ids.clone()).await?;
        Ok(ids
            .into_iter()
            .zip(records)
            .map(|(id, record)| self.answer(id, record))
            .collect())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let fails = self.board.strikes(Fault::StoreError);
        // The length of a sealed record is as good as a coin, and repeats with the run.
        let coin = writes
            .first()
            .is_some_and(|write| write.blob.0.len() % 2 == 0);
        if fails && coin {
            return Err(failed());
        }
        let written: Vec<(RecordId, Record)> = writes
            .iter()
            .map(|write| {
                let revision = write
                    .expected
                    .map_or(1, |revision| revision.saturating_add(1));
                let blob = write.blob.clone();
                (write.id, Record { revision, blob })
            })
            .collect();
        self.store.commit(writes).await?;
        let mut memory = self.memory();
        for (id, record) in &written {
            memory.see(*id, record);
        }
        if fails {
            return Err(StoreError::Unknown {
                reason: REASON.to_owned(),
            });
        }
        Ok(())
    }
}

const REASON: &str = "a fault was asked for";

fn failed() -> StoreError {
    StoreError::Failed {
        reason: REASON.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use openkey_protocol::store::conformance;
    use openkey_protocol::store::memory::MemoryStore;

    use super::*;
    use crate::fault::Faults;

    const ONE: RecordId = RecordId([1; 32]);
    const TWO: RecordId = RecordId([2; 32]);

    async fn filled(fault: &str) -> FaultyStore<MemoryStore> {
        let plain = MemoryStore::default();
        let quiet = Arc::new(Board::fixed(Faults::default()));
        let mut store = FaultyStore::new(plain, quiet);
        for (id, expected, byte) in [(ONE, None, 1), (ONE, Some(1), 11), (TWO, None, 2)] {
            let blob = vec![byte].into();
            let write = Write { id, expected, blob };
            store.commit(vec![write]).await.unwrap();
        }
        let mut faults = Faults::default();
        faults.set_text(fault).unwrap();
        store.board = Arc::new(Board::fixed(faults));
        store
    }

    async fn bytes(store: &FaultyStore<MemoryStore>, id: RecordId) -> Option<u8> {
        let records = store.get(vec![id]).await.unwrap();
        records[0].as_ref().map(|record| record.blob.0[0])
    }

    #[tokio::test]
    async fn answers_as_the_faults_say() {
        let older = filled("store-older=always").await;
        assert_eq!(bytes(&older, ONE).await, Some(1));
        assert_eq!(bytes(&older, TWO).await, Some(2), "it has no older version");
        let hidden = filled("store-hide=always").await;
        assert_eq!(bytes(&hidden, ONE).await, None);
        let swapped = filled("store-swap=always").await;
        assert_eq!(bytes(&swapped, ONE).await, Some(2));
        assert_eq!(bytes(&swapped, TWO).await, Some(11));
        // Rewritten records are swapped among themselves.
        let blob = || vec![3].into();
        for (byte, expected) in [(3, None), (4, None), (4, Some(1))] {
            let id = RecordId([byte; 32]);
            let write = Write {
                id,
                expected,
                blob: blob(),
            };
            swapped.commit(vec![write]).await.unwrap();
        }
        assert_eq!(bytes(&swapped, ONE).await, Some(3));
        assert_eq!(bytes(&swapped, RecordId([4; 32])).await, Some(11));
        assert_eq!(bytes(&swapped, TWO).await, Some(3));
        let failing = filled("store-error=always").await;
        assert_eq!(failing.get(vec![ONE]).await, Err(failed()));
        let none = filled("store-hide=0").await;
        assert_eq!(bytes(&none, ONE).await, Some(11));
    }

    #[tokio::test]
    async fn a_failed_commit_did_not_happen_and_an_unknown_one_did() {
        let store = filled("store-error=always").await;
        for (len, happened) in [(2, false), (3, true)] {
            let write = Write {
                id: TWO,
                expected: Some(1),
                blob: vec![9; len].into(),
            };
            match store.commit(vec![write]).await {
                Err(StoreError::Failed { .. }) => assert!(!happened),
                Err(StoreError::Unknown { .. }) => assert!(happened),
                other => panic!("{other:?}"),
            }
            let stored = store.store.records()[&TWO].blob.0[0];
            assert_eq!(stored == 9, happened);
        }
    }

    #[tokio::test]
    async fn without_faults_it_is_the_store_underneath() {
        let quiet = Arc::new(Board::fixed(Faults::default()));
        conformance::run(&FaultyStore::new(MemoryStore::default(), quiet)).await;
    }
}
