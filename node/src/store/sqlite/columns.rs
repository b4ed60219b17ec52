//! What columns hold.

use rusqlite::Row;

use crate::store::StoreError;

/// What a column that must hold something of a fixed shape holds instead.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Failed {
        reason: format!("the store is damaged: {what}; run `openkey-node check`"),
    }
}

/// The bytes of a column, which is not copied for that.
pub(super) fn length(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    Ok(row.get_ref(column)?.as_bytes()?.len())
}

/// A length that fits SQLite's integers.
pub(super) fn integer(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn bytes(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}
