//! What is kept of the node's time.

use rusqlite::{Connection, OptionalExtension as _};

use crate::kept_time::{Kept, KeptTime};
use crate::store::StoreError;

pub(super) fn read(c: &Connection) -> rusqlite::Result<Option<Kept>> {
    let mut select = c.prepare_cached("SELECT seen_ms, steady_ms, boot, accepted FROM clock")?;
    let kept = select.query_row([], |row| {
        Ok(Kept {
            seen_ms: row.get(0)?,
            steady_ms: row.get(1)?,
            boot: row.get(2)?,
            accepted: row.get(3)?,
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

/// Says that the machine's clock is right.
pub(super) fn accept(c: &Connection, time: &KeptTime) -> Result<(), StoreError> {
    let accepted = read(c)?.map_or(0, |kept| kept.accepted);
    match time.keep(accepted.saturating_add(1)) {
        Some(kept) => write(c, &kept),
        None => Ok(()),
    }
}

fn write(c: &Connection, kept: &Kept) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO clock (one, seen_ms, steady_ms, boot, accepted) VALUES (1, ?1, ?2, ?3, ?4)
         ON CONFLICT (one) DO UPDATE SET
            seen_ms = excluded.seen_ms, steady_ms = excluded.steady_ms,
            boot = excluded.boot, accepted = excluded.accepted",
    )?
    .execute((kept.seen_ms, kept.steady_ms, &kept.boot, kept.accepted))?;
    Ok(())
}
