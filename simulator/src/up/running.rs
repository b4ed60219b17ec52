//! Who is running in a directory: for `status`, `down` and tests.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{Ready, probe};
use crate::dir::{Dir, DirError};
use crate::files;

/// How long `down` waits: the simulation itself gives up on its processes after two seconds.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// `run/state.json`: a simulation under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The process that looks after the others.
    pub supervisor: u32,
    /// Whether everything has answered.
    pub answers: bool,
    /// Whether dead processes are started again.
    pub restart: bool,
    /// What it says about itself, with the processes of this moment.
    pub ready: Ready,
}

impl Running {
    pub(super) fn new(ready: Ready, restart: bool) -> Self {
        Self {
            supervisor: std::process::id(),
            answers: false,
            restart,
            ready,
        }
    }

    pub(super) fn save(&self, dir: &Dir) -> Result<(), DirError> {
        dir.write_json(&dir.state(), self)
    }

    pub(super) fn forget(dir: &Dir) {
        // A file that stays behind says nothing: whoever reads it looks at the lock, too.
        let _ = std::fs::remove_file(dir.state());
    }

    /// The simulation that runs in a directory.
    ///
    /// # Errors
    ///
    /// [`DirError::NotRunning`] if none does.
    pub fn find(dir: &Path) -> Result<(Dir, Self), DirError> {
        let none = || DirError::NotRunning(dir.to_owned());
        let opened = Dir::open(dir).map_err(|_| none())?;
        if !opened.is_locked() {
            return Err(none());
        }
        // Replaced whole at every change; absent only while a simulation begins or ends.
        let state = std::fs::read(opened.state()).map_err(|_| none())?;
        let running = serde_json::from_slice(&state).map_err(|e| DirError::Content {
            path: opened.state(),
            reason: e.to_string(),
        })?;
        Ok((opened, running))
    }

    /// The process of this name right now.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        let found = self.ready.processes.iter().find(|it| it.name == name);
        found.map(|process| process.pid)
    }
}

/// Asks every enclave of the simulation in a directory, and notes where its root key came from.
///
/// # Errors
///
/// Why one does not answer, or still waits for its root key.
pub fn ask(dir: &Dir, ready: &mut Ready) -> anyhow::Result<()> {
    probe::serves(&dir.policy(), ready)
}

/// Stops the simulation in a directory and waits until it is gone.
///
/// # Errors
///
/// [`DirError::NotRunning`] if there is none, [`DirError::InUse`] if it does not end.
pub fn down(path: &Path) -> Result<(), DirError> {
    let (dir, running) = Running::find(path)?;
    signal(running.supervisor, Signal::TERM);
    let began = Instant::now();
    while dir.is_locked() {
        if began.elapsed() > PATIENCE {
            return Err(DirError::InUse(dir.path().to_owned()));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Sends a signal; one to a process that is gone already is lost.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// Sets or clears faults of a directory, running or not: they are forgotten at the next start.
///
/// # Errors
///
/// What `change` says, or that the file cannot be used.
pub fn change_faults(
    dir: &Dir,
    change: impl FnOnce(&mut crate::fault::Faults) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let path = dir.faults();
    // Two commands at once must not undo each other.
    let lock = path.with_extension("lock");
    let _held = files::lock_and_wait(&lock)?;
    let mut faults = crate::fault::Faults::read(&path)?;
    change(&mut faults)?;
    faults.write(&path)?;
    Ok(())
}
