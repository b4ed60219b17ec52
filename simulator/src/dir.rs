//! Where a simulation keeps its state.
//!
//! ```text
//! DIR/                 0700; `.openkey` in the working directory unless `--dir` says otherwise
//!   lock               held while a simulation runs
//!   config.json        port and relying party: measured configuration, kept from the first start
//!   ca/                0700; the simulated CA with its keys
//!   configuration.json the measured configuration, as host-proxy hands it to enclaves
//!   root-key           0600; the development root key
//!   store/             host-proxy's database of sealed records
//!   node/              0700; what the TinyCloud node keeps, and its secret
//!   policy.json        accepts exactly these enclaves; carries the simulated root
//!   root.pem           the simulated root certificate
//!   manifest.json      the release manifest of the image that runs, signed by the maintainers whom the
//!                      simulator plays; release-keys.json: who they are; release-policy.json: accepts
//!                      what they release
//!   release.json       SHA-256 of every file of the page, for `openkey-verify page`
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

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

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
    /// A file cannot be used.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// Which.
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
    /// Makes a directory if there is none, private to its owner, and what lies in it.
    ///
    /// # Errors
    ///
    /// [`DirError::TooLong`] or [`DirError::File`].
    pub fn create(path: &Path) -> Result<Self, DirError> {
        files::private_dir(path).map_err(|error| at(path, error))?;
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
    /// [`DirError::TooLong`] or [`DirError::File`].
    pub fn open(path: &Path) -> Result<Self, DirError> {
        let path = std::fs::canonicalize(path).map_err(|error| at(path, error))?;
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

    /// What was kept; `None` before the first start.
    ///
    /// # Errors
    ///
    /// [`DirError::Content`] if the file was edited into something else.
    pub fn kept(&self) -> Result<Option<Kept>, DirError> {
        let path = self.config();
        let kept: Option<Kept> = self.read_json(&path)?;
        if let Some(reason) = kept.as_ref().and_then(Kept::unknown_version) {
            return Err(DirError::Content { path, reason });
        }
        Ok(kept)
    }

    /// Keeps it.
    ///
    /// # Errors
    ///
    /// [`DirError::File`].
    pub fn keep(&self, kept: &Kept) -> Result<(), DirError> {
        self.write_json(&self.config(), kept)
    }

    /// The development root key, made at the first start.
    ///
    /// # Errors
    ///
    /// [`DirError::Content`] if the file holds anything else than 32 bytes: a key is never made in
    /// the place of another.
    pub fn root_key(&self) -> Result<Zeroizing<[u8; 32]>, DirError> {
        let path = self.0.join("root-key");
        let mut key = Zeroizing::new([0; 32]);
        match std::fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) if bytes.len() == key.len() => key.copy_from_slice(&bytes),
            Ok(_) => {
                return Err(DirError::Content {
                    path,
                    reason: "is not a root key of 32 bytes".to_owned(),
                });
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                getrandom::fill(key.as_mut_slice())
                    .map_err(|e| at(&path, io::Error::other(e.to_string())))?;
                files::write_private(&path, key.as_slice()).map_err(|error| at(&path, error))?;
            }
            Err(error) => return Err(at(&path, error)),
        }
        Ok(key)
    }

    pub(crate) fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), DirError> {
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|e| at(path, io::Error::other(e)))?;
        bytes.push(b'\n');
        files::write_public(path, &bytes).map_err(|error| at(path, error))
    }

    /// A JSON file; `None` if there is none.
    pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        path: &Path,
    ) -> Result<Option<T>, DirError> {
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| at(path, error))?,
        };
        let value = serde_json::from_slice(&bytes).map_err(|e| DirError::Content {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Some(value))
    }

    pub(crate) fn write_text(&self, path: &Path, text: &str) -> Result<(), DirError> {
        files::write_public(path, text.as_bytes()).map_err(|error| at(path, error))
    }

    /// The directory itself, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The simulated CA.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// host-proxy's database.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// What the node keeps.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    /// Logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// The policy file.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.json")
    }

    /// The simulated root certificate.
    #[must_use]
    pub fn root_certificate(&self) -> PathBuf {
        self.0.join("root.pem")
    }

    /// The release file of the page.
    #[must_use]
    pub fn release(&self) -> PathBuf {
        self.0.join("release.json")
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> PathBuf {
        self.0.join("faults.json")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.run().join("state.json")
    }

    pub(crate) fn enclave_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}.sock"))
    }

    /// Where an enclave that is a process takes channels.
    pub(crate) fn channel_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}-channel.sock"))
    }

    /// Where host-proxy listens for an enclave that is a process.
    pub(crate) fn services_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}-services.sock"))
    }

    /// Where host-proxy's relay listens for an enclave that is a process.
    pub(crate) fn relay_socket(&self, id: &str) -> PathBuf {
        self.run().join(format!("{id}-relay.sock"))
    }

    /// Where a machine's vsock is; with `_PORT` behind it, where the host listens for the machine.
    pub(crate) fn vsock(&self, number: u8) -> PathBuf {
        self.run().join(format!("e{number}.vsock"))
    }

    /// Between a machine and its vsock device.
    pub(crate) fn vhost(&self, number: u8) -> PathBuf {
        self.run().join(format!("e{number}.vhost"))
    }

    fn machines(&self) -> PathBuf {
        self.0.join("machines")
    }

    pub(crate) fn machine(&self, number: u8) -> PathBuf {
        self.machines().join(format!("e{number}.json"))
    }

    pub(crate) fn machine_nsm(&self, number: u8) -> PathBuf {
        self.machines().join(format!("e{number}-nsm"))
    }

    /// The release manifest that the host hands to a machine whose image is a successor.
    pub(crate) fn machine_manifest(&self, number: u8) -> PathBuf {
        self.machines().join(format!("e{number}-manifest.json"))
    }

    /// The measured configuration, as the host hands it to enclaves.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.0.join("configuration.json")
    }

    /// The signed release manifest of the image that runs.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.0.join("manifest.json")
    }

    /// The maintainers' public keys.
    #[must_use]
    pub fn release_keys(&self) -> PathBuf {
        self.0.join("release-keys.json")
    }

    /// A policy file that accepts what the maintainers release.
    #[must_use]
    pub fn release_policy(&self) -> PathBuf {
        self.0.join("release-policy.json")
    }

    /// What the host hands to an enclave in the place of its configuration, if there is such a file:
    /// for tests of a host that does so.
    #[must_use]
    pub fn other_configuration(&self, number: u8) -> PathBuf {
        self.0.join(format!("e{number}-configuration.json"))
    }

    /// What a machine prints on its console.
    #[must_use]
    pub fn console(&self, number: u8) -> PathBuf {
        self.logs().join(format!("e{number}-console.log"))
    }

    /// Copies of images.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// Keys of the operators and maintainers whom the simulator plays.
    #[must_use]
    pub fn operators(&self) -> PathBuf {
        self.0.join("operators")
    }

    /// What the stand-in for AWS KMS keeps.
    #[must_use]
    pub fn kms(&self) -> PathBuf {
        self.0.join("kms")
    }

    /// What the genesis published.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.0.join("genesis")
    }
}

pub(crate) fn at(path: &Path, error: io::Error) -> DirError {
    DirError::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, Dir) {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir::create(&temporary.path().join("sim")).unwrap();
        (temporary, dir)
    }

    #[test]
    fn a_directory_belongs_to_one_simulation() {
        let (_temporary, dir) = dir();
        let held = dir.lock().unwrap();
        assert!(matches!(dir.lock(), Err(DirError::InUse(path)) if path == dir.path()));
        drop(held);
        assert!(dir.lock().is_ok());
    }

    #[test]
    fn what_is_kept_comes_back_and_is_checked() {
        let (_temporary, dir) = dir();
        assert_eq!(dir.kept().unwrap(), None);
        let kept = Kept::new(7123);
        dir.keep(&kept).unwrap();
        assert_eq!(dir.kept().unwrap(), Some(kept.clone()));
        assert!(
            kept.configuration()
                .unwrap()
                .allows("http://localhost:7123")
        );
        for bad in ["{", "{}", r#"{"version":1,"port":1,"x":2}"#] {
            std::fs::write(dir.config(), bad).unwrap();
            assert!(matches!(dir.kept(), Err(DirError::Content { .. })), "{bad}");
        }
    }

    #[test]
    fn a_root_key_is_made_once_and_never_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let (_temporary, dir) = dir();
        let key = dir.root_key().unwrap();
        assert_eq!(dir.root_key().unwrap(), key);
        let path = dir.path().join("root-key");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(dir.root_key(), Err(DirError::Content { .. })));
    }

    #[test]
    fn a_path_without_room_for_sockets_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let long = temporary.path().join("x".repeat(100));
        assert!(matches!(Dir::create(&long), Err(DirError::TooLong(_))));
    }
}
