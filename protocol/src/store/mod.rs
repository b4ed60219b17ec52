//! The host's sealed-record store: its trait and what every store refuses.
//!
//! The enclave uses a [`RecordStore`] and does not know which one: a
//! [`HostClient`](crate::host::HostClient) over the wire to the host, or a `MemoryStore` in tests.
//! The host-proxy implements the same trait on its database and serves it with a
//! [`HostHandler`](crate::host::HostHandler). `conformance` holds for all of them.

#[cfg(any(test, feature = "test-support"))]
pub mod conformance;
#[cfg(any(test, feature = "test-support"))]
pub mod memory;

use std::{collections::HashSet, future::Future};

use crate::message::{MAX_GET, Record, RecordId, Write};

/// Keeps sealed records. Trusted with nothing: whether a record is the right one is for the caller
/// to find out.
pub trait RecordStore: Send + Sync + 'static {
    /// Reads records: one entry for each id, in order, `None` for a record that does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooMany`] beyond [`MAX_GET`], or [`StoreError::Failed`].
    fn get(
        &self,
        ids: Vec<RecordId>,
    ) -> impl Future<Output = Result<Vec<Option<Record>>, StoreError>> + Send;

    /// Writes all or nothing, each if the record has the expected revision. A record begins at
    /// revision 1 and goes up by one with each write. `Ok` means on disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`], [`StoreError::TooMany`], [`StoreError::Duplicate`],
    /// [`StoreError::Failed`]: nothing was written. [`StoreError::Unknown`]: all or nothing was.
    fn commit(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A record has another revision than expected; nothing was written.
    #[error("another writer was first")]
    Conflict,
    /// The caller asked for too much at once; nothing was written.
    #[error("{count} records at once, where {MAX_GET} are the most")]
    TooMany {
        /// How many records were asked for.
        count: usize,
    },
    /// The caller wrote one record twice at once; nothing was written.
    #[error("one record is written twice")]
    Duplicate,
    /// The store cannot be reached or cannot serve; nothing was written.
    #[error("the store failed: {reason}")]
    Failed {
        /// For the log.
        reason: String,
    },
    /// The store's word did not come: the writes happened all or not at all. Reading tells.
    #[error("the store did not say whether it wrote: {reason}")]
    Unknown {
        /// For the log.
        reason: String,
    },
}

/// Checks what every store refuses of [`RecordStore::get`].
///
/// # Errors
///
/// [`StoreError::TooMany`].
pub const fn check_get(ids: &[RecordId]) -> Result<(), StoreError> {
    if ids.len() > MAX_GET {
        return Err(StoreError::TooMany { count: ids.len() });
    }
    Ok(())
}

/// Checks what every store refuses of [`RecordStore::commit`].
///
/// # Errors
///
/// [`StoreError::TooMany`], [`StoreError::Duplicate`].
pub fn check_commit(writes: &[Write]) -> Result<(), StoreError> {
    if writes.len() > MAX_GET {
        return Err(StoreError::TooMany {
            count: writes.len(),
        });
    }
    let mut seen = HashSet::with_capacity(writes.len());
    if writes.iter().all(|write| seen.insert(write.id)) {
        Ok(())
    } else {
        Err(StoreError::Duplicate)
    }
}

#[cfg(test)]
mod tests;
