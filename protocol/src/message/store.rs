//! What an enclave asks of the host's sealed-record store.
//!
//! The store is trusted with nothing. Revisions serve crash consistency and races between
//! replicas; whether a record is the right one is for the enclave to find out.

use serde::{Deserialize, Serialize};

use super::{Bytes, RecordId};

/// Most records in one [`StoreRequest::Get`] and writes in one [`StoreRequest::Commit`]: a page of
/// history and some.
pub const MAX_GET: usize = 64;

/// One request to the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StoreRequest {
    /// Reads records; the reply has one entry for each, in order.
    Get {
        /// At most [`MAX_GET`].
        ids: Vec<RecordId>,
    },
    /// Writes all or nothing. Acknowledged means on disk.
    Commit {
        /// At most [`MAX_GET`], each for another record.
        writes: Vec<Write>,
    },
}

/// One compare-and-swap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Which record.
    pub id: RecordId,
    /// The revision it must have; `None`: it must not exist.
    pub expected: Option<u64>,
    /// The new sealed bytes.
    pub blob: Bytes,
}

/// A stored record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Counts this record's writes, from 1.
    pub revision: u64,
    /// The sealed bytes.
    pub blob: Bytes,
}

/// One reply of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StoreReply {
    /// To [`StoreRequest::Get`].
    Records(Vec<Option<Record>>),
    /// To [`StoreRequest::Commit`]: all writes are durable.
    Committed,
    /// To [`StoreRequest::Commit`]: another writer was first; nothing was written.
    Conflict,
    /// The request was not understood, or the store cannot serve it; nothing was written.
    Failed {
        /// For the log.
        reason: String,
    },
    /// To [`StoreRequest::Commit`]: the disk failed in the middle; all was written or nothing.
    Unknown {
        /// For the log.
        reason: String,
    },
}
