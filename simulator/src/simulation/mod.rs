//! A running simulation for tests: the real program, its own processes, a directory of its own.
//!
//! ```no_run
//! use openkey_simulator::simulation::{Options, Simulation};
//!
//! let simulation = Simulation::start(Options::new("target/debug/openkey-sim")).unwrap();
//! let mut ada = simulation.person().unwrap();
//! ada.sign_up("Ada").unwrap();
//! let killed = simulation.kill("enclave").unwrap();
//! simulation.wait_for_another("enclave", killed).unwrap();
//! ada.sign_text("still here").unwrap();
//! ```

mod options;
mod provisioned;
mod template;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

pub use self::options::Options;
pub use self::template::copy;
use crate::dir::Dir;
use crate::operators::StaffError;
use crate::person::{Person, PersonError, Site};
use crate::up::Ready;
use crate::up::running::{self, Running, change_faults, signal};

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);

/// Why a simulation did not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The program cannot be started, or files cannot be used.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It ended before it answered.
    #[error("the simulation did not start ({status}):\n{stderr}")]
    Start {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// What it printed is not what it should print.
    #[error("the simulation printed {0:?}")]
    Output(String),
    /// There is no such process now.
    #[error("there is no process {0}")]
    NoProcess(String),
    /// Something took too long.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// A person cannot be made.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// An operator could not do what was asked.
    #[error(transparent)]
    Staff(#[from] StaffError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A running simulation. Dropping it stops everything.
#[derive(Debug)]
pub struct Simulation {
    supervisor: Child,
    stdout: BufReader<ChildStdout>,
    /// What it said about itself when everything answered.
    pub ready: Ready,
    dir: Dir,
    stderr: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Simulation {
    /// Starts the program and waits until everything answers.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Start`] with what it said.
    pub fn start(options: Options) -> Result<Self, SimulationError> {
        let (path, temporary) = match options.dir {
            Some(dir) => (dir, None),
            None => {
                let temporary = tempfile::tempdir()?;
                let path = temporary.path().join("sim");
                if let Some(template) = &options.template {
                    template::copy(template, &path)?;
                }
                (path, Some(temporary))
            }
        };
        let dir = Dir::create(&path).map_err(other)?;
        let stderr = dir.logs().join("up.log");
        let mut command = Command::new(&options.binary);
        // Its standard input ends with this process, however that ends.
        command.args(["up", "--json", "--until-eof", "--dir"]);
        command.arg(dir.path());
        if !options.arguments.iter().any(|it| it.starts_with("--port")) {
            command.arg("--port=0");
        }
        if !options
            .arguments
            .iter()
            .any(|it| it.starts_with("--rate-limit"))
        {
            command.arg("--rate-limit=off");
        }
        if !options.arguments.iter().any(|it| it.starts_with("--node")) {
            command.arg("--no-node");
        }
        let mut supervisor = command
            .args(&options.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr)?)
            .spawn()?;
        let stdout = supervisor.stdout.take();
        let mut stdout = BufReader::new(stdout.ok_or_else(|| other("no standard output"))?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        if line.is_empty() {
            return Err(SimulationError::Start {
                status: supervisor.wait()?,
                stderr: std::fs::read_to_string(&stderr)?,
            });
        }
        let ready = serde_json::from_str(&line).map_err(|_| SimulationError::Output(line));
        let ready = ready.inspect_err(|_| signal(supervisor.id(), Signal::KILL))?;
        Ok(Self {
            supervisor,
            stdout,
            ready,
            dir,
            stderr,
            _temporary: temporary,
        })
    }

    /// Its directory.
    #[must_use]
    pub const fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The page's URL, which is its origin.
    #[must_use]
    pub fn page(&self) -> &str {
        &self.ready.page
    }

    /// The API of the enclave.
    #[must_use]
    pub fn enclave_api(&self) -> &str {
        self.ready.enclaves.first().map_or("", |it| it.api.as_str())
    }

    /// The policy file.
    #[must_use]
    pub fn policy(&self) -> &Path {
        &self.ready.policy
    }

    /// A client that checks everything, to be shared by people.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Person`].
    pub fn site(&self) -> Result<Arc<Site>, SimulationError> {
        let policy = std::fs::read(self.policy())?;
        Ok(Site::new(self.enclave_api(), self.page(), &policy)?)
    }

    /// Somebody new.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Person`].
    pub fn person(&self) -> Result<Person, SimulationError> {
        Ok(Person::new(self.site()?))
    }

    /// The process that looks after the others.
    #[must_use]
    pub fn supervisor(&self) -> u32 {
        self.supervisor.id()
    }

    /// The process of this name (`enclave`, `enclave-2`, `vsock`, `host-proxy`) right now.
    ///
    /// # Errors
    ///
    /// [`SimulationError::NoProcess`] between an end and the next start.
    pub fn pid(&self, name: &str) -> Result<u32, SimulationError> {
        let (_, running) = Running::find(self.dir.path()).map_err(other)?;
        running
            .pid(name)
            .ok_or_else(|| SimulationError::NoProcess(name.to_owned()))
    }

    /// Kills a process (SIGKILL). Returns which.
    ///
    /// # Errors
    ///
    /// [`SimulationError::NoProcess`].
    pub fn kill(&self, name: &str) -> Result<u32, SimulationError> {
        self.send(name, Signal::KILL)
    }

    /// Stops a process in its tracks (SIGSTOP), as a hung one.
    ///
    /// # Errors
    ///
    /// [`SimulationError::NoProcess`].
    pub fn freeze(&self, name: &str) -> Result<u32, SimulationError> {
        self.send(name, Signal::STOP)
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    ///
    /// [`SimulationError::NoProcess`].
    pub fn thaw(&self, name: &str) -> Result<u32, SimulationError> {
        self.send(name, Signal::CONT)
    }

    fn send(&self, name: &str, what: Signal) -> Result<u32, SimulationError> {
        let pid = self.pid(name)?;
        signal(pid, what);
        Ok(pid)
    }

    /// Waits until a process of this name runs that is not `before`, and everything answers.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Timeout`].
    pub fn wait_for_another(&self, name: &str, before: u32) -> Result<u32, SimulationError> {
        let pid = wait("another process", || {
            self.pid(name).ok().filter(|pid| *pid != before)
        })?;
        self.wait_until_it_answers()?;
        Ok(pid)
    }

    /// Waits until everything answers.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Timeout`].
    pub fn wait_until_it_answers(&self) -> Result<(), SimulationError> {
        wait("an answer", || {
            let (dir, mut running) = Running::find(self.dir.path()).ok()?;
            running::ask(&dir, &mut running.ready).ok()
        })
    }

    /// Sets a fault, such as `store-older=0.1`; every process has noticed when this returns.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Other`] for a fault that is none.
    pub fn set_fault(&self, fault: &str) -> Result<(), SimulationError> {
        self.change(|faults| Ok(faults.set_text(fault)?))
    }

    /// Clears every fault; every process has noticed when this returns.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn clear_faults(&self) -> Result<(), SimulationError> {
        self.change(|faults| {
            *faults = crate::fault::Faults::seeded(faults.seed);
            Ok(())
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut crate::fault::Faults) -> anyhow::Result<()>,
    ) -> Result<(), SimulationError> {
        change_faults(&self.dir, change).map_err(other)?;
        std::thread::sleep(crate::fault::NOTICED_WITHIN);
        Ok(())
    }

    /// The log of a process so far.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn log(&self, name: &str) -> Result<String, SimulationError> {
        Ok(std::fs::read_to_string(
            self.dir.logs().join(format!("{name}.log")),
        )?)
    }

    /// What the supervisor has said on standard error.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn said(&self) -> Result<String, SimulationError> {
        Ok(std::fs::read_to_string(&self.stderr)?)
    }

    /// Sends the supervisor a signal and waits for its end: how it ended, and what else it had printed
    /// on standard output.
    ///
    /// # Errors
    ///
    /// If it does not end.
    pub fn end(&mut self, what: Signal) -> Result<(ExitStatus, String), SimulationError> {
        signal(self.supervisor.id(), what);
        let status = self.wait_for_end()?;
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest)?;
        Ok((status, rest))
    }

    fn wait_for_end(&mut self) -> Result<ExitStatus, SimulationError> {
        wait("the end", || self.supervisor.try_wait().transpose())?.map_err(Into::into)
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if matches!(self.supervisor.try_wait(), Ok(Some(_))) {
            return;
        }
        signal(self.supervisor.id(), Signal::TERM);
        if self.wait_for_end().is_err() {
            // Its processes end with it: their pipes do.
            let _ = self.supervisor.kill();
            let _ = self.supervisor.wait();
        }
    }
}

fn wait<T>(what: &'static str, mut done: impl FnMut() -> Option<T>) -> Result<T, SimulationError> {
    let began = Instant::now();
    loop {
        if let Some(value) = done() {
            return Ok(value);
        }
        if began.elapsed() > PATIENCE {
            return Err(SimulationError::Timeout(what));
        }
        std::thread::sleep(PAUSE);
    }
}

fn other(error: impl std::fmt::Display) -> SimulationError {
    SimulationError::Other(error.to_string())
}
