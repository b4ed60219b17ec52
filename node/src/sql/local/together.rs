//! Several writes of one database in one transaction, which becomes durable once for all of them.
//!
//! Each write has a savepoint: it sees what those before it did, and if it fails it alone is undone. What ends
//! the whole transaction (`ON CONFLICT ROLLBACK`, an interrupted statement, no memory) fails the write that
//! did it, and the others are done again, as if they had not been tried.

use std::time::{Duration, Instant};

use super::connection::Session;
use super::pool::Kind;
use super::prepared::translate;
use super::{LocalDatabases, PAGE, Policy, Stage, Told, Work, size};
use crate::sql::links::{Held, Link};
use crate::sql::{DatabaseId, SqlError, SqlLimits};

/// Writes are begun for so long: those behind them are done later, and the first is not kept waiting.
const BEGUN: Duration = Duration::from_millis(100);
/// Bytes of what comes back of those that are done together, without the last.
const BYTES: usize = 1 << 20;

/// One write.
pub(in crate::sql) struct Write {
    pub(in crate::sql) work: Work,
    pub(in crate::sql) policy: Policy,
    /// How large the database may become.
    pub(in crate::sql) bytes: u64,
    /// What it rests on.
    pub(in crate::sql) links: Vec<Link>,
}

/// What became of one write.
#[derive(Debug)]
pub(in crate::sql) enum Member {
    /// It is durable, and this comes back.
    Wrote(Vec<u8>),
    /// It did nothing.
    Failed(SqlError),
    /// It did nothing, and is to be done later, by itself or together with others.
    Again { alone: bool },
}

/// What became of all of them, in order, and of the database's size.
#[derive(Debug)]
pub(in crate::sql) struct Together {
    pub(in crate::sql) members: Vec<Member>,
    pub(in crate::sql) before: u64,
    pub(in crate::sql) after: u64,
}

impl Together {
    /// Nothing was done, and each is to be done by itself.
    fn alone(writes: &[Write], size: u64) -> Self {
        let alone = |_| Member::Again { alone: true };
        Self {
            members: writes.iter().map(alone).collect(),
            before: size,
            after: size,
        }
    }
}

impl LocalDatabases {
    /// Does these in one transaction, which is durable when this returns. All of them may do the same, and may
    /// make the database. Says how far it is.
    pub(in crate::sql) fn write_together(
        &self,
        id: DatabaseId,
        writes: &[Write],
        told: &mut dyn Told,
    ) -> Result<Together, SqlError> {
        let Some(first) = writes.first() else {
            return Ok(Together::alone(writes, 0));
        };
        let can = first.policy.can;
        self.in_turn(id, true, told, |told| {
            let kind = Kind {
                database: id,
                can,
                writes: true,
            };
            let mut last = Last::default();
            let done = self.writing(kind, true, |session| {
                self.together(session, writes, told, &mut last)
            });
            match done {
                // by themselves, with all memory, or with what the machine says of it
                Err(error) if error.is_of_machine() && !last.commits => {
                    Ok(Together::alone(writes, 0))
                }
                done => done,
            }
        })
    }

    fn together(
        &self,
        session: &mut Session,
        writes: &[Write],
        told: &mut dyn Told,
        last: &mut Last,
    ) -> Result<Together, SqlError> {
        let before = size(session)?;
        own(session, "BEGIN IMMEDIATE")?;
        let done = members(session, writes, before, &self.limits, told).and_then(|members| {
            let Some(members) = members else {
                return Ok(Together::alone(writes, before));
            };
            let undone = |members| Together {
                members,
                before,
                after: before,
            };
            if session.connection().is_autocommit() {
                // one of them has ended it
                return Ok(undone(members));
            }
            if let Some(without) = self.withdrawn(writes, &members, told, last)? {
                return Ok(undone(without));
            }
            last.commits = true;
            match own(session, "COMMIT") {
                Ok(()) => {
                    // they are done, whatever is learnt of them
                    let most = writes.iter().map(|write| write.bytes).max();
                    let most = most.unwrap_or(before).min(self.limits.database_bytes);
                    Ok(Together {
                        members,
                        before,
                        after: size(session).unwrap_or(most),
                    })
                }
                // what one of them did cannot be kept
                Err(SqlError::Sqlite(_)) => Ok(Together::alone(writes, before)),
                Err(error) => Err(error),
            }
        });
        if !session.connection().is_autocommit() {
            own(session, "ROLLBACK")?;
        }
        done
    }

    /// Asks whether what these rest on still stands. If not all of it does, what becomes of each: what others have
    /// seen of those that may not stay is done again without it.
    fn withdrawn(
        &self,
        writes: &[Write],
        members: &[Member],
        told: &mut dyn Told,
        last: &mut Last,
    ) -> Result<Option<Vec<Member>>, SqlError> {
        let wrote = |(member, _): &(&Member, &Write)| matches!(member, Member::Wrote(_));
        let links = members.iter().zip(writes).filter(wrote);
        let mut links = links.flat_map(|(_, write)| &write.links).peekable();
        if links.peek().is_none() {
            told.at(Stage::Commits);
            return Ok(None);
        }
        last.held = Some(self.hold(links)?);
        let stand = told.stand(writes.len())?;
        let mut all = members.iter().zip(&stand);
        if all.all(|(member, stands)| *stands || !matches!(member, Member::Wrote(_))) {
            return Ok(None);
        }
        let without = stand.iter().map(|stands| match stands {
            true => later(),
            false => Member::Failed(SqlError::Withdrawn),
        });
        Ok(Some(without.collect()))
    }
}

/// What holds while it becomes durable under its name.
#[derive(Default)]
struct Last {
    commits: bool,
    held: Option<Held>,
}

/// Does them, each in its savepoint. `None`: not together.
fn members(
    session: &mut Session,
    writes: &[Write],
    before: u64,
    limits: &SqlLimits,
    told: &mut dyn Told,
) -> Result<Option<Vec<Member>>, SqlError> {
    // a constraint that is looked at when the transaction ends would be that of all of them
    if session.defers()? {
        return Ok(None);
    }
    let (began, mut bytes) = (Instant::now(), 0);
    let mut members = Vec::with_capacity(writes.len());
    for (at, write) in writes.iter().enumerate() {
        if at > 0 && (began.elapsed() >= BEGUN || bytes >= BYTES) {
            break;
        }
        told.at(Stage::Next);
        // what those before it took is of their room, not of its own
        let grown = size(session)?.saturating_sub(before);
        let most = write.bytes.saturating_add(grown);
        let most = most.min(limits.database_bytes);
        let limited = session.limit_pages((most / PAGE).max(1));
        limited.map_err(|error| translate(&error))?;
        own(session, "SAVEPOINT one")?;
        let end = Instant::now() + limits.time;
        let done = session.under(&write.policy, end, || {
            write
                .work
                .run(session, &write.policy, limits.response_bytes)
        });
        if session.connection().is_autocommit() {
            let error = done.err().unwrap_or_else(super::run::rolled_back);
            let mut all = writes.iter().map(|_| later()).collect::<Vec<_>>();
            if let Some(member) = all.get_mut(at) {
                *member = if error.is_of_machine() {
                    Member::Again { alone: true }
                } else {
                    Member::Failed(error)
                };
            }
            return Ok(Some(all));
        }
        members.push(match done {
            Ok(response) => {
                own(session, "RELEASE one")?;
                bytes += response.len();
                Member::Wrote(response)
            }
            Err(error) if error.is_of_machine() => return Err(error),
            Err(error) => {
                own(session, "ROLLBACK TO one")?;
                own(session, "RELEASE one")?;
                Member::Failed(error)
            }
        });
    }
    members.resize_with(writes.len(), later);
    Ok(Some(members))
}

/// What became of a write that was not begun, or was undone by another.
const fn later() -> Member {
    Member::Again { alone: false }
}

fn own(session: &Session, sql: &str) -> Result<(), SqlError> {
    let done = session.connection().execute_batch(sql);
    done.map_err(|error| translate(&error))
}
