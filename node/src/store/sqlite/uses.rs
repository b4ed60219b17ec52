//! Invocations that were used.

use rusqlite::Connection;

use super::kept;
use crate::admission::remembered_until;
use crate::store::StoreError;
use crate::store::types::{Admission, Statement};

/// Rows that one tidying removes at most: whoever waits for the writer must not wait long.
const TIDIED: u32 = 10_000;

/// In its transaction, and by a clock that is read there: whoever is slow between the first check and
/// this one must not use an invocation again whose mark was forgotten meanwhile.
pub(super) fn admit(c: &Connection, admission: &Admission, now_ms: i64) -> Result<(), StoreError> {
    check_chain(c, admission, now_ms)?;
    if now_ms > admission.expires_ms {
        return Err(StoreError::Ended);
    }
    // only after the clock was set back: what was forgotten had ended by the clock of then
    if admission.until_ms <= forgotten_ms(c)? {
        return Err(StoreError::Forgotten);
    }
    if use_up(c, &admission.statement, admission.until_ms)? {
        Ok(())
    } else {
        Err(StoreError::Duplicate)
    }
}

/// What an invocation rests on, whether it is used up now or was when its body began.
pub(super) fn check_chain(
    c: &Connection,
    admission: &Admission,
    now_ms: i64,
) -> Result<(), StoreError> {
    check_unrevoked(c, &admission.chain)?;
    match admission.chain_expires_ms {
        Some(end) if now_ms > end || !admission.chain.is_empty() && end <= kept::ended_ms(c)? => {
            Err(StoreError::ChainEnded)
        }
        _ => Ok(()),
    }
}

/// No mark that was forgotten had to be remembered for longer.
fn forgotten_ms(c: &Connection) -> Result<i64, StoreError> {
    let mut select = c.prepare_cached("SELECT forgotten_ms FROM tally")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// What was forgotten by a time that was ahead of this one may end later than that. Only what was signed by now,
/// and lives as long as it may, can have been: what ends later still is new. Delegations that were posted stay
/// used up.
pub(super) fn forgotten_by_a_wrong_time(
    c: &Connection,
    now_ms: i64,
    longest_ms: i64,
) -> Result<(), StoreError> {
    let last_ms = remembered_until(now_ms.saturating_add(longest_ms));
    if forgotten_ms(c)? <= last_ms {
        return Ok(());
    }
    c.prepare_cached("UPDATE tally SET forgotten_ms = ?1")?
        .execute([last_ms])?;
    c.prepare_cached(
        "INSERT INTO invocation (statement, until_ms)
         SELECT statement, expires_ms + ?2 FROM delegation WHERE expires_ms > ?1
         ON CONFLICT DO NOTHING",
    )?
    .execute((now_ms, remembered_until(0)))?;
    Ok(())
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

/// True: there is more.
pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<bool, StoreError> {
    let mut delete = c.prepare_cached(
        "DELETE FROM invocation WHERE statement IN
            (SELECT statement FROM invocation WHERE until_ms < ?1 ORDER BY until_ms LIMIT ?2)
         RETURNING until_ms",
    )?;
    let rows = delete.query_map((now_ms, TIDIED), |row| row.get::<_, i64>(0))?;
    let (mut count, mut last_ms) = (0, None);
    for until_ms in rows {
        last_ms = last_ms.max(Some(until_ms?));
        count += 1;
    }
    if let Some(last_ms) = last_ms {
        c.prepare_cached("UPDATE tally SET forgotten_ms = max(forgotten_ms, ?1)")?
            .execute([last_ms])?;
    }
    Ok(count == TIDIED)
}
