//! Socket files.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

/// A listening socket and its file.
#[derive(Debug)]
pub(super) struct BoundSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode, so that a successor's file is not removed.
    file: (u64, u64),
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // Nothing can be done about a failure here; the next start replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Binds a socket file with mode 0600.
///
/// It is bound inside a directory that only the owner can enter and then renamed into place, since
/// a file bound at its final name could be connected to before its mode is set.
pub(super) fn bind(path: &Path) -> io::Result<BoundSocket> {
    refuse_unless_stale(path)?;
    let private = private_directory(path)?;
    let inside = private.join("s");
    let bound = (|| {
        let listener = UnixListener::bind(&inside)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        let file = identity(&inside)?;
        fs::rename(&inside, path)?;
        Ok(BoundSocket {
            listener,
            path: path.to_owned(),
            file,
        })
    })();
    // After a success it is empty; after a failure there may be a socket in it.
    let _ = fs::remove_file(&inside);
    let _ = fs::remove_dir(&private);
    bound
}

/// Renaming would replace whatever is there: only a socket that refuses connections may be.
fn refuse_unless_stale(path: &Path) -> io::Result<()> {
    // Without the path: callers name the address.
    let in_use = |why| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            in_use("there is a file that is not a socket")
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => in_use("another program listens there"),
        },
    }
}

/// A directory of mode 0700 beside `path`, with a short name: socket paths end at 107 bytes.
fn private_directory(path: &Path) -> io::Result<PathBuf> {
    /// Left behind by killed programs: try the next name.
    const ATTEMPTS: u32 = 100;
    let parent = path.parent().unwrap_or_else(|| Path::new("/"));
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..ATTEMPTS {
        let directory = parent.join(format!(".{}-{attempt}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
