//! Rights to read one value for some time.

use openkey_capability::resource::SpaceId;
use rusqlite::{Connection, OptionalExtension as _};

use super::{damaged, integer};
use crate::standing::{Nearness, Standing};
use crate::store::StoreError;
use crate::store::types::Ticket;

/// How long a ticket past its time is kept, so that its holder hears that it has expired.
const KEPT_MS: i64 = 3_600_000;
/// Tickets that one tidying forgets at most.
const TIDIED: usize = 10_000;

/// Most tickets that were asked for in one name in one space, of all to whom something in it was shared, and
/// of all in it: who passes a link on must not use up what the owner may have.
const OF_ONE: i64 = 1000;
const OF_SHARED: i64 = 5000;
const OF_SPACE: i64 = 10_000;

/// Tickets of a space that are counted together.
struct Counted {
    /// Those in names from this one on, and before that one.
    names: (String, String),
    most: i64,
    whose: &'static str,
}

impl Counted {
    fn of(standing: Standing) -> Vec<Self> {
        // `;` comes after `:`, and `~` after all names
        let within = |kind: &str| (format!("{kind}:"), format!("{kind};"));
        let all = Self {
            names: (String::new(), "~".to_owned()),
            most: OF_SPACE,
            whose: "",
        };
        let name = name(standing);
        let one = Self {
            names: (name.clone(), format!("{name}:")),
            most: OF_ONE,
            whose: " of whoever asks",
        };
        let shared = Self {
            names: within(SHARED),
            most: OF_SHARED,
            whose: " of those to whom something was shared",
        };
        match standing.nearness {
            Nearness::Owner | Nearness::Session => vec![one, all],
            Nearness::Shared => vec![one, shared, all],
        }
    }
}

const SHARED: &str = "shared";

/// In whose name a ticket was asked for, as it is kept.
fn name(standing: Standing) -> String {
    let kind = match standing.nearness {
        Nearness::Owner => "owner",
        Nearness::Session => "session",
        Nearness::Shared => SHARED,
    };
    format!("{kind}:{}", hex::encode(standing.principal))
}

pub(super) fn issue(
    c: &Connection,
    ticket: &Ticket,
    standing: Standing,
    now_ms: i64,
) -> Result<(), StoreError> {
    let space = ticket.space.to_string();
    for counted in Counted::of(standing) {
        check_room(c, &space, &counted, now_ms)?;
    }
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
        name(standing),
    ))?;
    Ok(())
}

/// Those past their time make room for new ones.
fn check_room(
    c: &Connection,
    space: &str,
    counted: &Counted,
    now_ms: i64,
) -> Result<(), StoreError> {
    let (from, before) = &counted.names;
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM ticket WHERE space = ?1 AND invoker >= ?2 AND invoker < ?3",
    )?;
    let mut count = || select.query_row((space, from, before), |row| row.get::<_, i64>(0));
    if count()? < counted.most {
        return Ok(());
    }
    c.prepare_cached(
        "DELETE FROM ticket INDEXED BY ticket_space_until
         WHERE space = ?1 AND invoker >= ?2 AND invoker < ?3 AND until_ms < ?4",
    )?
    .execute((space, from, before, now_ms))?;
    if count()? < counted.most {
        return Ok(());
    }
    Err(StoreError::Crowded(format!(
        "There are as many signed URLs as may be: {}{} in one space. Wait until one expires",
        counted.most, counted.whose
    )))
}

pub(super) fn get(c: &Connection, id: &[u8; 32]) -> Result<Option<Ticket>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT space, key, hash, until_ms, chain FROM ticket WHERE id = ?1")?;
    let row = select.query_row([id], |row| {
        let space: String = row.get(0)?;
        let chain: Vec<u8> = row.get(4)?;
        let rest = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((space, rest, chain))
    });
    let Some((space, (key, hash, until_ms), chain)) = row.optional()? else {
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

/// True: there is more.
pub(super) fn tidy(c: &Connection, now_ms: i64) -> Result<bool, StoreError> {
    let gone = c
        .prepare_cached(
            "DELETE FROM ticket WHERE id IN (SELECT id FROM ticket WHERE until_ms < ?1 LIMIT ?2)",
        )?
        .execute((now_ms.saturating_sub(KEPT_MS), integer(TIDIED as u64)))?;
    Ok(gone == TIDIED)
}
