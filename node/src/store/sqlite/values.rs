//! Values.

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _};

use super::{bytes, damaged, garbage, integer, length, spaces};
use crate::allowance::{Allowance, Fitting, Read};
use crate::store::StoreError;
use crate::store::types::{
    Begin, Change, Condition, Content, Extent, Keys, Outcome, Page, Room, StoredValue, ValueWrite,
};

/// Sorts behind every character that a key can hold: keys are what a URI's path is made of.
const BEHIND: &str = "\u{7f}";

pub(super) fn get(
    c: &Connection,
    space: i64,
    key: &str,
) -> Result<Option<StoredValue>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT hash, size, headers, blob, inline FROM value WHERE space = ?1 AND key = ?2",
    )?;
    let value = select.query_row((space, key), |row| {
        let (blob, inline): (Option<String>, Option<Vec<u8>>) = (row.get(3)?, row.get(4)?);
        Ok(StoredValue {
            hash: row.get(0)?,
            size: bytes(row.get(1)?),
            headers: row.get(2)?,
            content: match blob {
                Some(name) => Content::Blob(name),
                None => Content::Inline(Bytes::from(inline.unwrap_or_default())),
            },
        })
    });
    Ok(value.optional()?)
}

/// Values of several keys, if they and what is stored with them fit.
pub(super) fn several(
    c: &Connection,
    space: i64,
    keys: &[String],
    contents: bool,
    allowed: Allowance,
) -> Result<Read<Vec<Option<StoredValue>>, Extent>, StoreError> {
    let (mut extent, mut fitting) = (Extent::default(), allowed.fitting());
    let (mut of, mut all) = (extents(c)?, Vec::with_capacity(keys.len()));
    for key in keys {
        let found = of.query_row((space, key), |row| {
            let (size, headers, inline): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((bytes(size), bytes(headers), bytes(inline)))
        });
        let Some((size, headers, inline)) = found.optional()? else {
            all.push(None);
            continue;
        };
        extent.headers = extent.headers.saturating_add(headers);
        let mut more = headers;
        if contents {
            extent.values = extent.values.saturating_add(size);
            more = more.saturating_add(inline);
        }
        if !fitting.fits(usize::try_from(more).unwrap_or(usize::MAX)) {
            // only how many bytes there are is of use now
            all = Vec::new();
        } else if contents {
            all.push(get(c, space, key)?);
        } else {
            all.push(head(c, space, key)?);
        }
    }
    Ok(if fitting.is_within() {
        Read::All(all)
    } else {
        Read::Larger(extent)
    })
}

fn extents(c: &Connection) -> Result<CachedStatement<'_>, StoreError> {
    Ok(c.prepare_cached(
        "SELECT size, octet_length(headers), coalesce(octet_length(inline), 0)
         FROM value WHERE space = ?1 AND key = ?2",
    )?)
}

/// A value without its content.
fn head(c: &Connection, space: i64, key: &str) -> Result<Option<StoredValue>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT hash, size, headers FROM value WHERE space = ?1 AND key = ?2")?;
    let value = select.query_row((space, key), |row| {
        Ok(StoredValue {
            hash: row.get(0)?,
            size: bytes(row.get(1)?),
            headers: row.get(2)?,
            content: Content::Unread,
        })
    });
    Ok(value.optional()?)
}

pub(super) fn keys(
    c: &Connection,
    space: i64,
    which: &Keys,
    page: &Page<String>,
    allowed: Allowance,
) -> Result<Read<Vec<String>>, StoreError> {
    let mut fitting = allowed.fitting();
    let keys = fitting_keys(c, space, which, page, &mut fitting)?;
    Ok(fitting.done(keys))
}

fn fitting_keys(
    c: &Connection,
    space: i64,
    which: &Keys,
    page: &Page<String>,
    fitting: &mut Fitting,
) -> Result<Vec<String>, StoreError> {
    let (key, below) = match which {
        Keys::With(prefix) => return beginning_with(c, space, prefix, page, fitting),
        Keys::AtOrBelow(key) => (key, Some(format!("{key}/"))),
        Keys::Only(key) => (key, None),
    };
    let mut keys = Vec::new();
    let is_wanted = page
        .after
        .as_deref()
        .is_none_or(|after| after < key.as_str());
    if page.limit > 0 && is_wanted && before(c, space, key)?.is_some() {
        keys.push(key.clone());
        let _ = fitting.fits(key.len());
    }
    if let Some(prefix) = below {
        let rest = Page {
            after: page.after.clone(),
            limit: page.limit - u32::from(!keys.is_empty()),
        };
        keys.extend(beginning_with(c, space, &prefix, &rest, fitting)?);
    }
    Ok(keys)
}

fn beginning_with(
    c: &Connection,
    space: i64,
    prefix: &str,
    page: &Page<String>,
    fitting: &mut Fitting,
) -> Result<Vec<String>, StoreError> {
    // The prefix itself can be a key: it is left out only for who has seen it.
    let (from, comparison) = match &page.after {
        Some(after) if after.as_str() >= prefix => (after.as_str(), ">"),
        _ => (prefix, ">="),
    };
    let mut select = c.prepare_cached(&format!(
        "SELECT key FROM value WHERE space = ?1 AND key {comparison} ?2 AND key < ?3 ORDER BY key LIMIT ?4"
    ))?;
    let behind = format!("{prefix}{BEHIND}");
    let mut rows = select.query((space, from, behind, page.limit))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        if fitting.fits(length(row, 0)?) {
            keys.push(row.get(0)?);
        } else {
            keys = Vec::new();
        }
    }
    Ok(keys)
}

/// What is known of a key before it changes.
struct Before {
    row: i64,
    hash: [u8; 32],
    size: i64,
    /// Bytes that it counts for: with its key and headers.
    counted: i64,
    blob: Option<String>,
}

/// Whether a write can be carried out as far as that is known before its values are: how many bytes they
/// may have, or why not. It changes nothing.
pub(super) fn begin_or_refuse(
    c: &Connection,
    begin: &Begin,
) -> Result<Result<Option<Room>, StoreError>, StoreError> {
    refusable(self::begin(c, begin))
}

fn begin(c: &Connection, begin: &Begin) -> Result<Option<Room>, StoreError> {
    let name = begin.space.to_string();
    let space = spaces::id(c, &name)?;
    for (key, condition) in &begin.keys {
        check_condition(condition, before(c, space, key)?.as_ref())?;
    }
    let keys = begin.keys.iter().map(|(key, _)| key.as_str());
    // keys count as well, and headers, of which there are two bytes at least
    let beside = keys.clone().map(|key| key.len() as u64 + 2).sum();
    let room = garbage::room(c, space, &name, keys, begin.default_bound)?;
    let room = room.map(|room| Room {
        bytes: room.bytes.saturating_sub(beside),
        ..room
    });
    // at least one byte follows: nobody begins a write of nothing
    garbage::check_room(room, begin.announced.max(1))?;
    Ok(room)
}

/// Writes, or refuses and changes nothing. The transaction goes on either way: an invocation that was
/// refused is used up all the same, as otherwise whoever saw it could repeat it when it is no longer
/// refused.
pub(super) fn write_or_refuse(
    c: &Connection,
    changes: &ValueWrite,
    now_ms: i64,
) -> Result<Result<Vec<Outcome>, StoreError>, StoreError> {
    let run = |sql| c.prepare_cached(sql)?.execute([]).map(drop);
    run("SAVEPOINT refusable")?;
    // a failure undoes more than this
    let written = refusable(write(c, changes, now_ms))?;
    if written.is_err() {
        run("ROLLBACK TO refusable")?;
    }
    run("RELEASE refusable")?;
    Ok(written)
}

/// Tells what is refused from what failed.
pub(super) fn refusable<T>(
    done: Result<T, StoreError>,
) -> Result<Result<T, StoreError>, StoreError> {
    match done {
        Err(
            refused @ (StoreError::NoSpace
            | StoreError::Precondition
            | StoreError::NoKey(_)
            | StoreError::Exports
            | StoreError::Full { .. }
            | StoreError::Room { .. }),
        ) => Ok(Err(refused)),
        done => Ok(Ok(done?)),
    }
}

fn check_condition(condition: &Condition, before: Option<&Before>) -> Result<(), StoreError> {
    match (condition, before) {
        (Condition::Any, _) | (Condition::Absent, None) => Ok(()),
        (Condition::Match(hash), Some(before)) if *hash == before.hash => Ok(()),
        _ => Err(StoreError::Precondition),
    }
}

fn write(c: &Connection, write: &ValueWrite, now_ms: i64) -> Result<Vec<Outcome>, StoreError> {
    let name = write.space.to_string();
    let space = spaces::id(c, &name)?;
    let (mut grown, mut freed) = (0_i64, 0_i64);
    let mut outcomes = Vec::with_capacity(write.changes.len());
    for (key, condition, change) in &write.changes {
        let before = before(c, space, key)?;
        check_condition(condition, before.as_ref())?;
        let hash = match change {
            Change::Put(value) => {
                put(c, space, key, value, before.as_ref(), now_ms)?;
                let beside = key.len() + value.headers.len();
                grown += integer(value.size.saturating_add(beside as u64));
                value.hash
            }
            Change::Delete => {
                let Some(before) = &before else {
                    return Err(StoreError::NoKey(key.clone()));
                };
                c.prepare_cached("DELETE FROM value WHERE id = ?1")?
                    .execute([before.row])?;
                before.hash
            }
        };
        if let Some(before) = before {
            grown -= before.counted;
            if let Some(blob) = before.blob {
                garbage::replaced(c, &blob, space, before.size, now_ms)?;
                freed += before.size;
            }
        }
        outcomes.push(Outcome { hash });
    }
    grow(c, space, &name, (grown, freed), write.default_bound)?;
    Ok(outcomes)
}

/// Bytes that a value counts for, if there is one.
pub(super) fn counted(c: &Connection, space: i64, key: &str) -> Result<Option<u64>, StoreError> {
    Ok(before(c, space, key)?.map(|before| bytes(before.counted)))
}

fn before(c: &Connection, space: i64, key: &str) -> Result<Option<Before>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, hash, size, blob, size + octet_length(key) + octet_length(headers)
         FROM value WHERE space = ?1 AND key = ?2",
    )?;
    let before = select.query_row((space, key), |row| {
        Ok(Before {
            row: row.get(0)?,
            hash: row.get(1)?,
            size: row.get(2)?,
            blob: row.get(3)?,
            counted: row.get(4)?,
        })
    });
    Ok(before.optional()?)
}

fn put(
    c: &Connection,
    space: i64,
    key: &str,
    value: &StoredValue,
    before: Option<&Before>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let (blob, inline) = match &value.content {
        Content::Blob(name) => (Some(name.as_str()), None),
        Content::Inline(bytes) => (None, Some(&**bytes)),
        Content::Unread => return Err(damaged("a value without its content")),
    };
    if let Some(blob) = blob {
        garbage::settle(c, blob, space)?;
    }
    let size = integer(value.size);
    match before {
        Some(before) => c
            .prepare_cached(
                "UPDATE value SET hash = ?2, size = ?3, headers = ?4, blob = ?5, inline = ?6, changed_ms = ?7
                 WHERE id = ?1",
            )?
            .execute((before.row, &value.hash, size, &value.headers, blob, inline, now_ms))?,
        None => c
            .prepare_cached(
                "INSERT INTO value (space, key, hash, size, headers, blob, inline, changed_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((space, key, &value.hash, size, &value.headers, blob, inline, now_ms))?,
    };
    Ok(())
}

/// Counts what a space holds, and refuses what is too much, with what is pending besides what this write
/// itself replaced. What makes a space smaller is never too much.
fn grow(
    c: &Connection,
    space: i64,
    name: &str,
    (grown, freed): (i64, i64),
    default_bound: Option<u64>,
) -> Result<(), StoreError> {
    if grown > 0 {
        let usage = spaces::usage(c, name)?;
        let used = usage.used().saturating_sub(bytes(freed));
        if let Some(limit) = usage.bound.or(default_bound) {
            if used >= limit {
                return Err(StoreError::Full { used, limit });
            }
            if used.saturating_add(bytes(grown)) > limit {
                return Err(StoreError::Room { used, limit });
            }
        }
    }
    c.prepare_cached("UPDATE space SET value_bytes = value_bytes + ?2 WHERE id = ?1")?
        .execute((space, grown))?;
    Ok(())
}
