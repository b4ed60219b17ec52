//! Rights to read one value for some time.

use openkey_capability::resource::SpaceId;
use rusqlite::{Connection, OptionalExtension as _};

use super::damaged;
use crate::store::StoreError;
use crate::store::types::Ticket;

/// How long a ticket past its time is kept, so that its holder hears that it has expired.
const KEPT_MS: i64 = 3_600_000;

pub(super) fn issue(c: &Connection, ticket: &Ticket) -> Result<(), StoreError> {
    c.prepare_cached("INSERT INTO ticket (id, space, key, hash, until_ms, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute((
            &ticket.id,
            ticket.space.to_string(),
            &ticket.key,
            &ticket.hash,
            ticket.until_ms,
            ticket.chain.concat(),
        ))?;
    Ok(())
}

pub(super) fn get(c: &Connection, id: &[u8; 32]) -> Result<Option<Ticket>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT space, key, hash, until_ms, chain FROM ticket WHERE id = ?1")?;
    let row = select.query_row([id], |row| {
        let space: String = row.get(0)?;
        let chain: Vec<u8> = row.get(4)?;
        Ok((space, row.get(1)?, row.get(2)?, row.get(3)?, chain))
    });
    let Some((space, key, hash, until_ms, chain)) = row.optional()? else {
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
    }))
}

pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM ticket WHERE until_ms < ?1")?
        .execute([now_ms.saturating_sub(KEPT_MS)])?;
    Ok(())
}
