//! Revocations of what is not here: they hold when it comes.

use rusqlite::{Connection, OptionalExtension as _};

use super::{delegations, kept, spaces, uses};
use crate::store::StoreError;
use crate::store::types::{Ahead, NewDelegation, NewRevocation, RevocationAhead, Statement};

/// How long one is kept, in milliseconds: a year and a day.
const KEPT_MS: i64 = 366 * 24 * 3_600_000;
/// Most of one signer.
const OF_ONE: i64 = 100;
/// Most of all who have no space here, but were let do something in one: so many for each space.
const OF_OTHERS: i64 = 1000;
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
    let revoker = new.revoker.as_str();
    let owned = spaces::first_of(c, revoker)?;
    let (space, others) = match owned {
        Some(space) => (space, false),
        None => match known_in(c, revoker)? {
            Some(space) => (space, true),
            None => return Ok(Ahead::Stranger),
        },
    };
    if new.token.len() > TOKEN {
        return Err(StoreError::Crowded(format!(
            "What is revoked is not here, and such a revocation has at most {TOKEN} bytes"
        )));
    }
    let crowded = |most| {
        StoreError::Crowded(format!(
            "What is revoked is not here, and as many such revocations as may be are kept already: {most}"
        ))
    };
    let mut select =
        c.prepare_cached("SELECT count(*) FROM revocation_ahead WHERE revoker = ?1")?;
    if select.query_row([revoker], |row| row.get::<_, i64>(0))? >= OF_ONE {
        return Err(crowded(format!("{OF_ONE} of one signer")));
    }
    let mut select = c.prepare_cached("SELECT count(*) FROM revocation_ahead WHERE space = ?1")?;
    if others && select.query_row([space], |row| row.get::<_, i64>(0))? >= OF_OTHERS {
        return Err(crowded(format!("{OF_OTHERS} in one space")));
    }
    c.prepare_cached(
        "INSERT INTO revocation_ahead (cid, principal, revoker, revoked_ms, until_ms, space, token)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        new.target.digest(),
        new.principal.as_str(),
        revoker,
        new.now_ms,
        until_ms,
        space,
        &new.token,
    ))?;
    Ok(Ahead::Kept)
}

/// Revokes what is kept as another token of the same: by who signed it, owns something in it, or whom it is
/// for.
fn revoke_kept(
    c: &Connection,
    new: &RevocationAhead,
    id: i64,
    target: Statement,
) -> Result<Ahead, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM delegation_party WHERE delegation = ?1 AND principal = ?2",
    )?;
    if !select.exists((id, new.principal.as_str()))? {
        return Ok(Ahead::Stranger);
    }
    let revocation = NewRevocation {
        target,
        token: new.token.clone(),
        revoker: new.revoker.clone(),
        chain: Vec::new(),
        now_ms: new.now_ms,
    };
    delegations::revoke(c, &revocation)?;
    Ok(Ahead::Kept)
}

/// A space in which somebody was let do something, or let others.
fn known_in(c: &Connection, principal: &str) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT d.space FROM delegation_party AS p JOIN delegation AS d ON d.id = p.delegation
         WHERE p.principal = ?1 AND d.space IS NOT NULL LIMIT 1",
    )?;
    Ok(select.query_row([principal], |row| row.get(0)).optional()?)
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

pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM revocation_ahead WHERE until_ms < ?1")?
        .execute([now_ms])?;
    Ok(())
}
