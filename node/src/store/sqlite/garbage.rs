//! Blobs that are part of no value: those that are being received, and those whose values were replaced.
//!
//! Each counts for its space until its file is gone. The counts are kept with the space, and all that is
//! being received also for the node: whatever changes a row here changes them.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{bytes, integer, spaces, values};
use crate::store::StoreError;
use crate::store::types::{Reservation, Room};

/// Stands for "since when" of a blob that is being removed.
const CLAIMED: i64 = i64::MIN;

/// What a row counts for.
struct Counted {
    space: Option<i64>,
    bytes: i64,
    is_staged: bool,
}

impl Counted {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            space: row.get(0)?,
            bytes: row.get(1)?,
            is_staged: row.get(2)?,
        })
    }
}

/// How many bytes new values of these keys may have: what the space has left, and what the values have
/// that they replace, without what is pending. `None`: any number.
///
/// What is replaced stays on disk for a while, so a space takes up at most its bound, and once more what
/// one write replaces.
pub(super) fn room<'a>(
    c: &Connection,
    space: i64,
    name: &str,
    keys: impl Iterator<Item = &'a str>,
    default_bound: Option<u64>,
) -> Result<Option<Room>, StoreError> {
    let usage = spaces::usage(c, name)?;
    let Some(limit) = usage.bound.or(default_bound) else {
        return Ok(None);
    };
    let mut replaced = 0_u64;
    for key in keys {
        let counted = values::counted(c, space, key)?.unwrap_or(0);
        replaced = replaced.saturating_add(counted);
    }
    let free = limit.saturating_sub(usage.bytes).saturating_add(replaced);
    Ok(Some(Room {
        bytes: free.saturating_sub(usage.pending),
        used: usage.used(),
        limit,
    }))
}

/// Refuses so many bytes where there is no room for them.
pub(super) fn check_room(room: Option<Room>, wanted: u64) -> Result<(), StoreError> {
    match room {
        Some(Room { bytes, used, limit }) if wanted > bytes => Err(if used >= limit {
            StoreError::Full { used, limit }
        } else {
            StoreError::Room { used, limit }
        }),
        _ => Ok(()),
    }
}

pub(super) fn reserve(
    c: &Connection,
    reservation: &Reservation,
    now_ms: i64,
) -> Result<(), StoreError> {
    let name = reservation.space.to_string();
    let space = spaces::id(c, &name)?;
    let blob = &reservation.blob;
    let before = if reservation.first {
        0
    } else {
        let mut select = c.prepare_cached(
            "SELECT bytes FROM garbage WHERE blob = ?1 AND staged = 1 AND since_ms <> ?2",
        )?;
        let before = select.query_row((blob, CLAIMED), |row| row.get(0));
        before.optional()?.ok_or(StoreError::Late)?
    };
    let more = integer(reservation.bytes).saturating_sub(before).max(0);
    if more > 0 {
        let keys = reservation.keys.iter().map(String::as_str);
        let room = room(c, space, &name, keys, reservation.default_bound)?;
        check_room(room, bytes(more))?;
        let mut select = c.prepare_cached("SELECT staged_bytes FROM tally")?;
        let staged: i64 = select.query_row([], |row| row.get(0))?;
        if bytes(staged.saturating_add(more)) > reservation.staged_bound {
            return Err(StoreError::Busy);
        }
    }
    if reservation.first {
        insert(c, blob, space, more, true, now_ms)
    } else {
        c.prepare_cached("UPDATE garbage SET bytes = bytes + ?2, since_ms = ?3 WHERE blob = ?1")?
            .execute((blob, more, now_ms))?;
        count(c, Some(space), more, true)
    }
}

/// A value was replaced or deleted: its blob is part of none any more.
pub(super) fn replaced(
    c: &Connection,
    blob: &str,
    space: i64,
    size: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    insert(c, blob, space, size, false, now_ms)
}

fn insert(
    c: &Connection,
    blob: &str,
    space: i64,
    size: i64,
    is_staged: bool,
    now_ms: i64,
) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO garbage (blob, space, bytes, staged, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((blob, space, size, is_staged, now_ms))?;
    count(c, Some(space), size, is_staged)
}

/// A blob becomes part of a value of its space, unless it was claimed.
pub(super) fn settle(c: &Connection, blob: &str, space: i64) -> Result<(), StoreError> {
    let mut delete = c.prepare_cached(
        "DELETE FROM garbage WHERE blob = ?1 AND since_ms <> ?2 AND coalesce(space, ?3) = ?3
         RETURNING space, bytes, staged",
    )?;
    let settled = delete.query_row((blob, CLAIMED, space), Counted::read);
    uncount(c, &settled.optional()?.ok_or(StoreError::Late)?)
}

/// Takes what was being received and is given up.
pub(super) fn discard(c: &Connection, blobs: &[String]) -> Result<Vec<String>, StoreError> {
    let mut take =
        c.prepare_cached("UPDATE garbage SET since_ms = ?2 WHERE blob = ?1 AND staged = 1")?;
    let mut taken = Vec::with_capacity(blobs.len());
    for blob in blobs {
        if take.execute((blob, CLAIMED))? == 1 {
            taken.push(blob.clone());
        }
    }
    Ok(taken)
}

/// Takes what nobody will use any more: from now on no value can become of it. What was taken before and
/// is still there comes after that, in any order: what cannot be removed must not be in the way.
pub(super) fn claim(
    c: &Connection,
    staged_before_ms: i64,
    replaced_before_ms: i64,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    let mut claimed: Vec<String> = Vec::new();
    for (is_staged, before_ms) in [(true, staged_before_ms), (false, replaced_before_ms)] {
        let left = limit.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        let mut take = c.prepare_cached(
            "UPDATE garbage SET since_ms = ?4 WHERE blob IN
                (SELECT blob FROM garbage WHERE staged = ?1 AND since_ms < ?2 AND since_ms > ?4
                 ORDER BY since_ms LIMIT ?3)
             RETURNING blob",
        )?;
        let rows = take.query_map((is_staged, before_ms, left, CLAIMED), |row| row.get(0))?;
        for blob in rows {
            claimed.push(blob?);
        }
    }
    let mut select = c.prepare_cached(
        "SELECT blob FROM garbage WHERE staged IN (0, 1) AND since_ms = ?1 ORDER BY random() LIMIT ?2",
    )?;
    let rows = select.query_map((CLAIMED, limit), |row| row.get(0))?;
    for blob in rows {
        let blob = blob?;
        if claimed.len() < limit as usize && !claimed.contains(&blob) {
            claimed.push(blob);
        }
    }
    Ok(claimed)
}

pub(super) fn removed(c: &Connection, blobs: &[String]) -> Result<(), StoreError> {
    let mut delete =
        c.prepare_cached("DELETE FROM garbage WHERE blob = ?1 RETURNING space, bytes, staged")?;
    for blob in blobs {
        if let Some(gone) = delete.query_row([blob], Counted::read).optional()? {
            uncount(c, &gone)?;
        }
    }
    Ok(())
}

fn uncount(c: &Connection, gone: &Counted) -> Result<(), StoreError> {
    count(c, gone.space, -gone.bytes, gone.is_staged)
}

fn count(
    c: &Connection,
    space: Option<i64>,
    change: i64,
    is_staged: bool,
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE space SET pending_bytes = pending_bytes + ?2 WHERE id = ?1")?
        .execute((space, change))?;
    if is_staged {
        c.prepare_cached("UPDATE tally SET staged_bytes = staged_bytes + ?1")?
            .execute([change])?;
    }
    Ok(())
}
