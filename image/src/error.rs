//! Why an image was not built.

use std::{io, path::PathBuf};

use thiserror::Error as ThisError;

use crate::eif;

/// Why an image was not built.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be used.
    #[error("{}: {error}", path.display())]
    File {
        /// The file's path.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A file named on the command line cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Argument {
        /// The file's path.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// Standard output takes nothing: a full disk, or a reader that has gone.
    #[error("cannot_write: stdout: {0}")]
    Output(io::Error),
    /// The directory named on the command line is not the source tree.
    #[error("{} is not the source tree of OpenKey: name it with --source", .0.display())]
    Source(PathBuf),
    /// A program of the toolchain could not be started.
    #[error("cannot run {program}: {error}")]
    Start {
        /// Which program.
        program: String,
        /// The system's answer.
        error: io::Error,
    },
    /// A program of the toolchain failed.
    #[error("{program} failed ({status}):\n{output}")]
    Failed {
        /// Which program, with its first argument.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
    },
    /// Debian packages are missing and this user may not install them.
    #[error("missing packages, run as root: apt-get install -y --no-install-recommends {}", .0.join(" "))]
    Packages(Vec<String>),
    /// Something is missing that no package of this system's manager brings.
    #[error("missing: {0}")]
    Missing(String),
    /// No source had the pinned bytes of a file.
    #[error("no source gave {name} with SHA-256 {sha256}: {reasons}")]
    Fetch {
        /// The file.
        name: String,
        /// The hash that decides.
        sha256: String,
        /// What each source answered.
        reasons: String,
    },
    /// The file is not in the cache and fetching was forbidden.
    #[error("{0} is not in the cache, and --offline forbids to fetch it")]
    Offline(String),
    /// The kernel's own rules changed a line of `enclave.config`.
    #[error("the kernel did not take these lines of enclave.config: {}", .0.join(", "))]
    KernelConfig(Vec<String>),
    /// The kernel's build made something else than a bzImage.
    #[error("the kernel's build made no bzImage")]
    NoBzImage,
    /// The source tree has changes that no commit names.
    #[error("the source tree differs from commit {commit} ({files}): commit, or say --allow-dirty")]
    Dirty {
        /// The commit that is checked out.
        commit: String,
        /// The first few paths that differ.
        files: String,
    },
    /// The commit given is not 40 hexadecimal digits.
    #[error("not a commit, 40 hexadecimal digits: {0}")]
    Commit(String),
    /// A file to pack is larger than a ramdisk can hold.
    #[error("{0} is too large for a ramdisk")]
    TooLarge(String),
    /// The parts do not make an image.
    #[error("image: {0}")]
    Image(#[from] eif::Error),
    /// The manifest or cargo's answer could not be read or written as JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// Whether the command line asks what cannot be done, whatever the machine is like.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Argument { .. } | Self::Output(_) | Self::Source(_) | Self::Commit(_)
        )
    }

    /// For `map_err` on an operation with `path`.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, error }
    }
}
