//! Delegations that earlier programs stored: what their rows lack is read from their tokens, a few at a time. Until
//! then they are never forgotten, and bound by nothing.

use std::collections::BTreeSet;

use openkey_capability::chain::Delegation;
use openkey_capability::resource::Resource;
use openkey_capability::token::Token;
use rusqlite::{Connection, OptionalExtension as _};

use super::{integer, kept, spaces, uses};
use crate::authority::stored_token;
use crate::delegation::names;
use crate::store::StoreError;

/// Delegations that are read at once, and bytes of their tokens: whoever waits for the writer must not wait long.
const READ: usize = 100;
const BYTES: usize = 256 * 1024;

/// Reads some, in the order of acceptance: what one rests on was accepted before it. True: there is more.
pub(super) fn read(c: &Connection) -> Result<bool, StoreError> {
    let mut next = c.prepare_cached(
        "SELECT delegation, (SELECT token FROM delegation AS d WHERE d.id = u.delegation)
         FROM delegation_unread AS u ORDER BY delegation LIMIT 1",
    )?;
    let mut done = c.prepare_cached("DELETE FROM delegation_unread WHERE delegation = ?1")?;
    let mut bytes = 0;
    for _ in 0..READ {
        let row = next.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
        let Some((id, token)) = row.optional()? else {
            return Ok(false);
        };
        let (id, token): (i64, Option<Vec<u8>>) = (id, token);
        // one that is none is for `check` to find
        let token = token.unwrap_or_default();
        if let Some(read) = stored_token(&token)
            && let Ok(delegation) = read.delegation()
        {
            record(c, id, (&read, token.len()), &delegation)?;
        }
        done.execute([id])?;
        bytes += token.len();
        if bytes >= BYTES {
            break;
        }
    }
    Ok(true)
}

fn record(
    c: &Connection,
    id: i64,
    (token, length): (&Token, usize),
    delegation: &Delegation,
) -> Result<(), StoreError> {
    let size = integer(length as u64);
    let mut parent = c.prepare_cached(
        "SELECT (SELECT min(first.id) FROM delegation AS first WHERE first.statement = d.statement), d.depth
         FROM delegation AS d
         WHERE d.cid = ?1 OR d.id = (SELECT delegation FROM delegation_spelling WHERE cid = ?1)",
    )?;
    let mut higher =
        c.prepare_cached("SELECT ancestor FROM delegation_above WHERE delegation = ?1")?;
    let (mut above, mut depth) = (BTreeSet::new(), 0_i64);
    for cid in delegation.rests_on() {
        let row = parent.query_row([cid.digest()], |row| Ok((row.get(0)?, row.get(1)?)));
        let Some((parent, own)): Option<(i64, i64)> = row.optional()? else {
            continue;
        };
        depth = depth.max(own.saturating_add(1));
        above.insert(parent);
        for ancestor in higher.query_map([parent], |row| row.get(0))? {
            above.insert(ancestor?);
        }
    }
    c.prepare_cached("UPDATE delegation SET expires_ms = ?2, depth = ?3 WHERE id = ?1")?
        .execute((id, delegation.window().expires_ms, depth))?;
    c.prepare_cached("UPDATE delegation_space SET depth = ?2 WHERE delegation = ?1")?
        .execute((id, depth))?;
    kept::insert_names(c, id, &names(token))?;
    find_home(c, id, delegation, &above)?;
    // what was revoked hangs under nothing
    let is_revoked = uses::check_unrevoked(c, &[*delegation.statement()]).is_err();
    if !is_revoked {
        kept::hang(c, id, &above, size)?;
    }
    Ok(())
}

/// The space that it counts for, if it names none that was here.
fn find_home(
    c: &Connection,
    id: i64,
    delegation: &Delegation,
    above: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    let mut home_of = c.prepare_cached("SELECT space FROM delegation WHERE id = ?1")?;
    if home_of
        .query_row([id], |row| row.get::<_, Option<i64>>(0))?
        .is_some()
    {
        return Ok(());
    }
    let mut home = None;
    for capability in delegation.capabilities() {
        if let (None, Resource::Network(network)) = (home, &capability.resource) {
            home = spaces::first_of(c, network.owner().as_str())?;
        }
    }
    for ancestor in above {
        if home.is_none() {
            home = home_of.query_row([ancestor], |row| row.get(0))?;
        }
    }
    if home.is_none() {
        return Ok(());
    }
    let mut update = c.prepare_cached(
        "UPDATE delegation SET space = ?2 WHERE id = ?1
         RETURNING length(token) + (SELECT coalesce(sum(length(s.token)), 0)
            FROM delegation_spelling AS s WHERE s.delegation = delegation.id)",
    )?;
    let bytes = update.query_row((id, home), |row| row.get(0))?;
    spaces::count_delegations(c, home, bytes)
}
