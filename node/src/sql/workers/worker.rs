//! The worker's side: one thing after the other, until the node is gone.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use landlock::RulesetStatus;
use rusqlite::Connection;
use rustix::time::{ClockId, clock_gettime};

use super::confine;
use super::wire::{self, Kind, LENGTHS, MAX_TASK, Outcome, Reply, Settings, Task, What};
use crate::sql::local::{LocalDatabases, Member, Read as Answer, Stage, Told, Write as Change};
use crate::sql::{DatabaseId, SqlError};

/// How often connections that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// Does what the node at the other end of standard input asks for, and returns when that is gone. This is
/// the whole of a program that [`WorkerProgram`](super::WorkerProgram) names: call it before anything else,
/// while there is one thread.
///
/// # Errors
///
/// Why it cannot go on, in words.
pub fn serve() -> Result<(), String> {
    confine::end_with_parent()?;
    confine::block_signals()?;
    confine::close_others()?;
    let text = |error: &dyn core::fmt::Display| error.to_string();
    let socket = io::stdin().as_fd().try_clone_to_owned();
    let socket = UnixStream::from(socket.map_err(|error| text(&error))?);
    let mut node = Node(BufReader::new(socket));
    let Some(head) = node.receive(|| {}).map_err(|error| text(&error))? else {
        return Ok(());
    };
    let Settings { dir, limits } = wire::read(&head).map_err(|error| text(&error))?;
    confine::limit(&limits)?;
    let databases = LocalDatabases::open(&dir, limits).map_err(|error| text(&error))?;
    prepare(limits.heap_bytes).map_err(|error| text(&error))?;
    // the kernel may know none of it; what it knows must work
    if confine::enclose(&dir)? == RulesetStatus::NotEnforced {
        tracing::debug!("this kernel has no Landlock");
    }
    let idle = node.0.get_ref().set_read_timeout(Some(SWEEP));
    idle.map_err(|error| text(&error))?;
    node.send(&Reply::Ready, &[])
        .map_err(|error| text(&error))?;
    while let Some(head) = node
        .receive(|| databases.sweep())
        .map_err(|error| text(&error))?
    {
        if let Some(count) = wire::read_together(&head) {
            together(&databases, count, &mut node)?;
            continue;
        }
        let (kind, task) = wire::read_task(&head).map_err(|error| text(&error))?;
        drop(head);
        let before = used();
        let (outcome, body) = carry_out(&databases, kind, task, &mut node);
        let micros = used().saturating_sub(before);
        node.send(&Reply::Done { outcome, micros }, &body)
            .map_err(|error| text(&error))?;
    }
    Ok(())
}

/// Bounds SQLite's memory, and lets it and the C library read what they read of the system once: the seed
/// of random numbers, the time zone.
fn prepare(heap_bytes: u64) -> rusqlite::Result<()> {
    let connection = Connection::open_in_memory()?;
    let bytes = i64::try_from(heap_bytes).unwrap_or(i64::MAX);
    connection.pragma_update(None, "hard_heap_limit", bytes)?;
    connection.query_row("SELECT random(), datetime('now', 'localtime')", [], |_| {
        Ok(())
    })
}

/// Time of a processor that this thread has used, in microseconds.
fn used() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(used.tv_sec).unwrap_or_default();
    let more = u64::try_from(used.tv_nsec / 1000).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(more)
}

/// Reads so many writes of one database, does them together, and answers each.
fn together(databases: &LocalDatabases, count: u32, node: &mut Node) -> Result<(), String> {
    let text = |error: &dyn core::fmt::Display| error.to_string();
    let (mut all, mut database) = (Vec::new(), None);
    for _ in 0..count {
        let head = node.receive(|| {}).map_err(|error| text(&error))?;
        let head = head.ok_or("fewer writes than were announced")?;
        let (kind, Task { id, what }) = wire::read_task(&head).map_err(|error| text(&error))?;
        let What::Work {
            work,
            policy,
            bytes,
            links,
            ..
        } = what
        else {
            return Err("a task of another kind".to_owned());
        };
        if kind != Kind::Write || *database.get_or_insert(id) != id {
            return Err("a write of another kind".to_owned());
        }
        all.push(Change {
            work,
            policy: *policy,
            bytes,
            links,
        });
    }
    let Some(id) = database else {
        return Err("nothing to be done together".to_owned());
    };
    let before = used();
    let done = databases.write_together(id, &all, node);
    // the time of all is counted once
    let mut micros = used().saturating_sub(before);
    let (members, before, after) = match done {
        Ok(done) => (done.members, done.before, done.after),
        Err(error) => {
            let failed = |_: &Change| Member::Failed(error.clone());
            (all.iter().map(failed).collect(), 0, 0)
        }
    };
    for member in members {
        let (outcome, body) = match member {
            Member::Wrote(response) => (Outcome::Wrote { before, after }, response),
            Member::Failed(error) => (Outcome::Failed(error), Vec::new()),
            Member::Again { alone } => (Outcome::Again { alone }, Vec::new()),
        };
        let micros = std::mem::take(&mut micros);
        node.send(&Reply::Done { outcome, micros }, &body)
            .map_err(|error| text(&error))?;
    }
    Ok(())
}

fn carry_out(
    databases: &LocalDatabases,
    kind: Kind,
    task: Task,
    node: &mut Node,
) -> (Outcome, Vec<u8>) {
    let Task { id, what } = task;
    match done(databases, kind, id, what, node) {
        Ok(done) => done,
        Err(error) => (Outcome::Failed(error), Vec::new()),
    }
}

fn done(
    databases: &LocalDatabases,
    kind: Kind,
    id: DatabaseId,
    what: What,
    node: &mut Node,
) -> Result<(Outcome, Vec<u8>), SqlError> {
    Ok(match (kind, what) {
        (Kind::Read, What::Work { work, policy, .. }) => {
            match databases.read(id, &work, &policy)? {
                Answer::Done(response) => (Outcome::Read, response),
                Answer::Writes => (Outcome::Writes, Vec::new()),
            }
        }
        (
            Kind::Write,
            What::Work {
                work,
                policy,
                may_create,
                bytes,
                links,
            },
        ) => {
            let write = Change {
                work,
                policy: *policy,
                bytes,
                links,
            };
            let wrote = databases.write(id, &write, may_create, node)?;
            let (before, after) = (wrote.before, wrote.after);
            (Outcome::Wrote { before, after }, wrote.response)
        }
        (Kind::Export, What::Export(to)) => {
            databases.export(id, &to)?;
            (Outcome::Exported, Vec::new())
        }
        _ => return Err(SqlError::Internal("a task of another kind".to_owned())),
    })
}

/// The node.
struct Node(BufReader<UnixStream>);

impl Told for Node {
    fn at(&mut self, stage: Stage) {
        // a node that is gone is noticed at the next frame
        let _ = self.send(&Reply::from(stage), &[]);
    }

    fn stand(&mut self, count: usize) -> Result<Vec<bool>, SqlError> {
        let failed = |error: &dyn core::fmt::Display| SqlError::Internal(error.to_string());
        let sent = self.send(&Reply::from(Stage::Asks), &[]);
        sent.map_err(|error| failed(&error))?;
        let word = self.receive(|| {}).map_err(|error| failed(&error))?;
        word.and_then(|word| wire::read_stand(&word, count))
            .ok_or_else(|| failed(&"the node does not say whether it may become durable"))
    }
}

impl Node {
    fn send(&mut self, reply: &Reply, body: &[u8]) -> io::Result<()> {
        let frame = wire::frame(reply, body).map_err(io::Error::other)?;
        self.0.get_mut().write_all(&frame)
    }

    /// The head of the next frame; `None`: there will be none. Calls `idle` when none comes for long.
    fn receive(&mut self, idle: impl Fn()) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.0.fill_buf() {
                Ok([]) => return Ok(None),
                Ok(_) => break,
                Err(error) if is_late(&error) => idle(),
                Err(error) => return Err(error),
            }
        }
        let mut lengths = [0; LENGTHS];
        self.read_all(&mut lengths)?;
        let lengths = wire::read_lengths(lengths, MAX_TASK + 1, 0).map_err(io::Error::other)?;
        let mut head = vec![0; lengths.0];
        self.read_all(&mut head)?;
        Ok(Some(head))
    }

    fn read_all(&mut self, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            match self.0.read(into) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => into = into.get_mut(read..).unwrap_or_default(),
                // a frame that has begun is on its way
                Err(error) if is_late(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
