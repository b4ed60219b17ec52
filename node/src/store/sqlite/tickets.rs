//! Rights to read one value for some time.

use openkey_capability::{did::Did, resource::SpaceId};
use rusqlite::{Connection, OptionalExtension as _};

use super::{damaged, integer};
use crate::store::StoreError;
use crate::store::types::Ticket;

/// How long a ticket past its time is kept, so that its holder hears that it has expired.
const KEPT_MS: i64 = 3_600_000;
/// Tickets that one tidying forgets at most.
const TIDIED: usize = 10_000;

/// Most tickets of one invoker in one space, and of all in it.
const OF_ONE: i64 = 1000;
const OF_SPACE: i64 = 10_000;

pub(super) fn issue(c: &Connection, ticket: &Ticket, now_ms: i64) -> Result<(), StoreError> {
    let space = ticket.space.to_string();
    let invoker = ticket.invoker.as_ref().map(Did::as_str);
    if invoker.is_some() {
        check_room(c, &space, invoker, OF_ONE, now_ms)?;
    }
    check_room(c, &space, None, OF_SPACE, now_ms)?;
    c.prepare_cached(
        "INSERT INTO ticket (id, space, key, hash, until_ms, chain, invoker)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        &ticket.id,
        space,
        &ticket.key,
        &ticket.hash,
        ticket.until_ms,
        ticket.chain.concat(),
        invoker,
    ))?;
    Ok(())
}

/// Those past their time make room for new ones.
fn check_room(
    c: &Connection,
    space: &str,
    invoker: Option<&str>,
    most: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM ticket WHERE space = ?1 AND (?2 IS NULL OR invoker = ?2)",
    )?;
    let mut count = || select.query_row((space, invoker), |row| row.get::<_, i64>(0));
    if count()? < most {
        return Ok(());
    }
    c.prepare_cached(
        "DELETE FROM ticket WHERE space = ?1 AND (?2 IS NULL OR invoker = ?2) AND until_ms < ?3",
    )?
    .execute((space, invoker, now_ms))?;
    if count()? < most {
        return Ok(());
    }
    let whose = invoker.map_or("", |_| " of one invoker");
    Err(StoreError::Crowded(format!(
        "There are as many signed URLs as may be: {most}{whose} in one space. Wait until one expires"
    )))
}

pub(super) fn get(c: &Connection, id: &[u8; 32]) -> Result<Option<Ticket>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT space, key, hash, until_ms, chain, invoker FROM ticket WHERE id = ?1",
    )?;
    let row = select.query_row([id], |row| {
        let space: String = row.get(0)?;
        let chain: Vec<u8> = row.get(4)?;
        let invoker: Option<String> = row.get(5)?;
        let rest = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((space, rest, chain, invoker))
    });
    let Some((space, (key, hash, until_ms), chain, invoker)) = row.optional()? else {
        return Ok(None);
    };
    let (chain, _) = chain.as_chunks();
    Ok(Some(Ticket {
        id: *id,
        space: SpaceId::parse(&space).map_err(|_| damaged("the space of a ticket"))?,
        key,
        hash,
        until_ms,
        chain: chain.to_vec(),
        invoker: invoker
            .map(|did| Did::parse(&did))
            .transpose()
            .map_err(|_| damaged("who asked for a ticket"))?,
    }))
}

/// True: there is more.
pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<bool, StoreError> {
    let gone = c
        .prepare_cached(
            "DELETE FROM ticket WHERE id IN (SELECT id FROM ticket WHERE until_ms < ?1 LIMIT ?2)",
        )?
        .execute((now_ms.saturating_sub(KEPT_MS), integer(TIDIED as u64)))?;
    Ok(gone == TIDIED)
}
