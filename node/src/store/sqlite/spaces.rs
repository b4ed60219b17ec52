//! Spaces and what they hold.

use openkey_capability::resource::SpaceId;
use rusqlite::{Connection, OptionalExtension as _};

use super::check::Miscount;
use super::{bytes, damaged, integer};
use crate::store::StoreError;
use crate::store::types::{Page, Space};
use crate::store::usage::Usage;

/// Bytes of delegations that every space holds without their being counted: a full one can be signed in
/// to, as otherwise nobody could make room in it.
pub(super) const FREE: i64 = 1024 * 1024;

/// The row of a hosted space.
pub(super) fn id(c: &Connection, name: &str) -> Result<i64, StoreError> {
    find(c, name)?.ok_or(StoreError::NoSpace)
}

/// The row of a space, if it is hosted.
pub(super) fn find(c: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT id FROM space WHERE name = ?1")?;
    Ok(select.query_row([name], |row| row.get(0)).optional()?)
}

pub(super) fn get(c: &Connection, name: &str) -> Result<Option<Space>, StoreError> {
    let mut select = c.prepare_cached("SELECT created_ms FROM space WHERE name = ?1")?;
    let space = select.query_row([name], |row| {
        Ok(Space {
            created_ms: row.get(0)?,
        })
    });
    Ok(space.optional()?)
}

pub(super) fn of_owner(
    c: &Connection,
    owner: &str,
    page: &Page<String>,
) -> Result<Vec<(SpaceId, Space)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT name, created_ms FROM space WHERE owner = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
    )?;
    let after = page.after.as_deref().unwrap_or("");
    let rows = select.query_map((owner, after, page.limit), |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    })?;
    let read = |row: rusqlite::Result<(String, i64)>| {
        let (name, created_ms) = row?;
        let id = SpaceId::parse(&name).map_err(|_| damaged("the name of a space"))?;
        Ok((id, Space { created_ms }))
    };
    rows.map(read).collect()
}

/// The row of the first space of an owner.
pub(super) fn first_of(c: &Connection, owner: &str) -> Result<Option<i64>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT id FROM space WHERE owner = ?1 ORDER BY name LIMIT 1")?;
    Ok(select.query_row([owner], |row| row.get(0)).optional()?)
}

/// Counts bytes of delegations for a space.
pub(super) fn count_delegations(
    c: &Connection,
    space: Option<i64>,
    change: i64,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE space SET delegation_bytes = delegation_bytes + ?2 WHERE id = ?1")?
        .execute((space, change))?;
    Ok(())
}

/// False: it was hosted before.
pub(super) fn host(c: &Connection, id: &SpaceId, now_ms: i64) -> Result<bool, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO space (name, owner, created_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?;
    Ok(insert.execute((id.to_string(), id.owner().as_str(), now_ms))? == 1)
}

pub(super) fn usage(c: &Connection, name: &str) -> Result<Usage, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT value_bytes + database_bytes + max(delegation_bytes - ?2, 0), pending_bytes
         FROM space WHERE name = ?1",
    )?;
    let held: Option<(i64, i64)> = select
        .query_row((name, FREE), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut select = c.prepare_cached("SELECT bytes FROM bound WHERE space = ?1")?;
    let bound: Option<i64> = select.query_row([name], |row| row.get(0)).optional()?;
    Ok(Usage {
        hosted: held.is_some(),
        bytes: held.map_or(0, |(held, _)| bytes(held)),
        pending: held.map_or(0, |(_, pending)| bytes(pending)),
        bound: bound.map(bytes),
    })
}

pub(super) fn usages(
    c: &Connection,
    page: &Page<String>,
) -> Result<Vec<(String, Usage)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT name, value_bytes + database_bytes + max(delegation_bytes - ?3, 0), bytes, pending_bytes FROM space LEFT JOIN bound ON bound.space = name
         WHERE name > ?1
         UNION ALL
         SELECT bound.space, NULL, bytes, 0 FROM bound
         WHERE bound.space > ?1 AND NOT EXISTS (SELECT 1 FROM space WHERE name = bound.space)
         ORDER BY 1 LIMIT ?2",
    )?;
    let after = page.after.as_deref().unwrap_or("");
    let rows = select.query_map((after, page.limit, FREE), |row| {
        let (held, bound): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let usage = Usage {
            hosted: held.is_some(),
            bytes: held.map_or(0, bytes),
            pending: bytes(row.get(3)?),
            bound: bound.map(bytes),
        };
        Ok((row.get(0)?, usage))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn bound(c: &Connection, name: &str, limit: Option<u64>) -> Result<(), StoreError> {
    match limit {
        Some(limit) => c
            .prepare_cached(
                "INSERT INTO bound (space, bytes) VALUES (?1, ?2)
                 ON CONFLICT (space) DO UPDATE SET bytes = excluded.bytes",
            )?
            .execute((name, integer(limit)))?,
        None => c
            .prepare_cached("DELETE FROM bound WHERE space = ?1")?
            .execute([name])?,
    };
    Ok(())
}

/// Spaces whose count of bytes is not what they hold.
pub(super) fn miscounted(c: &Connection) -> Result<Vec<Miscount>, StoreError> {
    let mut select = c.prepare(
        "SELECT name, held, counted FROM (
            SELECT name, value_bytes AS counted,
                (SELECT coalesce(sum(size + octet_length(key) + octet_length(headers)), 0)
                 FROM value WHERE value.space = space.id) AS held
            FROM space
            UNION ALL
            SELECT name, database_bytes,
                (SELECT coalesce(sum(bytes), 0) FROM sql_database WHERE sql_database.space = space.id)
            FROM space
            UNION ALL
            SELECT name, pending_bytes,
                (SELECT coalesce(sum(bytes), 0) FROM garbage WHERE garbage.space = space.id)
                + (SELECT coalesce(sum(bytes), 0) FROM sql_reservation WHERE sql_reservation.space = space.id)
            FROM space
            UNION ALL
            SELECT name, delegation_bytes,
                (SELECT coalesce(sum(length(token)), 0) FROM delegation WHERE delegation.space = space.id)
                + (SELECT coalesce(sum(length(s.token)), 0)
                   FROM delegation AS d JOIN delegation_spelling AS s ON s.delegation = d.id
                   WHERE d.space = space.id)
            FROM space
            UNION ALL
            SELECT (SELECT name FROM space WHERE space.id = d.space), below_bytes,
                (SELECT coalesce(sum(length(u.token)), 0)
                 FROM delegation_above AS a JOIN delegation AS u ON u.id = a.delegation
                 WHERE a.ancestor = d.id)
            FROM delegation AS d
            UNION ALL
            SELECT NULL, staged_bytes,
                (SELECT coalesce(sum(bytes), 0) FROM garbage WHERE staged = 1)
            FROM tally)
         WHERE counted <> held LIMIT 1000",
    )?;
    let rows = select.query_map([], |row| {
        Ok(Miscount {
            space: row.get(0)?,
            held: row.get(1)?,
            counted: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
