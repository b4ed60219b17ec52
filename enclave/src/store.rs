//! The host's store of sealed records, as the enclave sees it.

use core::future::Future;

use openkey_protocol::message::{Record, RecordId, Write};

/// A store that is trusted with nothing but crash consistency.
pub trait RecordStore: Send + Sync + 'static {
    /// Reads records; the answer has one entry for each id, in order.
    fn get(
        &self,
        ids: Vec<RecordId>,
    ) -> impl Future<Output = Result<Vec<Option<Record>>, StoreError>> + Send;

    /// Writes all or nothing.
    fn commit(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Why a store request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another writer was first; nothing was written.
    #[error("another writer was first")]
    Conflict,
    /// The store does not answer, or answered something else than was asked; a commit may or may not
    /// have been written.
    #[error("the store cannot be reached")]
    Unavailable,
}
