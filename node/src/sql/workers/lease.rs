//! One request, at a worker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Pool;
use super::process::Process;
use super::wire::{self, Kind, Outcome, Reply, most_body, together};
use crate::sql::{SqlError, Stands};

/// How much longer than its time a request may take before its worker is killed: what SQLite interrupts
/// ends by itself.
const GRACE: Duration = Duration::from_millis(500);
/// How long an export may take: as long as reading and writing the largest database on a slow disk.
const EXPORT: Duration = Duration::from_secs(60);
/// How long what a request wrote may take to become durable.
const COMMIT: Duration = Duration::from_secs(30);
/// How often a worker may say how far it is: one that waits, goes on and ends, twice where memory was
/// short.
const STAGES: usize = 8;

/// What a request rests on, if that can be taken back.
pub(super) type Rests = Option<Arc<dyn Stands>>;

/// What became of a request.
pub(super) type Called = Result<(Outcome, Vec<u8>), SqlError>;

/// What became of one of several requests that were to be done together.
pub(super) enum Became {
    Done(Called),
    /// Nothing: it is to be done later, by itself or together with others.
    Again {
        alone: bool,
    },
}

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
    /// Of several, how many have begun.
    begun: u32,
    waits: bool,
    commits: bool,
}

/// Why a worker is killed.
enum Why {
    /// The request has had its time.
    Time,
    /// Others wait who have used less.
    Others,
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

    /// Told when it has to end.
    pub(super) const fn stop(&self) -> &Arc<Notify> {
        &self.stop
    }

    /// Has it done, if what it rests on still stands then.
    pub(super) async fn call(mut self, kind: Kind, frame: &[u8], rests: &[Rests]) -> Called {
        let mut process = self.ready().await?;
        let (mut progress, mut done) = (Progress::default(), Vec::new());
        let call = (kind, frame, rests);
        let exchanged = self.exchange(&mut process, call, 1, &mut progress, &mut done);
        if let Err(why) = exchanged.await {
            let error = self.end(process, why, &mut progress, &mut done, 1).await;
            return done.pop().map_or(Err(error), called);
        }
        self.process = Some(process);
        done.pop().map_or_else(|| Err(SqlError::Busy), called)
    }

    /// Has several requests done that write one database.
    pub(super) async fn call_together(mut self, frames: &[&[u8]], rests: &[Rests]) -> Vec<Became> {
        let failed = |error: SqlError| {
            let each = frames.iter().map(|_| Became::Done(Err(error.clone())));
            each.collect::<Vec<_>>()
        };
        let frame = match together(frames) {
            Ok(frame) => frame,
            Err(error) => return failed(SqlError::Internal(error.to_string())),
        };
        let mut process = match self.ready().await {
            Ok(process) => process,
            Err(error) => return failed(error),
        };
        let count = frames.len();
        let (mut progress, mut done) = (Progress::default(), Vec::with_capacity(count));
        let exchanged = self.exchange(
            &mut process,
            (Kind::Write, &frame, rests),
            count,
            &mut progress,
            &mut done,
        );
        let Err(why) = exchanged.await else {
            self.process = Some(process);
            return done;
        };
        let error = self
            .end(process, why, &mut progress, &mut done, count)
            .await;
        // none of it is left, unless that is not known: only the one that was begun last has had its time, or has
        // ended its worker
        let begun = progress.begun as usize;
        for at in done.len()..count {
            let is_other = !progress.commits && begun > 0 && at + 1 != begun;
            done.push(match &error {
                SqlError::Unknown(_) => Became::Done(Err(error.clone())),
                SqlError::Internal(_) if is_other => Became::Again { alone: true },
                _ if is_other => Became::Again { alone: false },
                error => Became::Done(Err(error.clone())),
            });
        }
        done
    }

    /// A worker that lives.
    async fn ready(&mut self) -> Result<Process, SqlError> {
        let mut kept = self.process.take();
        match kept.take_if(Process::is_alive) {
            Some(process) => Ok(process),
            None => self.start().await,
        }
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
        (kind, frame, rests): (Kind, &[u8], &[Rests]),
        count: usize,
        progress: &mut Progress,
        done: &mut Vec<Became>,
    ) -> Result<(), Why> {
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
                () = self.stop.notified(), if !progress.commits => return Err(Why::Others),
            };
            match reply {
                (Reply::Done { outcome, micros }, body) => {
                    let all = self.micros.unwrap_or_default().saturating_add(micros);
                    self.micros = Some(all);
                    done.push(became(outcome, body));
                    if done.len() == count {
                        return Ok(());
                    }
                    // the others are on their way
                    progress.commits = true;
                    end = Instant::now() + COMMIT;
                }
                (stage, body) if body.is_empty() && kind == Kind::Write => {
                    // it gives up by itself
                    let wait = self.pool.limits.wait + GRACE;
                    let more = progress.on(&stage, own, wait, count).ok_or_else(nonsense)?;
                    if matches!(stage, Reply::Asks) {
                        let stand = stand(rests, count, self.pool.limits.wait).await;
                        // from here on it is not known whether it was done
                        progress.commits = stand.contains(&true);
                        let word = wire::stand(&stand).map_err(|error| broken(&error))?;
                        process.send(&word).await.map_err(Why::Broken)?;
                    }
                    end = Instant::now() + more;
                }
                _ => return Err(nonsense()),
            }
        }
    }

    /// Ends a worker that is of no use any more. What it said before it died counts; the error is that of all
    /// others.
    async fn end(
        &mut self,
        mut process: Process,
        why: Why,
        progress: &mut Progress,
        done: &mut Vec<Became>,
        count: usize,
    ) -> SqlError {
        let pid = process.pid();
        let is_gone = process.kill().await;
        let error = match why {
            Why::Broken(error) => {
                tracing::error!(pid, %error, "a worker of databases ended or made no sense");
                SqlError::Internal(format!("its worker: {error}"))
            }
            Why::Time => {
                tracing::warn!(
                    pid,
                    "a statement did not end in time: its worker was killed"
                );
                SqlError::Time
            }
            Why::Others => SqlError::Preempted,
        };
        let most = most_body(&self.pool.limits);
        while is_gone
            && !matches!(error, SqlError::Internal(_))
            && done.len() < count
            && let Ok((reply, body)) = process.receive(most).await
        {
            match reply {
                Reply::Done { outcome, .. } => done.push(became(outcome, body)),
                stage => drop(progress.on(&stage, GRACE, GRACE, count)),
            }
        }
        if progress.commits || !is_gone {
            let what = "its worker was killed while it wrote: whether it did is not known";
            return match error {
                SqlError::Internal(why) => SqlError::Unknown(format!("{what} ({why})")),
                _ => SqlError::Unknown(what.to_owned()),
            };
        }
        if progress.waits && !matches!(error, SqlError::Internal(_)) {
            SqlError::Busy
        } else {
            error
        }
    }
}

fn became(outcome: Outcome, body: Vec<u8>) -> Became {
    match outcome {
        Outcome::Again { alone } => Became::Again { alone },
        Outcome::Failed(error) => Became::Done(Err(error)),
        outcome => Became::Done(Ok((outcome, body))),
    }
}

fn called(became: Became) -> Called {
    match became {
        Became::Done(called) => called,
        Became::Again { .. } => Err(SqlError::Busy),
    }
}

fn nonsense() -> Why {
    broken(&"an answer that was not asked for")
}

fn broken(what: &dyn core::fmt::Display) -> Why {
    let what = what.to_string();
    Why::Broken(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// Of each whether what it rests on still stands; what is not known after so long does not.
async fn stand(rests: &[Rests], count: usize, wait: Duration) -> Vec<bool> {
    let end = Instant::now() + wait;
    let mut stand: Vec<bool> = Vec::with_capacity(count);
    for at in 0..count {
        let Some(Some(rest)) = rests.get(at) else {
            stand.push(true);
            continue;
        };
        // what rests on the same is asked once, unless each is to learn why not
        let same = rests.iter().take(at).position(|other| {
            let other = other.as_ref();
            other.is_some_and(|other| other.statements() == rest.statements())
        });
        let is_known = same.and_then(|same| stand.get(same)) == Some(&true);
        stand.push(is_known || timeout_at(end, rest.stands()).await.unwrap_or(false));
    }
    stand
}

impl Progress {
    /// It has come so far. Answers how long it may take from now on, if its statements may take `own` and it
    /// may wait for `wait`; so many are done. `None`: that makes no sense.
    fn on(
        &mut self,
        stage: &Reply,
        own: Duration,
        wait: Duration,
        count: usize,
    ) -> Option<Duration> {
        self.stages += 1;
        if self.stages as usize > STAGES + count {
            return None;
        }
        self.waits = matches!(stage, Reply::Waits);
        Some(match stage {
            Reply::Waits => wait,
            Reply::Begins => own,
            Reply::Next => {
                self.begun += 1;
                own
            }
            Reply::Commits => {
                self.commits = true;
                COMMIT
            }
            Reply::Asks => COMMIT,
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
