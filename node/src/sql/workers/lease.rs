//! One request, at a worker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Pool;
use super::process::Process;
use super::wire::{Kind, Outcome, Reply, most_body};
use crate::sql::SqlError;

/// How much longer than its time a request may take before its worker is killed: what SQLite interrupts
/// ends by itself.
const GRACE: Duration = Duration::from_millis(500);
/// How long an export may take: as long as reading and writing the largest database on a slow disk.
const EXPORT: Duration = Duration::from_secs(60);
/// How long what a request wrote may take to become durable.
const COMMIT: Duration = Duration::from_secs(30);
/// How often a worker may say how far it is: one that waits, goes on and ends, twice where memory was
/// short.
const STAGES: u32 = 6;

/// What became of a request.
pub(super) type Called = Result<(Outcome, Vec<u8>), SqlError>;

/// The use of a worker, given back when dropped.
pub(super) struct Lease {
    pool: Arc<Pool>,
    slot: usize,
    process: Option<Process>,
    /// Others wait who have used less.
    stop: Arc<Notify>,
    /// Time of a processor that was used, in microseconds; unknown: all of the time.
    micros: Option<u64>,
}

/// How far a request is.
#[derive(Default)]
struct Progress {
    stages: u32,
    waits: bool,
    commits: bool,
}

/// Why a worker is killed.
enum Why {
    /// The request has had its time.
    Time,
    /// It cannot be understood, or is gone.
    Broken(io::Error),
}

impl Lease {
    pub(super) const fn new(
        pool: Arc<Pool>,
        slot: usize,
        process: Option<Process>,
        stop: Arc<Notify>,
    ) -> Self {
        Self {
            pool,
            slot,
            process,
            stop,
            micros: None,
        }
    }

    /// Has it done.
    pub(super) async fn call(mut self, kind: Kind, frame: &[u8]) -> Called {
        let mut kept = self.process.take();
        let mut process = match kept.take_if(Process::is_alive) {
            Some(process) => process,
            None => self.start().await?,
        };
        drop(kept);
        let mut progress = Progress::default();
        let why = match self
            .exchange(&mut process, kind, frame, &mut progress)
            .await
        {
            Ok((outcome, body)) => {
                self.process = Some(process);
                return match outcome {
                    Outcome::Failed(error) => Err(error),
                    outcome => Ok((outcome, body)),
                };
            }
            Err(why) => why,
        };
        self.end(process, why, progress).await
    }

    async fn start(&self) -> Result<Process, SqlError> {
        let pool = &self.pool;
        let started = Process::start(&pool.program, &pool.settings, &pool.keeper).await;
        started.map_err(|error| {
            let path = pool.program.path.display();
            SqlError::Internal(format!("the worker {path} does not start: {error}"))
        })
    }

    async fn exchange(
        &mut self,
        process: &mut Process,
        kind: Kind,
        frame: &[u8],
        progress: &mut Progress,
    ) -> Result<(Outcome, Vec<u8>), Why> {
        let most = most_body(&self.pool.limits);
        let own = match kind {
            Kind::Export => EXPORT,
            Kind::Read | Kind::Write => self.pool.limits.time + GRACE,
        };
        let mut end = Instant::now() + own;
        tokio::select! {
            sent = process.send(frame) => sent.map_err(Why::Broken)?,
            () = sleep_until(end) => return Err(Why::Time),
        }
        loop {
            let reply = tokio::select! {
                biased;
                reply = process.receive(most) => reply.map_err(Why::Broken)?,
                () = sleep_until(end) => return Err(Why::Time),
                // what becomes durable must not be left in doubt
                () = self.stop.notified(), if !progress.commits => return Err(Why::Time),
            };
            match reply {
                (Reply::Done { outcome, micros }, body) => {
                    self.micros = Some(micros);
                    return Ok((outcome, body));
                }
                (stage, body) if body.is_empty() && kind == Kind::Write => {
                    // it gives up by itself
                    let wait = self.pool.limits.wait + GRACE;
                    let more = progress.on(&stage, own, wait).ok_or_else(nonsense)?;
                    end = Instant::now() + more;
                }
                _ => return Err(nonsense()),
            }
        }
    }

    /// Ends a worker that is of no use any more.
    async fn end(&mut self, mut process: Process, why: Why, mut progress: Progress) -> Called {
        let pid = process.pid();
        let is_gone = process.kill().await;
        let error = match why {
            Why::Broken(error) => {
                tracing::error!(pid, %error, "a worker of databases ended or made no sense");
                return Err(SqlError::Internal(format!("its worker: {error}")));
            }
            Why::Time => {
                tracing::warn!(
                    pid,
                    "a statement did not end in time: its worker was killed"
                );
                SqlError::Time
            }
        };
        // what it said before it died counts
        let most = most_body(&self.pool.limits);
        while is_gone && let Ok((reply, body)) = process.receive(most).await {
            match reply {
                Reply::Done { outcome, .. } => {
                    return match outcome {
                        Outcome::Failed(error) => Err(error),
                        outcome => Ok((outcome, body)),
                    };
                }
                stage => drop(progress.on(&stage, GRACE, GRACE)),
            }
        }
        if progress.commits || !is_gone {
            let what = "its worker was killed while it wrote: whether it did is not known";
            return Err(SqlError::Internal(what.to_owned()));
        }
        Err(if progress.waits {
            SqlError::Busy
        } else {
            error
        })
    }
}

fn nonsense() -> Why {
    Why::Broken(io::Error::new(
        io::ErrorKind::InvalidData,
        "an answer that was not asked for",
    ))
}

impl Progress {
    /// It has come so far. Answers how long it may take from now on, if its statements may take `own` and it
    /// may wait for `wait`. `None`: that makes no sense.
    fn on(&mut self, stage: &Reply, own: Duration, wait: Duration) -> Option<Duration> {
        self.stages += 1;
        if self.stages > STAGES {
            return None;
        }
        self.waits = matches!(stage, Reply::Waits);
        Some(match stage {
            Reply::Waits => wait,
            Reply::Begins => own,
            Reply::Commits => {
                self.commits = true;
                COMMIT
            }
            Reply::Ready | Reply::Done { .. } => return None,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (process, micros) = (self.process.take(), self.micros);
        self.pool.done(self.slot, process, micros);
    }
}
