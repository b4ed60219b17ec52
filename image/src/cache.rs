//! Where sources and intermediate results are kept, each under the hash of what decides it.
//!
//! Everything here can be deleted at any time. Results appear in one step (built beside their place,
//! then renamed), so a killed build leaves nothing half; a lock keeps two builds from doing the same.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process,
};

use sha2::{Digest, Sha256};

use crate::{
    Error, Progress,
    run::{command, quietly},
};

/// Hexadecimal digits of a hash in a directory's name: enough to tell builds apart.
const NAME_DIGITS: usize = 16;
/// Bytes read at a time when hashing.
const READ: usize = 1 << 20;

/// A directory of cached files.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// A file that is the same wherever it is fetched from.
#[derive(Debug, Clone, Copy)]
pub struct Pinned<'a> {
    /// Its name in the cache.
    pub name: &'a str,
    /// SHA-256, lower-case hexadecimal: this decides, not the address.
    pub sha256: &'a str,
    /// Where to look, in this order.
    pub addresses: &'a [&'a str],
}

impl Cache {
    /// In `root`, which is created if it is not there.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn open(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::file(root))?;
        let root = root.canonicalize().map_err(Error::file(root))?;
        Ok(Self { root })
    }

    /// The user's: `$OPENKEY_CACHE`, or `openkey` in `$XDG_CACHE_HOME` or `~/.cache`.
    ///
    /// # Errors
    /// If none of the three is set, or the directory cannot be created.
    pub fn of_user() -> Result<Self, Error> {
        let set = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("OPENKEY_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("openkey")))
            .or_else(|| set("HOME").map(|path| path.join(".cache/openkey")))
            .ok_or_else(|| Error::Missing("HOME or OPENKEY_CACHE in the environment".to_owned()))?;
        Self::open(&root)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file's place in the cache; fetched first if it is not there.
    ///
    /// # Errors
    /// [`Error::Fetch`] when no address has these bytes, [`Error::Offline`] when none may be asked.
    pub fn fetch(
        &self,
        file: Pinned<'_>,
        offline: bool,
        progress: Progress<'_>,
    ) -> Result<PathBuf, Error> {
        let downloads = self.root.join("downloads");
        fs::create_dir_all(&downloads).map_err(Error::file(&downloads))?;
        let place = downloads.join(file.name);
        if place.exists() && sha256_of(&place)? == file.sha256 {
            return Ok(place);
        }
        if offline {
            return Err(Error::Offline(file.name.to_owned()));
        }
        let part = downloads.join(format!("{}.{}", file.name, process::id()));
        let mut reasons = Vec::new();
        for address in file.addresses {
            progress(&format!("fetching {address}"));
            let mut curl = command("curl");
            curl.args([
                "--silent",
                "--show-error",
                "--fail",
                "--location",
                "--retry",
                "3",
            ]);
            curl.arg("--output").arg(&part).arg(address);
            match quietly(&mut curl) {
                Ok(()) if sha256_of(&part)? == file.sha256 => {
                    fs::rename(&part, &place).map_err(Error::file(&place))?;
                    return Ok(place);
                }
                Ok(()) => reasons.push(format!("{address}: other bytes")),
                Err(error) => reasons.push(format!("{address}: {error}")),
            }
            let _ = fs::remove_file(&part);
        }
        Err(Error::Fetch {
            name: file.name.to_owned(),
            sha256: file.sha256.to_owned(),
            reasons: reasons.join("; "),
        })
    }

    /// The directory `NAME-<hash of key>`, made by `make` in an empty directory if it is not there.
    ///
    /// # Errors
    /// What `make` says, or the file system.
    pub fn result(
        &self,
        name: &str,
        key: &[&str],
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        let place = self.root.join(format!("{name}-{}", key_of(key)));
        if place.is_dir() {
            return Ok(place);
        }
        let _lock = self.lock(name)?;
        if place.is_dir() {
            return Ok(place);
        }
        let work = Scratch::new(&self.root, name)?;
        make(work.path())?;
        fs::rename(work.path(), &place).map_err(Error::file(&place))?;
        Ok(place)
    }

    /// An empty directory that disappears with the value.
    pub(crate) fn scratch(&self, name: &str) -> Result<Scratch, Error> {
        Scratch::new(&self.root, name)
    }

    /// Waits until nobody else holds `name`; held until dropped.
    pub(crate) fn lock(&self, name: &str) -> Result<File, Error> {
        let path = self.root.join(format!("{name}.lock"));
        let file = File::create(&path).map_err(Error::file(&path))?;
        file.lock().map_err(Error::file(&path))?;
        Ok(file)
    }
}

/// A directory that is removed when dropped, also after an error.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    fn new(root: &Path, name: &str) -> Result<Self, Error> {
        let path = root.join(format!("{name}.{}.tmp", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).map_err(Error::file(&path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// SHA-256 of a file's contents, lower-case hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_of(path: &Path) -> Result<String, Error> {
    let mut file = BufReader::with_capacity(READ, File::open(path).map_err(Error::file(path))?);
    let mut hash = Sha256::new();
    loop {
        let bytes = file.fill_buf().map_err(Error::file(path))?;
        if bytes.is_empty() {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(bytes);
        let count = bytes.len();
        file.consume(count);
    }
}

/// The first digits of the hash of `parts`, each with its length so that they cannot run together.
pub(crate) fn key_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(NAME_DIGITS);
    digits
}
