//! Workers as the node sees them: a process at the other end of a socket.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::wire::{self, BadFrame, LENGTHS, MAX_REPLY, Reply};

/// How long a worker may take until it is ready: the machine may be busy.
const START: Duration = Duration::from_secs(10);
/// How long a killed process may take to end before nobody waits for it any more.
const DEATH: Duration = Duration::from_secs(5);
/// How often it is looked whether killed processes have ended.
const LOOK: Duration = Duration::from_millis(1);
/// Bytes of an answer that are read at once.
const BUFFER: usize = 16 << 10;

/// The program that workers run: it calls [`serve`](super::serve).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerProgram {
    /// Where it is.
    pub path: PathBuf,
    /// What it is told.
    pub arguments: Vec<OsString>,
}

impl WorkerProgram {
    /// What `openkey-node` is told.
    pub const ARGUMENT: &str = "sql-worker";

    /// `openkey-node`, which is there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: vec![Self::ARGUMENT.into()],
        }
    }

    /// This program, also if its file was replaced meanwhile.
    #[must_use]
    pub fn own(argument: &str) -> Self {
        Self {
            path: "/proc/self/exe".into(),
            arguments: vec![argument.into()],
        }
    }

    fn command(&self, socket: OwnedFd) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(socket)
            .stdout(Stdio::null())
            // keys of a terminal are for the node
            .process_group(0);
        command
    }
}

/// The thread that starts and ends workers. They end with it, so it lives as long as they are needed.
#[derive(Clone, Debug)]
pub(super) struct Keeper(mpsc::Sender<Job>);

type Started = io::Result<(Child, StdStream)>;

enum Job {
    Start(WorkerProgram, oneshot::Sender<Started>),
    End(Child, Option<oneshot::Sender<()>>),
}

impl Keeper {
    pub(super) fn start() -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        let thread = std::thread::Builder::new().name("sql-workers".to_owned());
        thread.spawn(move || keep(&jobs))?;
        Ok(Self(sender))
    }
}

fn keep(jobs: &mpsc::Receiver<Job>) {
    let mut dying: VecDeque<(Child, Option<oneshot::Sender<()>>)> = VecDeque::new();
    loop {
        let job = if dying.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(LOOK)
        };
        match job {
            // nobody waits for what cannot be sent, and the process ends with its socket
            Ok(Job::Start(program, started)) => drop(started.send(start(&program))),
            Ok(Job::End(mut child, ended)) => {
                // it fails only for one that has ended
                let _ = child.kill();
                dying.push_back((child, ended));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        dying.retain_mut(|(child, ended)| {
            let lives = matches!(child.try_wait(), Ok(None));
            if !lives && let Some(ended) = ended.take() {
                let _ = ended.send(());
            }
            lives
        });
    }
}

fn start(program: &WorkerProgram) -> Started {
    // both ends are closed in any other program that is started
    let (own, other) = StdStream::pair()?;
    own.set_nonblocking(true)?;
    let child = program.command(OwnedFd::from(other)).spawn()?;
    Ok((child, own))
}

/// A worker. Dropped, it is killed.
pub(super) struct Process {
    child: Option<Child>,
    socket: BufReader<UnixStream>,
    keeper: Keeper,
}

impl Process {
    /// Starts one, and waits until it is ready.
    pub(super) async fn start(
        program: &WorkerProgram,
        settings: &[u8],
        keeper: &Keeper,
    ) -> io::Result<Self> {
        let gone = || io::Error::other("the thread that starts workers has ended");
        let (sender, started) = oneshot::channel();
        let job = Job::Start(program.clone(), sender);
        keeper.0.send(job).map_err(|_| gone())?;
        let (child, socket) = started.await.map_err(|_| gone())??;
        let mut process = Self {
            child: Some(child),
            socket: BufReader::with_capacity(BUFFER, UnixStream::from_std(socket)?),
            keeper: keeper.clone(),
        };
        let ready = async {
            process.send(settings).await?;
            process.receive(0).await
        };
        match timeout(START, ready).await {
            Ok(Ok((Reply::Ready, _))) => Ok(process),
            Ok(Err(error)) => Err(error),
            _ => Err(io::Error::other("it does not get ready")),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Memory that it shares with no other process and no file, in bytes, as far as the system says.
    pub(super) fn own_bytes(&self) -> u64 {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", self.pid()));
        let pages = pages.unwrap_or_default();
        let mut numbers = pages.split(' ').map(|it| it.parse::<u64>().unwrap_or(0));
        let (resident, shared) = (numbers.nth(1).unwrap_or(0), numbers.next().unwrap_or(0));
        resident.saturating_sub(shared) * rustix::param::page_size() as u64
    }

    /// Whether it has not ended by itself.
    pub(super) fn is_alive(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    pub(super) async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.socket.get_mut().write_all(frame).await
    }

    /// What it says next, with a body of so many bytes at the most. To be waited for until it is there, or
    /// never again.
    pub(super) async fn receive(&mut self, most_body: u64) -> io::Result<(Reply, Vec<u8>)> {
        let bad = |error: BadFrame| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut lengths = [0; LENGTHS];
        self.socket.read_exact(&mut lengths).await?;
        let (head, body) = wire::read_lengths(lengths, MAX_REPLY, most_body).map_err(bad)?;
        let mut reply = vec![0; head];
        self.socket.read_exact(&mut reply).await?;
        let mut bytes = vec![0; body];
        self.socket.read_exact(&mut bytes).await?;
        Ok((wire::read(&reply).map_err(bad)?, bytes))
    }

    /// Kills it. When this returns it does nothing any more, unless the system does not let it go (false).
    pub(super) async fn kill(&mut self) -> bool {
        let Some(child) = self.child.take() else {
            return true;
        };
        let (sender, ended) = oneshot::channel();
        let sent = self.keeper.0.send(Job::End(child, Some(sender)));
        sent.is_ok() && matches!(timeout(DEATH, ended).await, Ok(Ok(())))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // without the thread it has ended
            let _ = self.keeper.0.send(Job::End(child, None));
        }
    }
}
