//! Delegations and what revoked them.

use openkey_capability::{cid::Cid, did::Did, resource::SpaceId};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{ahead, damaged, kept, length, spaces, uses};
use crate::allowance::{Allowance, Read};
use crate::store::StoreError;
use crate::store::types::{
    Accepted, DelegationRow, DelegationsOf, DelegationsPage, Direction, NewDelegation,
    NewRevocation, Page, Revoked, Statement,
};

const GRANTED: i64 = 0;
const RECEIVED: i64 = 1;
/// A page of a list ends with this many bytes of tokens, as soon as it has them.
const PAGE_BYTES: usize = 256 * 1024;
/// Rows of a list that are looked at for one page.
const LOOKED: usize = 1000;

pub(super) fn tokens(
    c: &Connection,
    cids: &[Cid],
    allowed: Allowance,
) -> Result<Read<Vec<Option<Vec<u8>>>>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT token FROM delegation WHERE cid = ?1
         UNION ALL SELECT token FROM delegation_spelling WHERE cid = ?1",
    )?;
    let (mut fitting, mut all) = (allowed.fitting(), Vec::with_capacity(cids.len()));
    for cid in cids {
        let mut rows = select.query([cid.digest()])?;
        let token = match rows.next()? {
            Some(row) if fitting.fits(length(row, 0)?) => Some(row.get(0)?),
            _ => None,
        };
        if !fitting.is_within() {
            // only how many bytes there are is of use now
            all = Vec::new();
        }
        all.push(token);
    }
    Ok(fitting.done(all))
}

pub(super) fn revocations(
    c: &Connection,
    statements: &[Statement],
) -> Result<Vec<Option<Revoked>>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT revoked_ms, revoker FROM revocation WHERE target = ?1")?;
    let one = |statement: &Statement| {
        let row = select.query_row([statement], |row| Ok((row.get(0)?, row.get(1)?)));
        let row: Option<(i64, String)> = row.optional()?;
        row.map(|(at_ms, by)| {
            let by = Did::parse(&by).map_err(|_| damaged("who revoked"))?;
            Ok(Revoked { at_ms, by })
        })
        .transpose()
    };
    statements.iter().map(one).collect()
}

pub(super) fn accept(c: &Connection, new: &NewDelegation) -> Result<Accepted, StoreError> {
    uses::check_unrevoked(c, &new.chain)?;
    let is_known = kept::is_known(c, &new.cid)?;
    if !is_known {
        uses::check_unrevoked(c, &[new.statement])?;
        ahead::check(c, new)?;
    }
    for space in &new.hosts {
        spaces::host(c, space, new.now_ms)?;
    }
    let mut accepted = Accepted::default();
    for space in &new.spaces {
        match spaces::get(c, &space.to_string())? {
            Some(_) => accepted.activated.push(space.clone()),
            None => accepted.skipped.push(space.clone()),
        }
    }
    accepted.kept = is_known || kept::respell(c, new)? || keep(c, new, accepted.activated.first())?;
    if let Some(until_ms) = new.passes_until_ms
        && (accepted.kept || until_ms <= new.longest_until_ms)
    {
        uses::use_up(c, &new.statement, until_ms)?;
    }
    Ok(accepted)
}

/// Keeps what concerns something that is here. False: it concerns nothing.
fn keep(
    c: &Connection,
    new: &NewDelegation,
    activated: Option<&SpaceId>,
) -> Result<bool, StoreError> {
    let Some(id) = kept::insert(c, new, activated)? else {
        return Ok(false);
    };
    insert_parties(c, new, id)?;
    let mut insert = c.prepare_cached(
        "INSERT INTO delegation_space (space, delegation, depth)
         SELECT ?1, id, depth FROM delegation WHERE id = ?2",
    )?;
    for space in &new.spaces {
        insert.execute((space.to_string(), id))?;
    }
    Ok(true)
}

/// Whose lists a delegation is in: that of who signed it, of the owners of what it is about, and of who
/// may.
fn insert_parties(c: &Connection, new: &NewDelegation, id: i64) -> Result<(), StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO delegation_party (principal, direction, issued_ms, delegation) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
    )?;
    let issued = new.issued_ms.unwrap_or(i64::MIN);
    for granter in new.owners.iter().chain([&new.delegator]) {
        insert.execute((granter.as_str(), GRANTED, issued, id))?;
    }
    insert.execute((new.delegatee.as_str(), RECEIVED, issued, id))?;
    Ok(())
}

pub(super) fn revoke(c: &Connection, new: &NewRevocation) -> Result<(), StoreError> {
    uses::check_unrevoked(c, &new.chain)?;
    // it is forgotten, or about to be, and never accepted again
    let ended_ms = kept::ended_ms(c)?;
    if new.expires_ms.is_some_and(|end| end <= ended_ms) {
        return Ok(());
    }
    c.prepare_cached(
        "INSERT INTO revocation (target, revoker, revoked_ms, token) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (target) DO NOTHING",
    )?
    .execute((&new.target, new.revoker.as_str(), new.now_ms, &new.token))?;
    kept::detach(c, &new.target)
}

pub(super) fn of_principal(
    c: &Connection,
    query: &DelegationsOf,
    allowed: Allowance,
) -> Result<Read<DelegationsPage>, StoreError> {
    let moment = c.unchecked_transaction()?;
    let after = match &query.after {
        None => (i64::MAX, i64::MAX),
        Some(cid) => place_of(&moment, query.principal.as_str(), cid)?
            .ok_or(StoreError::NoKey(cid.to_string()))?,
    };
    let wanted = query.direction.map(|direction| match direction {
        Direction::Granted => GRANTED,
        Direction::Received => RECEIVED,
    });
    // read row by row, so that a page ends where it is told, however few are wanted
    let mut select = moment.prepare_cached(
        "SELECT d.id, d.cid, d.token, p.direction, d.depth, d.accepted_ms,
            ?4 IS NULL OR EXISTS
                (SELECT 1 FROM delegation_space AS s WHERE s.space = ?4 AND s.delegation = d.id)
         FROM delegation_party AS p JOIN delegation AS d ON d.id = p.delegation
         WHERE p.principal = ?1 AND (p.issued_ms, p.delegation) < (?2, ?3)
         ORDER BY p.issued_ms DESC, p.delegation DESC, p.direction",
    )?;
    let space = query.space.as_ref().map(ToString::to_string);
    let mut rows = select.query((query.principal.as_str(), after.0, after.1, space))?;
    let mut page = DelegationsPage::default();
    let (mut fitting, mut wanted_rows, mut last) = (allowed.fitting(), 0, None);
    while let Some(found) = rows.next()? {
        let (id, direction): (i64, i64) = (found.get(0)?, found.get(3)?);
        // who grants to themselves is on both sides: the delegation is listed once, as granted
        let is_again = last.is_some_and(|(before, _)| before == id);
        let is_full = wanted_rows >= query.limit || fitting.bytes() >= PAGE_BYTES;
        if !is_again && (is_full || page.looked >= LOOKED) {
            page.next = last.map(|(_, cid)| cid);
            break;
        }
        last = Some((id, Cid::from_digest(found.get(1)?)));
        page.looked += 1;
        let is_wanted = match wanted {
            Some(wanted) => direction == wanted,
            None => !is_again,
        };
        if is_wanted && found.get(6)? {
            wanted_rows += 1;
            if fitting.fits(length(found, 2)?) {
                page.rows.push(row(found)?);
            } else {
                page.rows = Vec::new();
            }
        }
    }
    Ok(fitting.done(page))
}

fn place_of(c: &Connection, principal: &str, cid: &Cid) -> Result<Option<(i64, i64)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT p.issued_ms, p.delegation FROM delegation AS d JOIN delegation_party AS p ON p.delegation = d.id
         WHERE d.cid = ?1 AND p.principal = ?2 LIMIT 1",
    )?;
    let place = select.query_row((cid.digest(), principal), |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    Ok(place.optional()?)
}

pub(super) fn in_space(
    c: &Connection,
    space: &str,
    page: &Page<(i64, i64)>,
    allowed: Allowance,
) -> Result<Read<Vec<DelegationRow>>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT d.id, d.cid, d.token, 0, s.depth, d.accepted_ms
         FROM delegation_space AS s JOIN delegation AS d ON d.id = s.delegation
         WHERE s.space = ?1 AND (s.depth, s.delegation) > (?2, ?3) ORDER BY s.depth, s.delegation LIMIT ?4",
    )?;
    let after = page.after.unwrap_or((i64::MIN, i64::MIN));
    let (mut all, mut fitting) = (Vec::new(), allowed.fitting());
    let mut rows = select.query((space, after.0, after.1, page.limit))?;
    while let Some(found) = rows.next()? {
        if fitting.fits(length(found, 2)?) {
            all.push(row(found)?);
        } else {
            all = Vec::new();
        }
        if fitting.bytes() >= PAGE_BYTES {
            break;
        }
    }
    Ok(fitting.done(all))
}

fn row(row: &Row<'_>) -> rusqlite::Result<DelegationRow> {
    let direction: i64 = row.get(3)?;
    Ok(DelegationRow {
        place: (row.get(4)?, row.get(0)?),
        cid: Cid::from_digest(row.get(1)?),
        token: row.get(2)?,
        direction: match direction {
            RECEIVED => Direction::Received,
            _ => Direction::Granted,
        },
        accepted_ms: row.get(5)?,
    })
}
