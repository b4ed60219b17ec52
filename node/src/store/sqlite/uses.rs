//! Invocations that were used.

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::types::{Admission, Statement};

/// Rows that one tidying removes at most: whoever waits for the writer must not wait long.
const TIDIED: u32 = 10_000;

pub(super) fn admit(c: &Connection, admission: &Admission) -> Result<(), StoreError> {
    check_unrevoked(c, &admission.chain)?;
    if use_up(c, &admission.statement, admission.until_ms)? {
        Ok(())
    } else {
        Err(StoreError::Duplicate)
    }
}

/// Whether it was not used up before.
pub(super) fn use_up(
    c: &Connection,
    statement: &Statement,
    until_ms: i64,
) -> Result<bool, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO invocation (statement, until_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )?;
    Ok(insert.execute((statement, until_ms))? == 1)
}

pub(super) fn is_used(c: &Connection, statement: &Statement) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached("SELECT 1 FROM invocation WHERE statement = ?1")?;
    Ok(select.exists([statement])?)
}

/// In the transaction that makes the change: whoever revokes comes before it or after it.
pub(super) fn check_unrevoked(c: &Connection, chain: &[Statement]) -> Result<(), StoreError> {
    let mut select = c.prepare_cached("SELECT 1 FROM revocation WHERE target = ?1")?;
    let mut revoked = Vec::new();
    for statement in chain {
        if select.exists([statement])? {
            revoked.push(*statement);
        }
    }
    if revoked.is_empty() {
        Ok(())
    } else {
        Err(StoreError::Revoked(revoked))
    }
}

pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "DELETE FROM invocation WHERE statement IN
            (SELECT statement FROM invocation WHERE until_ms < ?1 LIMIT ?2)",
    )?
    .execute((now_ms, TIDIED))?;
    Ok(())
}
