//! Revocations of what is not here: they hold when it comes.

use rusqlite::Connection;

use super::{delegations, kept, spaces, uses};
use crate::store::StoreError;
use crate::store::types::{Ahead, NewDelegation, NewRevocation, RevocationAhead, Statement};

/// How long one is kept, in milliseconds: a year and a day.
const KEPT_MS: i64 = 366 * 24 * 3_600_000;
/// Most of one signer, and most in the name of one who has no space here.
const OF_ONE: i64 = 100;
/// Most in the name of one owner by others, whom the owner let revoke.
const OF_SESSIONS: i64 = 1000;
/// Most of all together who hang under one delegation of an owner's own.
const UNDER_OWNERS: i64 = 1000;
/// The same under any other.
const UNDER: i64 = 100;
/// Delegations by which somebody may be known here, of which the first with room counts.
const KNOWN_BY: i64 = 8;
/// Revocations that one tidying forgets at most.
const TIDIED: u32 = 1000;
/// Longest token of one, in bytes.
const TOKEN: usize = 4096;

pub(super) fn revoke(c: &Connection, new: &RevocationAhead) -> Result<Ahead, StoreError> {
    uses::check_unrevoked(c, &new.chain)?;
    if kept::is_known(c, &new.target)? {
        return Ok(Ahead::Here);
    }
    if let Some((id, target)) = kept::named(c, &new.target)? {
        return revoke_kept(c, new, id, target);
    }
    // revoked again it is kept for as long again
    let mut update = c.prepare_cached(
        "UPDATE revocation_ahead SET until_ms = max(until_ms, ?3) WHERE cid = ?1 AND principal = ?2",
    )?;
    let until_ms = new.now_ms.saturating_add(KEPT_MS);
    if update.execute((new.target.digest(), new.principal.as_str(), until_ms))? > 0 {
        return Ok(Ahead::Kept);
    }
    let Some(place) = place(c, new)? else {
        return Ok(Ahead::Stranger);
    };
    if new.token.len() > TOKEN {
        return Err(StoreError::Crowded(format!(
            "What is revoked is not here, and such a revocation has at most {TOKEN} bytes"
        )));
    }
    c.prepare_cached(
        "INSERT INTO revocation_ahead (cid, principal, revoker, revoked_ms, until_ms, space, token)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        new.target.digest(),
        new.principal.as_str(),
        new.revoker.as_str(),
        new.now_ms,
        until_ms,
        place.space,
        &new.token,
    ))?;
    let mut insert = c.prepare_cached(
        "INSERT INTO revocation_ahead_under (holder, cid, principal) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
    )?;
    for (holder, _) in place.holders {
        insert.execute((holder, new.target.digest(), new.principal.as_str()))?;
    }
    Ok(Ahead::Kept)
}

/// Where one is kept, and as whose it counts.
struct Place {
    space: i64,
    /// Whom everything is for that its principal hangs under, and the bound of each.
    holders: Vec<(String, i64)>,
}

/// `None`: nobody here knows in whose name it is.
///
/// Keys cost nothing, so a key alone is nobody to be counted. Who hangs under a delegation counts as who it is
/// for, however many keys that one makes. Who was let revoke by an owner counts as the owner, apart from what
/// the owner signs: neither is in the way of the other.
fn place(c: &Connection, new: &RevocationAhead) -> Result<Option<Place>, StoreError> {
    let (principal, revoker) = (new.principal.as_str(), new.revoker.as_str());
    let owned = spaces::first_of(c, principal)?;
    let known = match owned {
        Some(_) => Vec::new(),
        None => known_by(c, principal)?,
    };
    if owned.is_none() && known.is_empty() {
        return Ok(None);
    }
    let count = |sql: &str, who: &str| -> Result<i64, StoreError> {
        let mut select = c.prepare_cached(sql)?;
        Ok(select.query_row([who], |row| row.get(0))?)
    };
    let signed = "SELECT count(*) FROM revocation_ahead WHERE revoker = ?1";
    if count(signed, revoker)? >= OF_ONE {
        return Err(crowded(&format!("{OF_ONE} of one signer")));
    }
    if let Some(space) = owned {
        let of_others =
            "SELECT count(*) FROM revocation_ahead WHERE principal = ?1 AND revoker <> ?1";
        if principal != revoker && count(of_others, principal)? >= OF_SESSIONS {
            return Err(crowded(&format!(
                "{OF_SESSIONS} of whom one owner let revoke"
            )));
        }
        let holders = Vec::new();
        return Ok(Some(Place { space, holders }));
    }
    let in_name = "SELECT count(*) FROM revocation_ahead WHERE principal = ?1";
    if count(in_name, principal)? >= OF_ONE {
        return Err(crowded(&format!("{OF_ONE} in one name")));
    }
    for (delegation, space) in known {
        let holders = holders(c, delegation, principal)?;
        if have_room(c, &holders)? {
            return Ok(Some(Place { space, holders }));
        }
    }
    Err(crowded(&format!(
        "{UNDER} of all who rest on one delegation, {UNDER_OWNERS} where an owner granted it"
    )))
}

fn crowded(most: &str) -> StoreError {
    StoreError::Crowded(format!(
        "What is revoked is not here, and as many such revocations as may be are kept already: {most}"
    ))
}

/// Delegations by which somebody was let do something in a space, or let others, and the space: those nearest to
/// the owner first. Whoever delegates to others takes no room of theirs by that.
fn known_by(c: &Connection, principal: &str) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT d.id, d.space, d.depth
         FROM delegation_party AS p JOIN delegation AS d ON d.id = p.delegation
         WHERE p.principal = ?1 AND d.space IS NOT NULL ORDER BY d.depth, d.id LIMIT ?2",
    )?;
    let rows = select.query_map((principal, KNOWN_BY), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whom all is for that a delegation rests on, without this one, and how many may be kept of all under each.
fn holders(
    c: &Connection,
    delegation: i64,
    principal: &str,
) -> Result<Vec<(String, i64)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT p.principal, min(d.depth)
         FROM delegation_above AS a JOIN delegation AS d ON d.id = a.ancestor
            JOIN delegation_party AS p ON p.delegation = d.id AND p.direction = 1
         WHERE a.delegation = ?1 AND p.principal <> ?2 GROUP BY p.principal",
    )?;
    let rows = select.query_map((delegation, principal), |row| {
        let depth: i64 = row.get(1)?;
        Ok((row.get(0)?, if depth == 0 { UNDER_OWNERS } else { UNDER }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn have_room(c: &Connection, holders: &[(String, i64)]) -> Result<bool, StoreError> {
    let mut select =
        c.prepare_cached("SELECT count(*) FROM revocation_ahead_under WHERE holder = ?1")?;
    for (holder, most) in holders {
        if select.query_row([holder], |row| row.get::<_, i64>(0))? >= *most {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Revokes what is kept as another token of the same: by who signed it or something that it rests on, owns
/// something in it, or whom it is for.
fn revoke_kept(
    c: &Connection,
    new: &RevocationAhead,
    id: i64,
    target: Statement,
) -> Result<Ahead, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM delegation_party WHERE delegation = ?1 AND principal = ?2
         UNION ALL
         SELECT 1 FROM delegation_above AS a JOIN delegation_party AS p ON p.delegation = a.ancestor
         WHERE a.delegation = ?1 AND p.principal = ?2 AND p.direction = 0",
    )?;
    if !select.exists((id, new.principal.as_str()))? {
        return Ok(Ahead::Stranger);
    }
    let revocation = NewRevocation {
        target,
        token: new.token.clone(),
        revoker: new.revoker.clone(),
        expires_ms: None,
        chain: Vec::new(),
        now_ms: new.now_ms,
    };
    delegations::revoke(c, &revocation)?;
    Ok(Ahead::Revoked(target))
}

/// Refuses what was revoked before it came, by somebody who may.
pub(super) fn check(c: &Connection, new: &NewDelegation) -> Result<(), StoreError> {
    let mut select = c.prepare_cached("SELECT principal FROM revocation_ahead WHERE cid = ?1")?;
    let mut by: Vec<String> = Vec::new();
    for name in new.names.iter().chain([&new.cid]) {
        for principal in select.query_map([name.digest()], |row| row.get(0))? {
            by.push(principal?);
        }
    }
    let own = [&new.delegator, &new.delegatee];
    let mut who = new.owners.iter().chain(&new.delegators).chain(own);
    if who.any(|who| by.iter().any(|by| by == who.as_str())) {
        return Err(StoreError::Revoked(vec![new.statement]));
    }
    Ok(())
}

/// Forgets those that were kept for their time. True: there is more.
pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<bool, StoreError> {
    let mut delete = c.prepare_cached(
        "DELETE FROM revocation_ahead WHERE (cid, principal) IN
            (SELECT cid, principal FROM revocation_ahead WHERE until_ms < ?1 LIMIT ?2)
         RETURNING cid, principal",
    )?;
    let gone = delete.query_map((now_ms, TIDIED), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let gone: Vec<([u8; 32], String)> = gone.collect::<rusqlite::Result<_>>()?;
    let mut delete =
        c.prepare_cached("DELETE FROM revocation_ahead_under WHERE cid = ?1 AND principal = ?2")?;
    for row in &gone {
        delete.execute((row.0, &row.1))?;
    }
    Ok(gone.len() == TIDIED as usize)
}
