//! Keeps one process alive.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::logfile::LogFile;
use crate::dir::Dir;
use crate::files::this_program;
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
    /// A process ends by itself again and again.
    Failing(Process),
    /// A process cannot be started at all.
    Unstartable(Process, String),
}

/// What a keeper needs.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) process: Process,
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

impl Keeper {
    /// Keeps the process alive until `stop` says so, then stops it.
    pub(super) async fn keep(self, mut stop: watch::Receiver<bool>) {
        let mut failures = 0;
        while !*stop.borrow_and_update() {
            let started = Instant::now();
            let mut child = match self.start() {
                Ok(child) => child,
                Err(error) => {
                    self.tell(Told::Unstartable(self.process, error.to_string()));
                    return;
                }
            };
            let pid = child.id().unwrap_or_default();
            self.tell(Told::Started(self.process, pid));
            // Held until the process is to stop: its end is the sign.
            let pipe = child.stdin.take();
            let status = tokio::select! {
                status = child.wait() => status,
                () = stopped(&mut stop) => {
                    drop(pipe);
                    return self.end(child).await;
                }
            };
            if timeout(PAUSE, stopped(&mut stop)).await.is_ok() {
                return;
            }
            let status = status.unwrap_or_default();
            self.tell(Told::Ended(self.process, pid, status));
            if !self.restart {
                return;
            }
            // Killed is killed; what ends by itself will probably do so again.
            if status.code().is_some() && started.elapsed() < LIVED {
                failures += 1;
            } else {
                failures = 0;
            }
            if failures >= PATIENCE {
                self.tell(Told::Failing(self.process));
                let pause = PAUSE * 2_u32.saturating_pow(failures - PATIENCE);
                let _ = timeout(pause.min(LONGEST_PAUSE), stopped(&mut stop)).await;
            }
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut child = Command::new(this_program()?)
            .arg0("openkey-sim")
            .args(self.process.arguments(self.dir.path(), &self.options))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let log = LogFile::open(&self.dir.logs(), self.process.name())?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(copy(stderr, log, self.verbose));
        }
        Ok(child)
    }

    async fn end(&self, mut child: Child) {
        if timeout(self.patience, child.wait()).await.is_err() {
            // It had its time.
            let _ = child.kill().await;
        }
    }

    fn tell(&self, told: Told) {
        // Nobody listens any more when everything ends.
        let _ = self.tell.send(told);
    }
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
