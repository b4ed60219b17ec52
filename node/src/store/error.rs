//! Why a store did not do what was asked.

use openkey_edge::sqlite::DatabaseError;

use super::types::Statement;
use crate::error::is_full;

/// Why a store did not do what was asked. Nothing was changed, except with [`Self::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The invocation was used before.
    #[error("duplicate invocation")]
    Duplicate,
    /// Somebody revoked what it rests on.
    #[error("what this rests on was revoked")]
    Revoked(Vec<Statement>),
    /// The invocation has ended.
    #[error("Invocation expired or not yet valid")]
    Ended,
    /// A delegation that the invocation rests on has ended.
    #[error("A delegation that the invocation rests on has expired")]
    ChainEnded,
    /// The invocation ends before others that were used and forgotten, though it has not ended: the clock
    /// was set back. Whether it was used before is not known.
    #[error(
        "The node's clock was set back, and the invocation may have been used before: sign one that expires later"
    )]
    Forgotten,
    /// The blob of a value was not written in its time, and is removed.
    #[error("The value took too long to arrive")]
    Late,
    /// The node receives as many bytes as it may at once.
    #[error("The node is receiving as many bytes as it may at once: try again later")]
    Busy,
    /// A delegation rests on one that is not here.
    #[error("Cannot find parent delegation")]
    Parent,
    /// There are as many of them as there may be.
    #[error("{0}")]
    Crowded(String),
    /// As many exports of databases as may be are under way.
    #[error("As many exports of databases as may be are under way: try again later")]
    Exports,
    /// The space is not hosted here.
    #[error("Space not found")]
    NoSpace,
    /// A value is not what the condition says.
    #[error("KV precondition failed")]
    Precondition,
    /// There is no value to delete.
    #[error("No Such Key: {0}")]
    NoKey(String),
    /// The space holds all it may.
    #[error("Storage quota exceeded. Used: {used} bytes, Limit: {limit} bytes")]
    Full {
        /// Bytes.
        used: u64,
        /// Bytes.
        limit: u64,
    },
    /// The space has not enough room left.
    #[error("Write exceeds remaining storage. Used: {used} bytes, Limit: {limit} bytes")]
    Room {
        /// Bytes.
        used: u64,
        /// Bytes.
        limit: u64,
    },
    /// Another process holds the store, and makes no progress; nothing was changed.
    #[error("Another process holds the node's store: try again later")]
    Locked,
    /// The disk has no room left, but for what makes room; nothing was changed, and an invocation that writes
    /// values may have been used up.
    #[error("The node's disk is full: what is there can be read and deleted")]
    DiskFull,
    /// The store failed; nothing was changed.
    #[error("{reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
    /// The store failed, and may or may not have changed something.
    #[error("{reason}")]
    Unknown {
        /// What it said.
        reason: String,
    },
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Unknown { reason } => Self::Unknown { reason },
            DatabaseError::Locked => Self::Locked,
            DatabaseError::Full => Self::DiskFull,
            other => Self::Failed {
                reason: other.to_string(),
            },
        }
    }
}

/// Of the disk.
impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        if is_full(&error) {
            return Self::DiskFull;
        }
        Self::Failed {
            reason: error.to_string(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h11_a_disk_without_room_and_a_user_without_more_of_it_are_the_same() {
        for kind in [
            std::io::ErrorKind::StorageFull,
            std::io::ErrorKind::QuotaExceeded,
        ] {
            let found = StoreError::from(std::io::Error::from(kind));
            assert!(matches!(found, StoreError::DiskFull), "{kind}: {found}");
        }
        let broken = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert!(matches!(broken.into(), StoreError::Failed { .. }));
    }
}
