//! `openkey-sim load-node`: many clients of a node at once.
//!
//! Each client owns a space there and acts in it by a session key, as clients do. What fails is counted
//! by kind; nothing counts before it is in the file of acknowledgements, if there is one, so that all
//! of it can be read back after the node was killed.

mod acks;
mod client;
mod report;
mod request;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use openkey_capability::cid::Cid;

use self::acks::Ack;
use self::client::{Answer, Client};
pub use self::report::{Kind, NodeReadBack, NodeReport};
use self::request::{once, sql, value};
use crate::load::AcksError;
use crate::load::acks::{AckFile, lines};
use crate::load::until::{PAUSE, persist};
use crate::load::{Stop, cpu};

/// Values written at once before they are read.
const AT_ONCE: usize = 200;
/// Rows of the table that is read.
const ROWS: usize = 100;

/// Why a load run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadNodeError {
    /// The node does not answer.
    // the error's own text names its causes: as a source it would be said twice
    #[error("{url} does not answer: {error}")]
    Http {
        /// Where it should listen.
        url: String,
        /// What went wrong.
        error: ureq::Error,
    },
    /// The node refused what must work before anything else can.
    #[error("the node refused with {status}: {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// The file of acknowledgements.
    #[error(transparent)]
    Acks(#[from] AcksError),
    /// A client broke, which is a bug.
    #[error("a client broke: {0}")]
    Broken(String),
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Read values.
    Get,
    /// Write values.
    Put,
    /// Delegate.
    Delegate,
    /// Read from a database.
    Select,
    /// Write to a database, all to one of their own.
    Insert,
    /// Write values and rows, delegate and revoke in turns.
    Mixed,
}

/// A text names nothing that clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected get, put, delegate, select, insert or mixed")]
pub struct WhatError;

impl FromStr for What {
    type Err = WhatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "get" => Self::Get,
            "put" => Self::Put,
            "delegate" => Self::Delegate,
            "select" => Self::Select,
            "insert" => Self::Insert,
            "mixed" => Self::Mixed,
            _ => return Err(WhatError),
        })
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct LoadNodeOptions {
    /// Where the nodes of one directory listen; clients take turns.
    pub urls: Vec<String>,
    /// The kind of request that clients send.
    pub what: What,
    /// Clients at once.
    pub connections: usize,
    /// How long.
    pub duration: Duration,
    /// Ends it earlier, with what was done until then.
    pub stop: Stop,
    /// Keys that a client reads and writes.
    pub keys: usize,
    /// Whose CPU is reported.
    pub pids: Vec<u32>,
    /// Where acknowledgements are written before they count.
    pub acks: Option<PathBuf>,
    /// Who the clients are.
    pub seed: String,
    /// Whether a node that does not answer is asked again.
    pub patient: bool,
    /// How often each client asks; `None`: as soon as it has its answer. A request counts from when it was
    /// due: one that is late since those before it were slow is slow, too.
    pub pace: Option<Duration>,
}

#[derive(Default)]
struct Tally {
    took_us: Vec<u64>,
    kinds: BTreeMap<Kind, usize>,
    errors: BTreeMap<String, usize>,
}

/// Sets up the clients and lets them work.
///
/// # Errors
///
/// [`LoadNodeError`].
pub fn run(options: &LoadNodeOptions) -> Result<NodeReport, LoadNodeError> {
    let acks = AckFile::create(options.acks.as_deref())?;
    let clients = each(options.connections, |number| {
        // doing it twice changes nothing
        persist(
            |error| options.patient && matches!(error, LoadNodeError::Http { .. }),
            || {
                let client = ready(options, number)?;
                prepare(options, &client)?;
                Ok(client)
            },
        )
    })?;
    let pids = || {
        let all = options.pids.iter().flat_map(|pid| cpu::with_children(*pid));
        all.map(|pid| ("node".to_owned(), pid))
    };
    let before = cpu::used_us(pids());
    let began = Instant::now();
    let until = began + options.duration;
    let tallies = std::thread::scope(|scope| {
        let work = |(number, client)| {
            let acks = &acks;
            scope.spawn(move || work(options, number, client, until, acks))
        };
        let threads: Vec<_> = clients.iter().enumerate().map(work).collect();
        threads
            .into_iter()
            .map(joined)
            .collect::<Result<Vec<_>, _>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let after = cpu::used_us(pids());
    let used: f64 = after
        .iter()
        .map(|(process, used)| used - before.get(process).unwrap_or(&0.0))
        .sum();
    let mut all = Tally::default();
    for tally in tallies {
        all.took_us.extend(tally.took_us);
        for (kind, count) in tally.kinds {
            *all.kinds.entry(kind).or_default() += count;
        }
        for (error, count) in tally.errors {
            *all.errors.entry(error).or_default() += count;
        }
    }
    all.took_us.sort_unstable();
    Ok(NodeReport::new(
        options,
        &all.took_us,
        all.kinds,
        all.errors,
        seconds,
        used,
    ))
}

fn joined<T>(
    thread: std::thread::ScopedJoinHandle<'_, Result<T, LoadNodeError>>,
) -> Result<T, LoadNodeError> {
    let ended = thread.join();
    ended.unwrap_or_else(|_| Err(LoadNodeError::Broken("it panicked".to_owned())))
}

fn each<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, LoadNodeError> + Sync,
) -> Result<Vec<T>, LoadNodeError> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        threads.into_iter().map(joined).collect()
    })
}

fn ready(options: &LoadNodeOptions, number: usize) -> Result<Client, LoadNodeError> {
    let urls = options.urls.as_slice();
    let url = urls
        .get(number % urls.len().max(1))
        .map_or("", String::as_str);
    let mut client = Client::new(url, &options.seed, number)?;
    client.set_up()?;
    Ok(client)
}

/// What must be there before it can be read.
fn prepare(options: &LoadNodeOptions, client: &Client) -> Result<(), LoadNodeError> {
    let ok = |answer: Answer| match answer? {
        (200, _) => Ok(()),
        (status, body) => Err(LoadNodeError::Refused { status, body }),
    };
    match options.what {
        What::Get => {
            let keys: Vec<usize> = (0..options.keys).collect();
            for some in keys.chunks(AT_ONCE) {
                let values = some.iter().map(|n| (format!("load/{n}"), value(0, *n)));
                let values: Vec<_> = values.collect();
                ok(client.put_all(&values))?;
            }
            Ok(())
        }
        What::Select => {
            let fill = format!(
                "INSERT INTO t (n, text) WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {ROWS}) \
                 SELECT n, 'row ' || n FROM c WHERE true ON CONFLICT DO NOTHING"
            );
            sql(
                client,
                "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, text TEXT)",
                "write",
            )
            .and_then(|it| ok(Ok(it)))?;
            ok(sql(client, &fill, "write"))
        }
        What::Insert | What::Mixed => ok(sql(
            client,
            "CREATE TABLE IF NOT EXISTS log (id TEXT PRIMARY KEY, text TEXT)",
            "write",
        )),
        What::Put | What::Delegate => Ok(()),
    }
}

fn work(
    options: &LoadNodeOptions,
    number: usize,
    client: &Client,
    until: Instant,
    acks: &AckFile,
) -> Result<Tally, LoadNodeError> {
    let mut tally = Tally::default();
    let mut n = 0;
    let run = getrandom::u32().map_err(|error| LoadNodeError::Broken(error.to_string()))?;
    let mut revocable: Option<Cid> = None;
    let mut due = Instant::now();
    while options.stop.goes_on(until) {
        n += 1;
        let began = match options.pace {
            Some(pace) => {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let began = due;
                due += pace;
                began
            }
            None => Instant::now(),
        };
        let done = once(options, number, client, (run, n), &mut revocable);
        match done {
            Ok((200, kind, ack)) => {
                tally
                    .took_us
                    .push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
                if let Some(ack) = ack {
                    acks.write(&ack)?;
                }
                *tally.kinds.entry(kind).or_default() += 1;
            }
            Ok((status, _, _)) => {
                *tally.errors.entry(format!("status_{status}")).or_default() += 1;
                std::thread::sleep(PAUSE);
            }
            Err(LoadNodeError::Http { .. }) if options.patient => {
                *tally.errors.entry("unreachable".to_owned()).or_default() += 1;
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(tally)
}

/// Reads everything back that a file of acknowledgements says.
///
/// # Errors
///
/// [`LoadNodeError`]. What is missing is no error but a finding.
pub fn read_back(options: &LoadNodeOptions, file: &Path) -> Result<NodeReadBack, LoadNodeError> {
    let mut by_client: BTreeMap<usize, Vec<Ack>> = BTreeMap::new();
    for ack in lines::<Ack>(file)? {
        by_client.entry(ack.client()).or_default().push(ack);
    }
    let mut found = NodeReadBack::default();
    for (number, acks) in by_client {
        let client = ready(options, number)?;
        let revoked: std::collections::BTreeSet<&str> = acks
            .iter()
            .filter_map(|ack| match ack {
                Ack::Revocation { cid, .. } => Some(cid.as_str()),
                _ => None,
            })
            .collect();
        for ack in &acks {
            let there = match ack {
                Ack::Value { key, value, .. } => {
                    let resource = client.resource(&format!("kv/{key}"));
                    client.invoke(&resource, "tinycloud.kv/get", "")? == (200, value.clone())
                }
                Ack::Row { id, .. } => {
                    let answer = sql(
                        &client,
                        &format!("SELECT count(*) FROM log WHERE id = '{id}'"),
                        "read",
                    )?;
                    answer.0 == 200 && answer.1.contains("[[1]]")
                }
                Ack::Delegation { cid, .. } | Ack::Revocation { cid, .. } => {
                    let (_, body) = client.status(&parsed(cid)?)?;
                    // a revocation that was made and not acknowledged is no loss
                    match ack {
                        Ack::Revocation { .. } => body.contains("\"revoked\":true"),
                        _ if revoked.contains(cid.as_str()) => true,
                        _ => body.contains("\"exists\":true"),
                    }
                }
            };
            found.add(ack.kind(), there, &format!("{ack:?}"));
        }
    }
    Ok(found)
}

fn parsed(cid: &str) -> Result<Cid, LoadNodeError> {
    Cid::parse(cid).map_err(|error| LoadNodeError::Broken(error.to_string()))
}
