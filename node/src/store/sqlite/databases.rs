//! What databases hold, and what requests of them may use.
//!
//! Room is reserved before the work, in the transaction that admits it: however many requests come at once,
//! they share what is left. A reservation ends with its request, or dies with its process.

use rusqlite::{Connection, OptionalExtension as _};

use super::{bytes, integer, spaces, uses, values};
use crate::store::StoreError;
use crate::store::usage::{Entered, Entry, Usage, Wants};

/// How long a reservation lasts that nobody ends, in milliseconds.
const LASTS_MS: i64 = 10 * 60_000;
/// What a request that writes is given: this part of the room that is left, within these bounds. What needs
/// more is done again with all of it.
const PART: u64 = 16;
const LEAST: u64 = 16 * 1024;
const MOST: u64 = 16 * 1024 * 1024;
/// Exports of one space that are under way, and of all: each is a copy until somebody has read it.
const EXPORTS_OF_SPACE: i64 = 2;
const EXPORTS: i64 = 16;

/// What a request may use, or why it may not: then it is used up all the same.
pub(super) fn enter(
    c: &Connection,
    entry: &Entry,
    now_ms: i64,
) -> Result<Result<Entered, StoreError>, StoreError> {
    uses::admit(c, &entry.admission, now_ms)?;
    let name = entry.space.to_string();
    let Some(space) = spaces::find(c, &name)? else {
        return Ok(Ok(Entered::default()));
    };
    let usage = spaces::usage(c, &name)?;
    let counted = counted(c, space, &entry.database)?;
    let limit = usage.bound.or(entry.default_bound);
    let entered = Entered {
        hosted: true,
        database_bytes: counted,
        reservation: None,
        most: limit.map(|_| counted),
    };
    values::refusable(match (entry.wants, limit) {
        (Wants::Reading, _) | (Wants::Writing, None) => Ok(entered),
        (Wants::Writing, Some(limit)) => {
            let room = room(&usage, limit)?;
            let part = (room / PART).clamp(LEAST, MOST).min(room);
            reserve(c, space, &entry.database, part, now_ms).map(|id| Entered {
                reservation: Some(id),
                most: Some(counted.saturating_add(part)),
                ..entered
            })
        }
        (Wants::Export, _) => export(c, space, &entry.database, now_ms).map(|id| Entered {
            reservation: Some(id),
            ..entered
        }),
    })
}

fn room(usage: &Usage, limit: u64) -> Result<u64, StoreError> {
    let used = usage.used();
    match limit.saturating_sub(used) {
        0 => Err(StoreError::Full { used, limit }),
        room => Ok(room),
    }
}

pub(super) fn enlarge(
    c: &Connection,
    name: &str,
    database: &str,
    reservation: Option<i64>,
    default_bound: Option<u64>,
    now_ms: i64,
) -> Result<Entered, StoreError> {
    let space = spaces::id(c, name)?;
    let usage = spaces::usage(c, name)?;
    let counted = counted(c, space, database)?;
    let mut entered = Entered {
        hosted: true,
        database_bytes: counted,
        reservation,
        most: None,
    };
    let Some(limit) = usage.bound.or(default_bound) else {
        return Ok(entered);
    };
    let Some(id) = reservation else {
        let room = room(&usage, limit)?;
        entered.reservation = Some(reserve(c, space, database, room, now_ms)?);
        entered.most = Some(counted.saturating_add(room));
        return Ok(entered);
    };
    let more = integer(limit.saturating_sub(usage.used()));
    let mut update = c.prepare_cached(
        "UPDATE sql_reservation SET bytes = bytes + ?2, until_ms = ?3 WHERE id = ?1 RETURNING bytes",
    )?;
    let row = update.query_row((id, more, now_ms.saturating_add(LASTS_MS)), |row| {
        row.get(0)
    });
    let all: i64 = row.optional()?.ok_or(StoreError::Late)?;
    count(c, space, more)?;
    entered.most = Some(counted.saturating_add(bytes(all)));
    Ok(entered)
}

fn export(c: &Connection, space: i64, database: &str, now_ms: i64) -> Result<i64, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(*), count(*) FILTER (WHERE space = ?1) FROM sql_reservation WHERE export = 1",
    )?;
    let (all, own) = select.query_row([space], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (all, own): (i64, i64) = (all, own);
    if all >= EXPORTS || own >= EXPORTS_OF_SPACE {
        return Err(StoreError::Exports);
    }
    insert(c, space, database, true, 0, now_ms)
}

fn reserve(
    c: &Connection,
    space: i64,
    database: &str,
    room: u64,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let room = integer(room);
    let id = insert(c, space, database, false, room, now_ms)?;
    count(c, space, room)?;
    Ok(id)
}

fn insert(
    c: &Connection,
    space: i64,
    database: &str,
    is_export: bool,
    room: i64,
    now_ms: i64,
) -> Result<i64, StoreError> {
    c.prepare_cached(
        "INSERT INTO sql_reservation (space, name, export, bytes, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((space, database, is_export, room, now_ms.saturating_add(LASTS_MS)))?;
    Ok(c.last_insert_rowid())
}

pub(super) fn settle(
    c: &Connection,
    name: &str,
    database: &str,
    reservation: i64,
    size: Option<u64>,
) -> Result<(), StoreError> {
    let mut delete =
        c.prepare_cached("DELETE FROM sql_reservation WHERE id = ?1 RETURNING space, bytes")?;
    let gone = delete.query_row([reservation], |row| Ok((row.get(0)?, row.get(1)?)));
    if let Some((space, room)) = gone.optional()? {
        let (space, room): (i64, i64) = (space, room);
        count(c, space, -room)?;
    }
    match size {
        Some(size) => sized(c, name, database, size),
        None => Ok(()),
    }
}

pub(super) fn renew(c: &Connection, reservation: i64, now_ms: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE sql_reservation SET until_ms = ?2 WHERE id = ?1")?
        .execute((reservation, now_ms.saturating_add(LASTS_MS)))?;
    Ok(())
}

pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<(), StoreError> {
    let mut delete =
        c.prepare_cached("DELETE FROM sql_reservation WHERE until_ms < ?1 RETURNING space, bytes")?;
    let gone = delete.query_map([now_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let gone: Vec<(i64, i64)> = gone.collect::<rusqlite::Result<_>>()?;
    for (space, room) in gone {
        count(c, space, -room)?;
    }
    Ok(())
}

fn count(c: &Connection, space: i64, change: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE space SET pending_bytes = pending_bytes + ?2 WHERE id = ?1")?
        .execute((space, change))?;
    Ok(())
}

fn counted(c: &Connection, space: i64, database: &str) -> Result<u64, StoreError> {
    let mut select =
        c.prepare_cached("SELECT bytes FROM sql_database WHERE space = ?1 AND name = ?2")?;
    let counted = select.query_row((space, database), |row| row.get(0));
    Ok(counted.optional()?.map_or(0, bytes))
}

pub(super) fn sized(
    c: &Connection,
    name: &str,
    database: &str,
    size: u64,
) -> Result<(), StoreError> {
    let space = spaces::id(c, name)?;
    let change = integer(size).saturating_sub(integer(counted(c, space, database)?));
    c.prepare_cached(
        "INSERT INTO sql_database (space, name, bytes) VALUES (?1, ?2, ?3)
         ON CONFLICT (space, name) DO UPDATE SET bytes = excluded.bytes",
    )?
    .execute((space, database, integer(size)))?;
    // a space may have any number of databases: they are not summed at each write
    c.prepare_cached(
        "UPDATE space SET database_bytes = max(database_bytes + ?2, 0) WHERE id = ?1",
    )?
    .execute((space, change))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::store::sqlite::schema::LAYOUT;

    /// Instructions of SQLite that counting one more write takes in a space with so many databases.
    fn steps(databases: u64) -> u64 {
        let mut c = Connection::open_in_memory().unwrap();
        for migration in LAYOUT.migrations {
            c.execute_batch(migration).unwrap();
        }
        c.execute_batch("INSERT INTO space (name, owner, created_ms) VALUES ('s', 'o', 0)")
            .unwrap();
        for n in 0..databases {
            sized(&c, "s", &format!("{n:05}"), 4096).unwrap();
        }
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let step = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        c.progress_handler(1, Some(step)).unwrap();
        sized(&c, "s", "00000", 8192).unwrap();
        c.progress_handler(0, None::<fn() -> bool>).unwrap();
        let bytes = "SELECT database_bytes FROM space";
        let bytes: i64 = c.query_row(bytes, [], |row| row.get(0)).unwrap();
        assert_eq!(super::bytes(bytes), (databases + 1) * 4096);
        assert_eq!(spaces::miscounted(&c).unwrap().len(), 0);
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn h8_counting_a_write_does_not_depend_on_how_many_databases_there_are() {
        let few = steps(2);
        assert!(few > 0);
        assert_eq!(steps(3_000), few);
    }
}
