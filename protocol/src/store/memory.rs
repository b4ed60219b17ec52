//! A store in memory, for tests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{RecordStore, StoreError, check_commit, check_get};
use crate::message::{Record, RecordId, Write};

/// Keeps records in memory. Clones share them, so that they outlive a simulated restart.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<HashMap<RecordId, Record>>>);

impl MemoryStore {
    /// The records, to be looked at or tampered with.
    pub fn records(&self) -> MutexGuard<'_, HashMap<RecordId, Record>> {
        // A commit changes nothing before all its checks, and nothing in it panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordStore for MemoryStore {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        check_get(&ids)?;
        let records = self.records();
        Ok(ids.iter().map(|id| records.get(id).cloned()).collect())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_commit(&writes)?;
        let mut records = self.records();
        let fits = |write: &Write| records.get(&write.id).map(|r| r.revision) == write.expected;
        if !writes.iter().all(fits) {
            return Err(StoreError::Conflict);
        }
        for Write { id, expected, blob } in writes {
            let revision = expected.unwrap_or(0) + 1;
            records.insert(id, Record { revision, blob });
        }
        Ok(())
    }
}
