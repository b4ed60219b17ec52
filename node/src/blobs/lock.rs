//! Who removes blobs waits for who copies or checks them, also in another process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use openkey_edge::lock::{Kind, lock};

/// The file's name in a node's directory.
pub(crate) const FILE_NAME: &str = "blobs.lock";

/// How long some are removed at most.
const REMOVING: Duration = Duration::from_secs(10);

/// While it is there, no blob of a replaced value is removed, or nobody relies on one. The system gives it
/// back when the process dies.
#[derive(Debug)]
pub(crate) struct BlobsLock {
    _file: File,
}

impl BlobsLock {
    /// For who reads blobs of which the store may no longer know. It blocks while some are removed, and
    /// gives up after a while, naming who does not end.
    pub(crate) fn shared(dir: &Path) -> io::Result<Self> {
        let file = open(dir)?;
        lock(&file, Kind::Shared, REMOVING)?;
        Ok(Self { _file: file })
    }

    /// For who removes blobs; `None`: not now.
    pub(crate) fn try_exclusive(dir: &Path) -> io::Result<Option<Self>> {
        let file = open(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn open(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(dir.join(FILE_NAME))
}
