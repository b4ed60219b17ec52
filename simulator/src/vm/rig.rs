//! Where the programs are that boot an image.

use std::env;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Names the rig, if it is not where `scripts/rig` puts it.
const VARIABLE: &str = "OPENKEY_RIG";
/// Names the directory that holds what is built once, if it is not in the user's cache.
const CACHE_VARIABLE: &str = "OPENKEY_CACHE";
/// How `scripts/rig` begins the names of what it builds.
const PREFIX: &str = "rig-";

const QEMU: &str = "bin/qemu-system-x86_64";
const VSOCK: &str = "bin/vhost-device-vsock";
const FIRMWARE: &str = "share";

/// There is no rig.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RigError {
    /// None was built.
    #[error(
        "no programs to boot an image with in {0}: run scripts/rig in the sources (about ten \
         minutes, once), or name a built one in {VARIABLE}"
    )]
    Missing(PathBuf),
    /// What the variable names is none.
    #[error("{VARIABLE}={0} holds no {1}: name what scripts/rig prints")]
    Incomplete(PathBuf, &'static str),
    /// There is no home directory to look in.
    #[error("no cache directory: set HOME, or name a built rig in {VARIABLE}")]
    Nowhere,
}

/// The programs that boot an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rig(PathBuf);

impl Rig {
    /// What the environment names, or else the newest that `scripts/rig` built.
    ///
    /// # Errors
    ///
    /// [`RigError`], which says to build it.
    pub fn find() -> Result<Self, RigError> {
        if let Some(path) = env::var_os(VARIABLE) {
            return Self::at(Path::new(&path));
        }
        let cache = match (env::var_os(CACHE_VARIABLE), env::var_os("XDG_CACHE_HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(path)) => Path::new(&path).join("openkey"),
            (None, None) => {
                let home = env::var_os("HOME").ok_or(RigError::Nowhere)?;
                Path::new(&home).join(".cache/openkey")
            }
        };
        Self::newest(&cache)
    }

    /// In this directory.
    ///
    /// # Errors
    ///
    /// [`RigError::Incomplete`].
    pub fn at(path: &Path) -> Result<Self, RigError> {
        for part in [QEMU, VSOCK, FIRMWARE] {
            if !path.join(part).exists() {
                return Err(RigError::Incomplete(path.to_owned(), part));
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The newest in a cache directory.
    fn newest(cache: &Path) -> Result<Self, RigError> {
        let missing = || RigError::Missing(cache.to_owned());
        let entries = std::fs::read_dir(cache).map_err(|_| missing())?;
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .filter_map(|entry| {
                let built = entry.metadata().and_then(|it| it.modified());
                let rig = Self::at(&entry.path()).ok()?;
                Some((built.unwrap_or(SystemTime::UNIX_EPOCH), rig))
            })
            .max_by_key(|(built, _)| *built)
            .map(|(_, rig)| rig)
            .ok_or_else(missing)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn qemu(&self) -> PathBuf {
        self.0.join(QEMU)
    }

    pub(super) fn vsock(&self) -> PathBuf {
        self.0.join(VSOCK)
    }

    pub(super) fn firmware(&self) -> PathBuf {
        self.0.join(FIRMWARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(path: &Path) {
        for part in [QEMU, VSOCK, FIRMWARE] {
            std::fs::create_dir_all(path.join(part)).unwrap();
        }
    }

    #[test]
    fn the_newest_whole_rig_is_found_and_none_is_said() {
        let cache = tempfile::tempdir().unwrap();
        let error = Rig::newest(cache.path()).unwrap_err();
        assert!(error.to_string().contains("run scripts/rig"), "{error}");
        std::fs::create_dir_all(cache.path().join("rig-build.x")).unwrap();
        assert!(Rig::newest(cache.path()).is_err());
        build(&cache.path().join("rig-1"));
        let found = Rig::newest(cache.path()).unwrap();
        assert_eq!(found.path(), cache.path().join("rig-1"));
        assert!(matches!(
            Rig::at(cache.path()),
            Err(RigError::Incomplete(_, QEMU))
        ));
    }
}
