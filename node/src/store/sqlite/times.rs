//! What is kept of the node's time.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::uses;
use crate::kept_time::{Kept, KeptTime};
use crate::store::StoreError;

pub(super) fn read(c: &Connection) -> rusqlite::Result<Option<Kept>> {
    let mut select = c.prepare_cached(
        "SELECT seen_ms, steady_ms, boot, accepted, longest_ms, soon_ms, soon_since_ms, late_ms, late_since_ms
         FROM clock",
    )?;
    let kept = select.query_row([], |row| {
        let (soon, soon_since): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
        let (late, late_since): (Option<i64>, Option<i64>) = (row.get(7)?, row.get(8)?);
        Ok(Kept {
            seen_ms: row.get(0)?,
            steady_ms: row.get(1)?,
            boot: row.get(2)?,
            accepted: row.get(3)?,
            longest_ms: row.get(4)?,
            soon: soon.zip(soon_since),
            late: late.zip(late_since),
        })
    });
    kept.optional()
}

/// Keeps what the time is, and hears whether an operator has accepted another.
pub(super) fn keep(c: &Connection, time: &KeptTime) -> Result<(), StoreError> {
    let accepted = read(c)?.map_or(0, |kept| kept.accepted);
    match time.keep(accepted) {
        Some(kept) => write(c, &kept),
        None => Ok(()),
    }
}

/// Says that the machine's clock is right. By the time until now, marks of what may not have ended may be
/// forgotten.
pub(super) fn accept(c: &Connection, time: &KeptTime) -> Result<(), StoreError> {
    let accepted = read(c)?.map_or(0, |kept| kept.accepted);
    match time.keep(accepted.saturating_add(1)) {
        Some(kept) => {
            write(c, &kept)?;
            uses::forgotten_by_a_wrong_time(c, kept.seen_ms, kept.longest_ms)
        }
        None => Ok(()),
    }
}

fn write(c: &Connection, kept: &Kept) -> Result<(), StoreError> {
    let ((soon, soon_since), (late, late_since)) = (kept.soon.unzip(), kept.late.unzip());
    c.prepare_cached(
        "INSERT INTO clock (one, seen_ms, steady_ms, boot, accepted, longest_ms,
            soon_ms, soon_since_ms, late_ms, late_since_ms)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (one) DO UPDATE SET
            seen_ms = excluded.seen_ms, steady_ms = excluded.steady_ms,
            boot = excluded.boot, accepted = excluded.accepted,
            longest_ms = max(longest_ms, excluded.longest_ms),
            soon_ms = excluded.soon_ms, soon_since_ms = excluded.soon_since_ms,
            late_ms = excluded.late_ms, late_since_ms = excluded.late_since_ms",
    )?
    .execute(params![
        kept.seen_ms,
        kept.steady_ms,
        &kept.boot,
        kept.accepted,
        kept.longest_ms,
        soon,
        soon_since,
        late,
        late_since
    ])?;
    Ok(())
}
