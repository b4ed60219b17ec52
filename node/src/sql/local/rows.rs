//! What definitions may compute with rows that are there.
//!
//! Whoever may not read all rows makes nothing that SQLite computes with some at once, and whoever may not
//! write them makes nothing by which some are changed. What the rule is about has no rows: then nothing is
//! computed and nothing is told. SQLite's authorizer says which tables a definition is about, not what it
//! computes, so of an index only the plainest form counts as computing nothing.

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;

use super::authorizer::{Denial, Policy, Seen};
use crate::sql::statement::{computes, plain_index};

/// Tables that must be empty, or else the statement, which is compiled and not run, is not allowed.
fn must_be_empty(
    connection: &Connection,
    sql: &str,
    policy: &Policy,
    seen: &Seen,
) -> rusqlite::Result<Vec<String>> {
    let mut tables: Vec<_> = seen.touches.iter().cloned().collect();
    if policy.computes() {
        return Ok(tables);
    }
    if let Some(table) = &seen.indexes
        && !is_plain(connection, sql, table)?
    {
        tables.push(table.clone());
    }
    if let Some(table) = &seen.alters
        && (seen.verifies || computes(sql))
    {
        tables.push(table.clone());
    }
    if let Some(name) = &seen.reindexes {
        let sql = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND lower(name) = ?1";
        let table = connection.query_row(sql, [name], |row| row.get::<_, String>(0));
        tables.push(table.optional()?.unwrap_or_default());
    }
    Ok(tables)
}

/// Whether a compiled definition may be run with the rows that there are.
pub(super) fn allow(
    connection: &Connection,
    sql: &str,
    policy: &Policy,
    seen: &Seen,
) -> rusqlite::Result<Result<(), Denial>> {
    for table in must_be_empty(connection, sql, policy, seen)? {
        if !is_empty(connection, &table)? {
            return Ok(Err(Denial::Other(format!(
                "this computes with rows or changes them, those of {table}, and who asks may not read and write all"
            ))));
        }
    }
    Ok(Ok(()))
}

/// Whether an index has nothing but columns in which values are kept as they were written.
fn is_plain(connection: &Connection, sql: &str, table: &str) -> rusqlite::Result<bool> {
    let Some(columns) = plain_index(sql) else {
        return Ok(false);
    };
    let ask = "SELECT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1) WHERE lower(name) = lower(?2) AND hidden = 0)";
    let mut ask = connection.prepare(ask)?;
    for column in columns {
        if !ask.query_row([table, column], |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether it is a table, and has no row.
fn is_empty(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?1)";
    let name = connection.query_row(sql, [table], |row| row.get::<_, String>(0));
    let Some(name) = name.optional()? else {
        return Ok(false);
    };
    let name = name.replace('"', "\"\"");
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM main.\"{name}\")");
    connection.query_row(&sql, [], |row| row.get(0))
}
