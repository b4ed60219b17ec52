//! Rows as a check reads them: with all that can be compared, in parts that fit into memory.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::bytes;
use crate::store::{Statement, StoreError};

/// A value, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueRow {
    /// Its place in the order of this table.
    pub place: i64,
    /// The name of its space.
    pub space: String,
    /// Its key.
    pub key: String,
    /// BLAKE3 of it, as recorded.
    pub hash: [u8; 32],
    /// Its length in bytes, as recorded.
    pub size: u64,
    /// Headers that were stored with it, as JSON.
    pub headers: String,
    /// What there is of it.
    pub held: Held,
}

/// What there is of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Bytes in the store.
    Inline {
        /// BLAKE3 of these bytes.
        hash: [u8; 32],
        /// How many there are.
        size: u64,
    },
    /// A blob.
    Blob {
        /// Its name.
        name: String,
        /// Whether it is listed for removal as well.
        is_garbage: bool,
    },
}

/// A stored delegation: its row as recorded, and the token that it is to agree with.
#[derive(Clone, Debug)]
pub struct DelegationFound {
    /// Its place in the order of acceptance.
    pub place: i64,
    /// The digest of its name, as recorded.
    pub cid: [u8; 32],
    /// What was signed, as recorded.
    pub statement: [u8; 32],
    /// As it was received.
    pub token: Vec<u8>,
    /// Its other spellings: the digest of the name of each, as recorded, and the token.
    pub spellings: Vec<([u8; 32], Vec<u8>)>,
}

/// The lists that a delegation belongs in.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Its place in the order of acceptance.
    pub place: i64,
    /// What its lists are sorted by, in milliseconds of Unix time.
    pub issued_ms: i64,
    /// Whose they are, and whether as the one who receives, each once.
    pub parties: Vec<(String, bool)>,
    /// Spaces in whose lists it is, each once.
    pub spaces: Vec<String>,
}

/// A stored revocation: its row as recorded, and the token that it is to agree with.
#[derive(Clone, Debug)]
pub struct RevocationFound {
    /// Its place in the order of acceptance.
    pub place: i64,
    /// What was revoked, as recorded.
    pub target: [u8; 32],
    /// By whom, as recorded.
    pub revoker: String,
    /// As it was received.
    pub token: Vec<u8>,
}

/// A listed database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRow {
    /// Its place: the row of its space, and its name.
    pub place: (i64, String),
    /// The name of its space.
    pub space: String,
}

/// A count that is not what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miscount {
    /// The name of a space; `None`: of the node.
    pub space: Option<String>,
    /// Bytes that there are.
    pub held: i64,
    /// Bytes that are counted.
    pub counted: i64,
}

/// The name of a space by its row, or the row where there is none.
const SPACE: &str = "coalesce((SELECT name FROM space WHERE space.id = ";

/// A text that somebody may have damaged.
fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    let bytes = row.get_ref(at)?.as_bytes()?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

pub(super) fn values(c: &Connection, after: i64, limit: u32) -> Result<Vec<ValueRow>, StoreError> {
    let mut select = c.prepare_cached(&format!(
        "SELECT id, {SPACE} v.space), 'row ' || v.space), key, hash, size, headers, blob, inline,
            EXISTS (SELECT 1 FROM garbage WHERE garbage.blob = v.blob)
         FROM value AS v WHERE id > ?1 ORDER BY id LIMIT ?2"
    ))?;
    let rows = select.query_map((after, limit), |row| {
        let held = match row.get_ref(7)?.as_blob_or_null()? {
            // hashed here, row by row: many values at once may be more than memory holds
            Some(inline) => Held::Inline {
                hash: *blake3::hash(inline).as_bytes(),
                size: inline.len() as u64,
            },
            None => Held::Blob {
                name: text(row, 6)?,
                is_garbage: row.get(8)?,
            },
        };
        Ok(ValueRow {
            place: row.get(0)?,
            space: text(row, 1)?,
            key: text(row, 2)?,
            hash: row.get(3)?,
            size: bytes(row.get(4)?),
            headers: text(row, 5)?,
            held,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn delegations(
    c: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<DelegationFound>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, cid, statement, token FROM delegation WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let rows = select.query_map((after, limit), |row| {
        Ok(DelegationFound {
            place: row.get(0)?,
            cid: row.get(1)?,
            statement: row.get(2)?,
            token: row.get(3)?,
            spellings: Vec::new(),
        })
    })?;
    let mut found: Vec<DelegationFound> = rows.collect::<rusqlite::Result<_>>()?;
    let mut select =
        c.prepare_cached("SELECT cid, token FROM delegation_spelling WHERE delegation = ?1")?;
    for one in &mut found {
        let rows = select.query_map([one.place], |row| Ok((row.get(0)?, row.get(1)?)))?;
        one.spellings = rows.collect::<rusqlite::Result<_>>()?;
    }
    Ok(found)
}

/// Whether a delegation is in all the lists that it belongs in.
pub(super) fn is_listed(c: &Connection, listing: &Listing) -> Result<bool, StoreError> {
    let mut party = c.prepare_cached(
        "SELECT 1 FROM delegation_party
         WHERE principal = ?1 AND issued_ms = ?2 AND delegation = ?3 AND direction = ?4",
    )?;
    for (principal, is_receiver) in &listing.parties {
        let row = (principal, listing.issued_ms, listing.place, is_receiver);
        if !party.exists(row)? {
            return Ok(false);
        }
    }
    let mut space =
        c.prepare_cached("SELECT 1 FROM delegation_space WHERE space = ?1 AND delegation = ?2")?;
    for name in &listing.spaces {
        if !space.exists((name, listing.place))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How often delegations up to a place are listed: rows of parties and of spaces together.
pub(super) fn listed(c: &Connection, last: i64) -> Result<u64, StoreError> {
    let count = c.query_row(
        "SELECT (SELECT count(*) FROM delegation_party WHERE delegation <= ?1)
            + (SELECT count(*) FROM delegation_space WHERE delegation <= ?1)",
        [last],
        |row| row.get(0),
    )?;
    Ok(bytes(count))
}

pub(super) fn revocations(
    c: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<RevocationFound>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT rowid, target, revoker, token FROM revocation WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
    )?;
    let rows = select.query_map((after, limit), |row| {
        Ok(RevocationFound {
            place: row.get(0)?,
            target: row.get(1)?,
            revoker: text(row, 2)?,
            token: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn token_saying(
    c: &Connection,
    statement: &Statement,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT token FROM delegation WHERE statement = ?1 LIMIT 1")?;
    let token = select.query_row([statement], |row| row.get(0));
    Ok(token.optional()?)
}

pub(super) fn databases(
    c: &Connection,
    after: &(i64, String),
    limit: u32,
) -> Result<Vec<DatabaseRow>, StoreError> {
    let mut select = c.prepare_cached(&format!(
        "SELECT d.space, d.name, {SPACE} d.space), 'row ' || d.space) FROM sql_database AS d
         WHERE (d.space, d.name) > (?1, ?2) ORDER BY d.space, d.name LIMIT ?3"
    ))?;
    let rows = select.query_map((after.0, &after.1, limit), |row| {
        Ok(DatabaseRow {
            place: (row.get(0)?, text(row, 1)?),
            space: text(row, 2)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Rows of spaces and their owners.
pub(super) fn owners(
    c: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, String, String)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT id, name, owner FROM space WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = select.query_map((after, limit), |row| {
        Ok((row.get(0)?, text(row, 1)?, text(row, 2)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Tickets and their spaces.
pub(super) fn tickets(
    c: &Connection,
    after: &[u8],
    limit: u32,
) -> Result<Vec<(Vec<u8>, String)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT id, space FROM ticket WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = select.query_map((after, limit), |row| Ok((row.get(0)?, text(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Which of these blobs no row lists.
pub(super) fn unlisted(c: &Connection, blobs: &[String]) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM value WHERE blob = ?1) OR EXISTS (SELECT 1 FROM garbage WHERE blob = ?1)",
    )?;
    let mut unlisted = Vec::new();
    for blob in blobs {
        if !select.query_row([blob], |row| row.get::<_, bool>(0))? {
            unlisted.push(blob.clone());
        }
    }
    Ok(unlisted)
}

/// Reservations whose names are none, so that their files cannot be removed.
pub(super) fn misnamed(c: &Connection, limit: u32) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT blob FROM garbage WHERE length(blob) <> 32 OR blob GLOB '*[^0-9a-f]*' LIMIT ?1",
    )?;
    let rows = select.query_map([limit], |row| text(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Tables with rows that refer to what is not there: which, to what, and how many rows.
pub(super) fn dangling(c: &Connection) -> Result<Vec<(String, String, u64)>, StoreError> {
    let mut select = c.prepare(
        "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2",
    )?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, bytes(row.get(2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
