//! Which delegations are kept, for how long, and how many may hang under one.
//!
//! A delegation hangs under everything that it rests on. How many do is counted with each, until they have
//! ended or what they hang under was revoked. Its bytes count for one space: where nobody pays for
//! something, everybody makes as much of it as they like.

use std::collections::BTreeSet;

use openkey_capability::{cid::Cid, resource::SpaceId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{bytes, damaged, integer, spaces};
use crate::store::StoreError;
use crate::store::types::{NewDelegation, Statement};

/// Most delegations that hang under one.
const BELOW: i64 = 1000;
/// Bytes of their tokens.
const BELOW_BYTES: i64 = 4 * 1024 * 1024;
/// The same under one of the owner's: whoever uses up what they were passed on must not use up what the
/// owner's own session may still pass on.
const BELOW_OWNERS: i64 = 10_000;
const BELOW_OWNERS_BYTES: i64 = 64 * 1024 * 1024;
/// From this depth on it hangs below what a session shared: whoever holds a link makes as many as they like,
/// of a quota that is not theirs. Most bytes of all of these that count for one space.
const SHARED: i64 = 2;
const SHARED_BYTES: i64 = 1024 * 1024;
/// Most spellings of one that is kept, besides the first.
const SPELLINGS: i64 = 3;
/// How long after its end a delegation is kept, in milliseconds: replicas' clocks differ a little.
const ENDED_MS: i64 = 60_000;
/// Delegations that one tidying forgets at most, and rows that it removes, but for the last delegation's: whoever
/// waits for the writer must not wait long.
const TIDIED: u32 = 200;
const TIDIED_ROWS: usize = 10_000;

/// Whether a delegation is kept under this name.
pub(super) fn is_known(c: &Connection, cid: &Cid) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM delegation WHERE cid = ?1
         UNION ALL SELECT 1 FROM delegation_spelling WHERE cid = ?1",
    )?;
    Ok(select.exists([cid.digest()])?)
}

/// A delegation that is kept, and of which this may be the name of another token: its row, and what was
/// signed.
pub(super) fn named(c: &Connection, cid: &Cid) -> Result<Option<(i64, Statement)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT d.id, d.statement FROM delegation_name AS n JOIN delegation AS d ON d.id = n.delegation
         WHERE n.cid = ?1",
    )?;
    let row = select.query_row([cid.digest()], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
}

/// Keeps another spelling of a delegation that is kept: who has it knows it by that name, uses it and
/// takes it back by it. False: no such delegation is.
pub(super) fn respell(c: &Connection, new: &NewDelegation) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, space, depth, (SELECT count(*) FROM delegation_spelling AS s WHERE s.delegation = d.id)
         FROM delegation AS d WHERE statement = ?1 ORDER BY id LIMIT 1",
    )?;
    let row = select.query_row([&new.statement], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    let Some((id, home, depth, spellings)) = row.optional()? else {
        return Ok(false);
    };
    let (id, home, depth, spellings): (i64, Option<i64>, i64, i64) = (id, home, depth, spellings);
    if spellings >= SPELLINGS {
        return Err(StoreError::Crowded(format!(
            "The delegation is here in {} other spellings: sign another one",
            SPELLINGS + 1
        )));
    }
    if let Some(home) = home {
        check_bound(c, home, depth, new)?;
    }
    c.prepare_cached(
        "INSERT INTO delegation_spelling (cid, delegation, token) VALUES (?1, ?2, ?3)",
    )?
    .execute((new.cid.digest(), id, &new.token))?;
    spaces::count_delegations(c, home, integer(new.token.len() as u64))?;
    Ok(true)
}

/// Keeps a delegation, and answers its row. `None`: it concerns nothing that is here.
pub(super) fn insert(
    c: &Connection,
    new: &NewDelegation,
    activated: Option<&SpaceId>,
) -> Result<Option<i64>, StoreError> {
    let above = above(c, &new.chain)?;
    let home = home(c, new, activated, &above)?;
    if home.is_none() && above.is_empty() {
        return Ok(None);
    }
    // only after the clock was set back: it had ended by the clock of then, and what revoked it may be
    // forgotten
    let ended_ms = ended_ms(c)?;
    if new.expires_ms.is_some_and(|end| end <= ended_ms) {
        return Err(StoreError::ChainEnded);
    }
    let size = integer(new.token.len() as u64);
    let depth = check_room(c, &above, size)?;
    if let Some(home) = home {
        check_bound(c, home, depth, new)?;
    }
    c.prepare_cached(
        "INSERT INTO delegation (cid, statement, token, expires_ms, accepted_ms, space, depth)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        new.cid.digest(),
        &new.statement,
        &new.token,
        new.expires_ms,
        new.now_ms,
        home,
        depth
    ])?;
    let id = c.last_insert_rowid();
    hang(c, id, &above, size)?;
    insert_names(c, id, &new.names)?;
    spaces::count_delegations(c, home, size)?;
    Ok(Some(id))
}

/// Hangs a delegation under others, where it does not already.
pub(super) fn hang(
    c: &Connection,
    id: i64,
    above: &BTreeSet<i64>,
    size: i64,
) -> Result<(), StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO delegation_above (ancestor, delegation) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )?;
    for ancestor in above {
        if insert.execute((ancestor, id))? == 1 {
            count(c, *ancestor, 1, size)?;
        }
    }
    Ok(())
}

/// Remembers the names of other tokens that say the same.
pub(super) fn insert_names(c: &Connection, id: i64, names: &[Cid]) -> Result<(), StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO delegation_name (cid, delegation) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )?;
    for name in names {
        insert.execute((name.digest(), id))?;
    }
    Ok(())
}

/// The rows of everything that a delegation rests on. Each statement is there once, but in stores of
/// before: there the first one counts.
fn above(c: &Connection, chain: &[Statement]) -> Result<BTreeSet<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT min(id) FROM delegation WHERE statement = ?1")?;
    let mut above = BTreeSet::new();
    for statement in chain {
        let row: Option<i64> = select.query_row([statement], |row| row.get(0))?;
        above.insert(row.ok_or(StoreError::Parent)?);
    }
    Ok(above)
}

/// The space that the bytes of a delegation count for: one that it names, one of the owner of a network
/// that it names, or that of a delegation that it rests on or is about.
fn home(
    c: &Connection,
    new: &NewDelegation,
    activated: Option<&SpaceId>,
    above: &BTreeSet<i64>,
) -> Result<Option<i64>, StoreError> {
    if let Some(space) = activated {
        return spaces::id(c, &space.to_string()).map(Some);
    }
    for owner in &new.networks {
        let home = spaces::first_of(c, owner.as_str())?;
        if home.is_some() {
            return Ok(home);
        }
    }
    let mut select = c.prepare_cached("SELECT space FROM delegation WHERE id = ?1")?;
    for ancestor in above {
        let home: Option<i64> = select.query_row([ancestor], |row| row.get(0))?;
        if home.is_some() {
            return Ok(home);
        }
    }
    let mut select = c.prepare_cached(
        "SELECT space FROM delegation WHERE cid = ?1
            OR id = (SELECT delegation FROM delegation_spelling WHERE cid = ?1)",
    )?;
    for cid in &new.about {
        let home = select.query_row([cid.digest()], |row| row.get(0));
        if let Some(home) = home.optional()?.flatten() {
            return Ok(Some(home));
        }
    }
    Ok(None)
}

/// Whether one more may hang under all of these; how deep it then hangs.
fn check_room(c: &Connection, above: &BTreeSet<i64>, size: i64) -> Result<i64, StoreError> {
    let mut select =
        c.prepare_cached("SELECT depth, below, below_bytes FROM delegation WHERE id = ?1")?;
    let mut depth = 0;
    for ancestor in above {
        let row = select.query_row([ancestor], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
        let (own, below, bytes): (i64, i64, i64) = row?;
        let (most, most_bytes) = if own == 0 {
            (BELOW_OWNERS, BELOW_OWNERS_BYTES)
        } else {
            (BELOW, BELOW_BYTES)
        };
        if below >= most || bytes.saturating_add(size) > most_bytes {
            return Err(StoreError::Crowded(format!(
                "As many delegations as may be rest on one that this rests on: at most {most} that have \
                 not ended, of {most_bytes} bytes together"
            )));
        }
        depth = depth.max(own + 1);
    }
    Ok(depth)
}

/// Whether the space that it counts for has room.
fn check_bound(
    c: &Connection,
    home: i64,
    depth: i64,
    new: &NewDelegation,
) -> Result<(), StoreError> {
    let size = integer(new.token.len() as u64);
    if depth >= SHARED && shared_bytes(c, home)?.saturating_add(size) > SHARED_BYTES {
        return Err(StoreError::Crowded(format!(
            "As many delegations as may be below what sessions of the space's owner shared: at most \
             {SHARED_BYTES} bytes together that have not ended"
        )));
    }
    let mut select = c.prepare_cached("SELECT name, delegation_bytes FROM space WHERE id = ?1")?;
    let (name, held) = select.query_row([home], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (name, held): (String, i64) = (name, held);
    let grown = held.saturating_add(size) - held.max(spaces::FREE);
    if grown <= 0 {
        return Ok(());
    }
    let usage = spaces::usage(c, &name)?;
    let id = SpaceId::parse(&name).map_err(|_| damaged("the name of a space"))?;
    let Some(limit) = usage.bound.or(new.default_bounds.of(&id)) else {
        return Ok(());
    };
    let used = usage.used();
    if used >= limit {
        return Err(StoreError::Full { used, limit });
    }
    if used.saturating_add(bytes(grown)) > limit {
        return Err(StoreError::Room { used, limit });
    }
    Ok(())
}

/// Bytes of a space's delegations below what sessions shared.
fn shared_bytes(c: &Connection, home: i64) -> Result<i64, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT coalesce(sum(octet_length(token)), 0)
              + (SELECT coalesce(sum(octet_length(s.token)), 0)
                 FROM delegation AS d JOIN delegation_spelling AS s ON s.delegation = d.id
                 WHERE d.space = ?1 AND d.depth >= 2)
         FROM delegation WHERE space = ?1 AND depth >= 2",
    )?;
    Ok(select.query_row([home], |row| row.get(0))?)
}

fn count(c: &Connection, ancestor: i64, change: i64, bytes: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE delegation SET below = below + ?2, below_bytes = below_bytes + ?3 WHERE id = ?1",
    )?
    .execute((ancestor, change, bytes))?;
    Ok(())
}

/// What was revoked, and what hangs under it, hangs under nothing else any more: it is of no use.
pub(super) fn detach(c: &Connection, target: &Statement) -> Result<(), StoreError> {
    let mut select = c.prepare_cached("SELECT id FROM delegation WHERE statement = ?1")?;
    let rows = select.query_map([target], |row| row.get(0))?;
    let rows: Vec<i64> = rows.collect::<rusqlite::Result<_>>()?;
    for row in rows {
        let mut delete = c.prepare_cached(
            "DELETE FROM delegation_above
             WHERE ancestor IN (SELECT ancestor FROM delegation_above WHERE delegation = ?1)
               AND delegation IN (SELECT ?1 UNION ALL SELECT delegation FROM delegation_above WHERE ancestor = ?1)
             RETURNING ancestor, (SELECT length(token) FROM delegation AS d WHERE d.id = delegation_above.delegation)",
        )?;
        let gone = delete.query_map([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let gone: Vec<(i64, i64)> = gone.collect::<rusqlite::Result<_>>()?;
        for (ancestor, bytes) in gone {
            count(c, ancestor, -1, -bytes)?;
        }
    }
    Ok(())
}

/// No delegation that was forgotten ended later.
pub(super) fn ended_ms(c: &Connection) -> Result<i64, StoreError> {
    let mut select = c.prepare_cached("SELECT ended_ms FROM tally")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// Forgets delegations that have ended, and what revoked them. True: there is more.
pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, statement, space, length(token), expires_ms FROM delegation
         WHERE expires_ms < ?1 ORDER BY expires_ms LIMIT ?2",
    )?;
    let before_ms = now_ms.saturating_sub(ENDED_MS);
    let rows = select.query_map((before_ms, TIDIED), |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        ))
    })?;
    let rows: Vec<(i64, Statement, Option<i64>, i64, i64)> =
        rows.collect::<rusqlite::Result<_>>()?;
    let (mut left, mut last_ms) = (TIDIED_ROWS, None);
    for (id, statement, home, bytes, end_ms) in &rows {
        left = left.saturating_sub(let_fall(c, *id, left)?);
        if left == 0 {
            break;
        }
        let (spellings, removed) = forget(c, *id, *bytes)?;
        left = left.saturating_sub(removed);
        spaces::count_delegations(c, *home, -*bytes - spellings)?;
        // of one that is there twice, as in stores of before, the other goes with the same end
        c.prepare_cached("DELETE FROM revocation WHERE target = ?1")?
            .execute([statement])?;
        last_ms = Some(*end_ms);
    }
    if let Some(last_ms) = last_ms {
        c.prepare_cached("UPDATE tally SET ended_ms = max(ended_ms, ?1)")?
            .execute([last_ms])?;
    }
    Ok(left == 0 || rows.len() == TIDIED as usize)
}

/// What hangs under one hangs under it no more, as far as so many rows say so. Answers how many did.
fn let_fall(c: &Connection, id: i64, most: usize) -> Result<usize, StoreError> {
    let mut delete = c.prepare_cached(
        "DELETE FROM delegation_above WHERE ancestor = ?1 AND delegation IN
            (SELECT delegation FROM delegation_above WHERE ancestor = ?1 LIMIT ?2)
         RETURNING (SELECT length(token) FROM delegation AS d WHERE d.id = delegation_above.delegation)",
    )?;
    let most = integer(most as u64);
    let fallen = delete.query_map((id, most), |row| row.get::<_, Option<i64>>(0))?;
    let (mut rows, mut bytes) = (0, 0);
    for length in fallen {
        rows += 1;
        bytes += length?.unwrap_or(0);
    }
    count(c, id, -integer(rows), -bytes)?;
    Ok(usize::try_from(rows).unwrap_or(usize::MAX))
}

/// Answers the bytes of its other spellings, and how many rows were removed.
fn forget(c: &Connection, id: i64, bytes: i64) -> Result<(i64, usize), StoreError> {
    let mut delete =
        c.prepare_cached("DELETE FROM delegation_above WHERE delegation = ?1 RETURNING ancestor")?;
    let above = delete.query_map([id], |row| row.get(0))?;
    let above: Vec<i64> = above.collect::<rusqlite::Result<_>>()?;
    let mut removed = above.len();
    for ancestor in above {
        count(c, ancestor, -1, -bytes)?;
    }
    let mut select = c.prepare_cached(
        "SELECT coalesce(sum(length(token)), 0) FROM delegation_spelling WHERE delegation = ?1",
    )?;
    let spellings = select.query_row([id], |row| row.get(0))?;
    for sql in [
        "DELETE FROM delegation_spelling WHERE delegation = ?1",
        "DELETE FROM delegation_name WHERE delegation = ?1",
        "DELETE FROM delegation_unread WHERE delegation = ?1",
        "DELETE FROM delegation_party WHERE delegation = ?1",
        "DELETE FROM delegation_space WHERE delegation = ?1",
        "DELETE FROM delegation WHERE id = ?1",
    ] {
        removed += c.prepare_cached(sql)?.execute([id])?;
    }
    Ok((spellings, removed))
}
