//! Where a simulation keeps its state.
//!
//! ```text
//! DIR/                 0700; `.openkey` in the working directory unless `--dir` says otherwise
//!   lock               held while a simulation runs
//!   config.json        port and relying party: measured configuration, kept from the first start; and how
//!                      many enclaves there are, and whether anybody plays the operators
//!   ca/                0700; the simulated CA with its keys
//!   configuration.json the measured configuration, as host-proxy hands it to enclaves
//!   root-key           0600; the development root key
//!   store/             host-proxy's database of sealed records; store-2/, …: what the further
//!                      enclaves are shown with --fork-store
//!   node/              0700; what the TinyCloud node keeps, and its secret
//!   anchor.json        the page's anchor: whose releases it believes, under the simulated root
//!   releases.json      the signed releases that host-proxy publishes
//!   policy.json        accepts exactly these enclaves; carries the simulated root
//!   root.pem           the simulated root certificate
//!   manifest.json      the release manifest of the image that runs, signed by the maintainers whom the
//!                      simulator plays; release-keys.json: who they are; release-policy.json: accepts
//!                      what they release
//!   draft.json         the draft of a release of what runs, for `openkey release prepare`
//!   page.json          SHA-256 of every file of the page, for `openkey-verify page`
//!   operators/         0700; keys of the operators and maintainers whom the simulator plays
//!   kms/               0700; the key of the stand-in for AWS KMS
//!   genesis/           what the genesis published: transcript, evidence, descriptor, wrapped key
//!   images/            copies of the images that ran here
//!   machines/          0700; each virtual machine's description and the key of its NSM
//!   faults.json        faults set right now
//!   run/               sockets, and who is running
//!   logs/              one log for each process
//! ```
//!
//! The default lies in the working directory, not in a home directory: a simulation belongs to the
//! checkout it was started from (its measurements are those of that build), two checkouts do not
//! share one, and deleting the directory forgets everything.
//!
//! * this module: whose a directory is;
//! * `fresh`: what a start makes, and takes away again if it fails;
//! * `layout`: where in it everything lies;
//! * `content`: what is read from it and written to it.

mod content;
mod fresh;
mod layout;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::fresh::Fresh;
use crate::files;
pub use crate::kept::{Kept, KeptImage, RootKind};

/// The directory unless told otherwise.
pub const DEFAULT_DIR: &str = ".openkey";
/// The port of a new simulation unless told otherwise.
pub const FIRST_PORT: u16 = 7100;
/// The port of a new simulation's node: where clients look for one on this machine.
pub const FIRST_NODE_PORT: u16 = 8000;

/// Longest path of a directory, in bytes. A socket's path ends at 107 bytes, and this is the longest
/// in it (they are made as `run/.PID-NN/s`, which is shorter).
const MAX_PATH: usize = 107 - "/run/e99-services.sock".len();

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirError {
    /// Another simulation runs there.
    #[error(
        "a simulation is running in {0} already: stop it (openkey-sim down --dir {0}), or choose another --dir"
    )]
    InUse(PathBuf),
    /// No simulation runs there.
    #[error("no simulation is running in {0}: start one (openkey-sim up --dir {0})")]
    NotRunning(PathBuf),
    /// The path does not leave room for sockets.
    #[error(
        "the path {0} is too long for the sockets in it: choose a --dir of at most {MAX_PATH} bytes"
    )]
    TooLong(PathBuf),
    /// There is something else than a directory.
    #[error("{0} is not a directory: choose another --dir")]
    NotADirectory(PathBuf),
    /// A directory with files that are no simulation's.
    #[error(
        "{path} is not empty and holds no simulation (there is {found}): choose an empty directory, or \
         one that does not exist yet, as --dir"
    )]
    Foreign {
        /// The directory's path.
        path: PathBuf,
        /// The name of something in it that no simulation makes.
        found: String,
    },
    /// A file cannot be used.
    #[error("{path}: {error}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// The file's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A simulation's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir(PathBuf);

/// The directory is this process's until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Dir {
    /// Makes a directory if there is none, private to its owner, and what lies in it. The mode of a
    /// directory that is there stays as it is: what is secret in it has modes of its own.
    ///
    /// # Errors
    ///
    /// [`DirError::NotADirectory`], [`DirError::Foreign`], [`DirError::TooLong`] or
    /// [`DirError::File`].
    pub fn create(path: &Path) -> Result<Self, DirError> {
        Ok(Fresh::make(path)?.0)
    }

    /// Makes what lies in a directory that is there.
    fn furnish(path: &Path) -> Result<Self, DirError> {
        let dir = Self::open(path)?;
        for inner in [dir.run(), dir.logs(), dir.store(), dir.machines()] {
            files::private_dir(&inner).map_err(|error| at(&inner, error))?;
        }
        Ok(dir)
    }

    /// A directory that is there.
    ///
    /// # Errors
    ///
    /// [`DirError::NotADirectory`], [`DirError::TooLong`] or [`DirError::File`].
    pub fn open(path: &Path) -> Result<Self, DirError> {
        let path = std::fs::canonicalize(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => DirError::NotADirectory(path.to_owned()),
            _ => at(path, error),
        })?;
        if !path.is_dir() {
            return Err(DirError::NotADirectory(path));
        }
        if path.as_os_str().len() > MAX_PATH {
            return Err(DirError::TooLong(path));
        }
        Ok(Self(path))
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    ///
    /// [`DirError::InUse`] if another one has it.
    pub fn lock(&self) -> Result<Lock, DirError> {
        /// Whoever only looks whether a simulation runs holds the lock for a moment.
        const LOOKS: u32 = 5;
        const PAUSE: Duration = Duration::from_millis(20);
        let path = self.0.join("lock");
        for _ in 0..LOOKS {
            if let Some(lock) = files::try_lock(&path).map_err(|error| at(&path, error))? {
                return Ok(Lock(lock));
            }
            std::thread::sleep(PAUSE);
        }
        Err(DirError::InUse(self.0.clone()))
    }

    /// Whether a simulation runs here.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(files::try_lock(&self.0.join("lock")), Ok(None))
    }

    /// The directory itself, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

pub(crate) fn at(path: &Path, error: io::Error) -> DirError {
    DirError::File {
        path: path.to_owned(),
        error,
    }
}
