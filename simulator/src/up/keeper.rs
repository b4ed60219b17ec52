//! Keeps one unit alive: processes that live and die together.

use std::future::poll_fn;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::logfile::LogFile;
use super::running::signal;
use crate::dir::{Dir, RootKind};
use crate::files::this_program;
use crate::kms::KmsStandIn;
use crate::process::{Process, ProcessOptions};

/// Before a dead process is started again: long enough to learn that everything is to stop, since
/// Ctrl-C reaches the processes and their supervisor at once.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause for a process that keeps ending by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so many ends by itself the pauses grow.
const PATIENCE: u32 = 5;
/// A process that lived this long was not a failed start.
const LIVED: Duration = Duration::from_secs(10);

/// What a keeper tells.
#[derive(Debug)]
pub(super) enum Told {
    /// A process runs.
    Started(Process, u32),
    /// A process is gone.
    Ended(Process, u32, ExitStatus),
    /// A process was stopped because another one of its unit is gone.
    Stopped(Process, u32),
    /// A process ends by itself again and again.
    Failing(Process),
    /// A process cannot be started at all.
    Unstartable(Process, String),
}

/// What a keeper needs.
#[derive(Clone)]
pub(super) struct Keeper {
    /// In the order of starting. When one ends, the others are ended, too.
    pub(super) unit: Vec<Process>,
    pub(super) dir: Dir,
    pub(super) options: Arc<ProcessOptions>,
    /// Start it again when it dies.
    pub(super) restart: bool,
    /// Repeat its log on standard error.
    pub(super) verbose: bool,
    /// How long it may take to stop.
    pub(super) patience: Duration,
    pub(super) tell: mpsc::UnboundedSender<Told>,
}

/// A process under way. Its input is held until it is to stop: the end of it is the sign.
struct Running {
    process: Process,
    pid: u32,
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Keeper {
    /// Keeps the unit alive until `stop` says so, then stops it.
    pub(super) async fn keep(self, mut stop: watch::Receiver<bool>) {
        let mut failures = 0;
        while !*stop.borrow_and_update() {
            let started = Instant::now();
            let Some(mut running) = self.start_all() else {
                return;
            };
            let (index, status) = tokio::select! {
                ended = first_end(&mut running) => ended,
                () = stopped(&mut stop) => return self.end_all(running).await,
            };
            if timeout(PAUSE, stopped(&mut stop)).await.is_ok() {
                return self.end_all(running).await;
            }
            if index < running.len() {
                let ended = running.remove(index);
                self.tell(Told::Ended(ended.process, ended.pid, status));
                for mut other in running {
                    let _ = other.child.kill().await;
                    self.tell(Told::Stopped(other.process, other.pid));
                }
                // Killed is killed; what ends by itself will probably do so again.
                if status.code().is_some() && started.elapsed() < LIVED {
                    failures += 1;
                } else {
                    failures = 0;
                }
                if self.restart && failures >= PATIENCE {
                    self.tell(Told::Failing(ended.process));
                    let pause = PAUSE * 2_u32.saturating_pow(failures - PATIENCE);
                    let _ = timeout(pause.min(LONGEST_PAUSE), stopped(&mut stop)).await;
                }
            }
            if !self.restart {
                return;
            }
        }
    }

    fn start_all(&self) -> Option<Vec<Running>> {
        let mut running = Vec::new();
        for process in &self.unit {
            match self.start(*process) {
                Ok(one) => {
                    self.tell(Told::Started(one.process, one.pid));
                    running.push(one);
                }
                Err(error) => {
                    self.tell(Told::Unstartable(*process, error.to_string()));
                    return None;
                }
            }
        }
        Some(running)
    }

    fn start(&self, process: Process) -> std::io::Result<Running> {
        let mut child = Command::new(this_program()?)
            .arg0("openkey-sim")
            .args(process.arguments(self.dir.path(), &self.options))
            .envs(self.credentials(process)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let log = LogFile::open(&self.dir.logs(), &process.name())?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(copy(stderr, log, self.verbose));
        }
        Ok(Running {
            process,
            pid: child.id().unwrap_or_default(),
            pipe: child.stdin.take(),
            child,
        })
    }

    /// The credentials with which the host calls the stand-in for AWS KMS, where AWS's tools look
    /// for them.
    fn credentials(&self, process: Process) -> std::io::Result<Vec<(&'static str, String)>> {
        let kept = self.dir.kept().map_err(std::io::Error::other)?;
        let kms = kept.is_some_and(|kept| kept.root == RootKind::Kms);
        if !kms || !process.is_host_proxy() {
            return Ok(Vec::new());
        }
        let kms = KmsStandIn::identity_in(&self.dir.kms()).map_err(std::io::Error::other)?;
        Ok(vec![
            ("AWS_ACCESS_KEY_ID", kms.credentials.access_key_id.clone()),
            (
                "AWS_SECRET_ACCESS_KEY",
                kms.credentials.secret_access_key.clone(),
            ),
            (
                "AWS_SESSION_TOKEN",
                kms.credentials.session_token.clone().unwrap_or_default(),
            ),
        ])
    }

    /// The last started first: what it depends on is there until it has ended.
    async fn end_all(&self, running: Vec<Running>) {
        for mut one in running.into_iter().rev() {
            drop(one.pipe.take());
            if is_foreign(&self.unit) {
                // It does not read its input. A machine has nothing to end in good order: what it
                // acknowledged is in the host's store.
                signal(one.pid, Signal::TERM);
            }
            if timeout(self.patience, one.child.wait()).await.is_err() {
                // It had its time.
                let _ = one.child.kill().await;
            }
        }
    }

    fn tell(&self, told: Told) {
        // Nobody listens any more when everything ends.
        let _ = self.tell.send(told);
    }
}

/// Whether a unit is a virtual machine, whose programs are not ours.
fn is_foreign(unit: &[Process]) -> bool {
    unit.iter()
        .any(|process| matches!(process, Process::Vsock(_)))
}

/// Which ends first, and how.
async fn first_end(running: &mut [Running]) -> (usize, ExitStatus) {
    let mut ends: Vec<_> = running
        .iter_mut()
        .map(|one| Box::pin(one.child.wait()))
        .collect();
    poll_fn(|context| {
        for (index, end) in ends.iter_mut().enumerate() {
            if let Poll::Ready(status) = end.as_mut().poll(context) {
                return Poll::Ready((index, status.unwrap_or_default()));
            }
        }
        Poll::Pending
    })
    .await
}

/// Ends when `stop` says so, or nobody can say it any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn copy(mut from: ChildStderr, mut log: LogFile, verbose: bool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        if let Err(error) = log.write(bytes) {
            eprintln!("a log cannot be written: {error}");
            // A full disk must not stop the process whose log this is.
            sleep(PAUSE).await;
        }
        if verbose {
            use std::io::Write;
            let _ = std::io::stderr().write_all(bytes);
        }
    }
}
