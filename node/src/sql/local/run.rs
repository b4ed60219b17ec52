//! Requests, carried out on one connection.

use std::time::Instant;

use rusqlite::{Rows, Statement};
use serde::{Deserialize, Serialize};

use super::authorizer::Policy;
use super::connection::Session;
use super::prepared::Prepared;
use crate::sql::access::Access;
use crate::sql::limited::Named;
use crate::sql::statement::{NotOne, one};
use crate::sql::value::{write, write_text};
use crate::sql::{Bounds, Command, Constraint, Request, SqlError, Value};

/// What is in every definition of a constraint that is looked at when the transaction ends: `DEFERRED`,
/// `DEFERRABLE`.
pub(super) const DEFERS: &str = "deferr";

/// What a request does, as statements.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::sql) enum Work {
    /// One for its rows, if it has any.
    Rows {
        sql: String,
        params: Vec<Value>,
        bounds: Bounds,
        /// Values that the caller does not choose, by position from 0.
        fixed: Vec<(usize, Value)>,
        /// Whether it is answered by what it did, when it has no rows.
        either: bool,
    },
    /// Several for what they do.
    Changes {
        schema: Vec<String>,
        commands: Vec<Command>,
        is_batch: bool,
    },
}

/// What became of work on a connection that only reads.
#[derive(Debug)]
pub(in crate::sql) enum Read {
    Done(Vec<u8>),
    /// It would write.
    Writes,
}

impl Work {
    /// What an access makes of a request that is not an export.
    pub(in crate::sql) fn new(access: &Access, request: Request) -> Result<Option<Self>, SqlError> {
        let constrained = matches!(access.named, Named::Constrained(_));
        let blocked = |constraint| Err(SqlError::Constrained(constraint));
        Ok(Some(match request {
            Request::Query(..) if constrained => return blocked(Constraint::RawQuery),
            Request::Execute { .. } if constrained => return blocked(Constraint::RawExecute),
            Request::Batch(_) if constrained => return blocked(Constraint::Batch),
            Request::Export if constrained => return blocked(Constraint::Export),
            Request::Export => return Ok(None),
            Request::Query(command, bounds) => Self::Rows {
                sql: text(&command.sql)?,
                params: command.params,
                bounds,
                fixed: Vec::new(),
                either: false,
            },
            Request::Execute { schema, command } => Self::Changes {
                schema,
                commands: vec![command],
                is_batch: false,
            },
            Request::Batch(commands) => Self::Changes {
                schema: Vec::new(),
                commands,
                is_batch: true,
            },
            Request::Named { name, params } => named(access, &name, params)?,
        }))
    }

    /// Does it on a connection that only reads, if it does not write.
    pub(super) fn read(
        &self,
        session: &Session,
        policy: &Policy,
        most: u64,
    ) -> Result<Read, SqlError> {
        let Self::Rows { sql, .. } = self else {
            return Ok(Read::Writes);
        };
        let statement = session.prepare(sql, policy)?;
        if !statement.readonly() {
            return Ok(Read::Writes);
        }
        self.rows(session, policy, statement, most).map(Read::Done)
    }

    /// Does it in one transaction: durable when it returns. `last` says before whether that may be.
    pub(super) fn whole(
        &self,
        session: &Session,
        policy: &Policy,
        end: Instant,
        most: u64,
        last: &mut dyn FnMut() -> Result<(), SqlError>,
    ) -> Result<Vec<u8>, SqlError> {
        let own = |sql| {
            // Never from among the kept statements: there, the caller's `COMMIT` would find ours.
            let done = session.connection().execute_batch(sql);
            done.map_err(|error| super::prepared::translate(&error))
        };
        own(if policy.can.only_reads() {
            "BEGIN"
        } else {
            "BEGIN IMMEDIATE"
        })?;
        let done = session.under(policy, end, || self.run(session, policy, most));
        // A statement can have ended the transaction itself, by `ON CONFLICT ROLLBACK`.
        let done = done.and_then(|response| {
            if session.connection().is_autocommit() {
                return Err(rolled_back());
            }
            last()?;
            own("COMMIT").map(|_| response)
        });
        if done.is_err() && !session.connection().is_autocommit() {
            own("ROLLBACK")?;
        }
        done
    }

    /// Does it, in a transaction that there is.
    pub(super) fn run(
        &self,
        session: &Session,
        policy: &Policy,
        most: u64,
    ) -> Result<Vec<u8>, SqlError> {
        match self {
            Self::Rows { sql, .. } => {
                let statement = session.prepare(sql, policy)?;
                self.rows(session, policy, statement, most)
            }
            Self::Changes {
                schema,
                commands,
                is_batch,
            } => changes(session, policy, schema, commands, *is_batch),
        }
    }

    /// Whether it can be done in one transaction with others: not if it may define a constraint that is looked
    /// at when the transaction ends.
    pub(in crate::sql) fn is_sociable(&self) -> bool {
        let defers = |sql: &str| {
            let word = DEFERS.as_bytes();
            let mut places = sql.as_bytes().windows(word.len());
            places.any(|place| place.eq_ignore_ascii_case(word))
        };
        match self {
            Self::Rows { sql, .. } => !defers(sql),
            Self::Changes {
                schema, commands, ..
            } => {
                let commands = commands.iter().map(|command| &command.sql);
                !schema.iter().chain(commands).any(|sql| defers(sql))
            }
        }
    }

    fn rows(
        &self,
        session: &Session,
        policy: &Policy,
        mut statement: Prepared<'_>,
        most: u64,
    ) -> Result<Vec<u8>, SqlError> {
        let Self::Rows {
            params,
            bounds,
            fixed,
            either,
            ..
        } = self
        else {
            return Err(SqlError::Internal("no rows".to_owned()));
        };
        if fixed.is_empty() {
            bind(&mut statement, params)?;
        } else {
            let params = with_fixed(params, fixed, statement.parameter_count())?;
            bind(&mut statement, &params)?;
        }
        if *either && statement.column_count() == 0 {
            return change(session, policy, statement);
        }
        let most = Limits {
            rows: bounds.rows,
            bytes: bounds.bytes.map_or(most, |bytes| bytes.min(most)),
        };
        let mut out = Vec::with_capacity(256);
        let count = {
            let mut rows = statement.raw_query();
            write_rows(&mut rows, &mut out, &most, session, policy)?
        };
        let count = match count {
            Some(count) => count,
            None => {
                names(&statement, &mut out)?;
                0
            }
        };
        out.extend_from_slice(format!("],\"rowCount\":{count}}}").as_bytes());
        most.check(&out)?;
        Ok(out)
    }
}

/// A statement can end the transaction itself, by `ON CONFLICT ROLLBACK`.
pub(super) fn rolled_back() -> SqlError {
    SqlError::Sqlite("the transaction was rolled back".to_owned())
}

/// How large a response may be.
struct Limits {
    rows: Option<u64>,
    bytes: u64,
}

impl Limits {
    fn check(&self, out: &[u8]) -> Result<(), SqlError> {
        if out.len() as u64 > self.bytes {
            return Err(SqlError::TooLarge(format!("{} bytes", self.bytes)));
        }
        Ok(())
    }
}

/// Writes the names of the columns and the rows; `None` and nothing, if there is no row.
fn write_rows(
    rows: &mut Rows<'_>,
    out: &mut Vec<u8>,
    most: &Limits,
    session: &Session,
    policy: &Policy,
) -> Result<Option<u64>, SqlError> {
    let failed = |error: rusqlite::Error| session.error(policy, &error);
    let mut count: u64 = 0;
    let mut columns = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        if count == 0 {
            // Only now are the columns those of the schema as it is.
            columns = row.as_ref().column_count();
            names(row.as_ref(), out)?;
        } else {
            out.push(b',');
        }
        count += 1;
        if most.rows.is_some_and(|most| count > most) {
            let most = most.rows.unwrap_or_default();
            return Err(SqlError::TooLarge(format!("{most} rows")));
        }
        for column in 0..columns {
            out.push(if column == 0 { b'[' } else { b',' });
            write(out, row.get_ref(column).map_err(failed)?)?;
            most.check(out)?;
        }
        out.push(b']');
    }
    Ok((count > 0).then_some(count))
}

/// Writes the begin of a response, to where its rows begin.
fn names(statement: &Statement<'_>, out: &mut Vec<u8>) -> Result<(), SqlError> {
    out.extend_from_slice(b"{\"columns\":[");
    for (at, name) in statement.column_names().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(out, name)?;
    }
    out.extend_from_slice(b"],\"rows\":[");
    Ok(())
}

fn changes(
    session: &Session,
    policy: &Policy,
    schema: &[String],
    commands: &[Command],
    is_batch: bool,
) -> Result<Vec<u8>, SqlError> {
    for definition in schema {
        let statement = session.prepare_definition(one(definition)?, policy)?;
        change(session, policy, statement)?;
    }
    let mut out = Vec::new();
    for (at, command) in commands.iter().enumerate() {
        let mut statement = session.prepare(one(&command.sql)?, policy)?;
        bind(&mut statement, &command.params)?;
        if at > 0 {
            out.push(b',');
        }
        out.extend(change(session, policy, statement)?);
    }
    if is_batch {
        out.splice(0..0, *b"{\"results\":[");
        out.extend_from_slice(b"]}");
    }
    Ok(out)
}

/// Runs a statement for what it does. Rows that it has are passed over.
fn change(
    session: &Session,
    policy: &Policy,
    mut statement: Prepared<'_>,
) -> Result<Vec<u8>, SqlError> {
    let failed = |error: rusqlite::Error| session.error(policy, &error);
    let connection = session.connection();
    let before = connection.total_changes();
    {
        let mut rows = statement.raw_query();
        while rows.next().map_err(failed)?.is_some() {}
    }
    // What does not change rows leaves both numbers as they were.
    let changed = connection.total_changes() != before;
    let changes = if changed { connection.changes() } else { 0 };
    let last = session
        .has_inserted()
        .then(|| connection.last_insert_rowid());
    let last = last.map_or_else(|| "null".to_owned(), |last| last.to_string());
    Ok(format!("{{\"changes\":{changes},\"lastInsertRowId\":{last}}}").into_bytes())
}

fn bind(statement: &mut Statement<'_>, params: &[Value]) -> Result<(), SqlError> {
    let takes = statement.parameter_count();
    if takes != params.len() {
        let given = params.len();
        return Err(SqlError::Parse(format!(
            "the statement takes {takes} values, {given} are given"
        )));
    }
    for (at, value) in params.iter().enumerate() {
        if *value == Value::Compound {
            return Err(SqlError::Parse(format!(
                "value {at} is neither null, boolean, number or text nor a list of bytes"
            )));
        }
        let bound = statement.raw_bind_parameter(at + 1, value);
        bound.map_err(|error| super::prepared::translate(&error))?;
    }
    Ok(())
}

/// The one statement of a text.
fn text(sql: &str) -> Result<String, SqlError> {
    Ok(one(sql)?.to_owned())
}

/// A statement that is run by its name.
fn named(access: &Access, name: &str, params: Vec<Value>) -> Result<Work, SqlError> {
    let blocked = |constraint| SqlError::Constrained(constraint);
    let unknown = || blocked(Constraint::Statement);
    let (sql, fixed) = match &access.named {
        Named::Own(statements) => (text(statements.get(name).ok_or_else(unknown)?)?, Vec::new()),
        Named::Constrained(statements) => {
            let statement = statements.get(name).ok_or_else(unknown)?;
            let sql = one(statement.sql()).map_err(|not_one| match not_one {
                NotOne::Several => blocked(Constraint::Several),
                not_one => not_one.into(),
            })?;
            let primitive = |value| !matches!(value, &Value::Blob(_) | &Value::Compound);
            if !params.iter().all(primitive) {
                return Err(blocked(Constraint::Bind));
            }
            let fixed = statement.fixed_params().map(|(index, value)| {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                Ok((index, Value::from_json(value)?))
            });
            (sql.to_owned(), fixed.collect::<Result<_, SqlError>>()?)
        }
    };
    Ok(Work::Rows {
        sql,
        params,
        bounds: Bounds::default(),
        fixed,
        either: true,
    })
}

/// All values of a statement that takes `takes`: what is fixed, and the caller's.
///
/// A fixed parameter's index counts from 0: 0 is `?1`. The caller gives either only those that are
/// not fixed, in order, or all, with `null` or the same value where one is fixed.
fn with_fixed(
    given: &[Value],
    fixed: &[(usize, Value)],
    takes: usize,
) -> Result<Vec<Value>, SqlError> {
    let fixed_at = |at: usize| fixed.iter().find(|(index, _)| *index == at);
    if fixed.iter().any(|(index, _)| *index >= takes) {
        return Err(SqlError::denied(
            "a caveat of the delegation fixes a value that its statement does not take",
        ));
    }
    let mut given = given.iter();
    let gives_all = given.len() == takes;
    let mut all = Vec::with_capacity(takes.min(given.len() + fixed.len()));
    for at in 0..takes {
        match fixed_at(at) {
            Some((_, value)) => {
                let own = if gives_all { given.next() } else { None };
                if own.is_some_and(|own| !matches!(own, Value::Null) && own != value) {
                    return Err(SqlError::Constrained(Constraint::FixedParam));
                }
                all.push(value.clone());
            }
            None => match given.next() {
                Some(value) => all.push(value.clone()),
                None => break,
            },
        }
    }
    all.extend(given.cloned());
    Ok(all)
}
