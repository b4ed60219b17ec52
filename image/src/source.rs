//! Which source an image is built from.

use std::{fs, path::Path};

use crate::{
    Error,
    cache::sha256_of,
    run::{command, output},
};

/// Hexadecimal digits of a commit.
const COMMIT_DIGITS: usize = 40;
/// Paths named in the refusal of a changed tree.
const NAMED_FILES: usize = 5;

/// A source tree and what identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The commit, 40 lower-case hexadecimal digits.
    pub commit: String,
    /// Whether the tree differs from that commit.
    pub dirty: bool,
    /// SHA-256 of `Cargo.lock`, lower-case hexadecimal.
    pub cargo_lock_sha256: String,
}

impl Source {
    /// Asks git about the tree at `root`; `commit` answers for a tree without its history, and is then
    /// believed.
    ///
    /// # Errors
    /// [`Error::Dirty`] for a tree with changes, unless `allow_dirty`; [`Error::Commit`] for a commit
    /// that is none; git's own failure.
    pub fn at(root: &Path, commit: Option<&str>, allow_dirty: bool) -> Result<Self, Error> {
        let cargo_lock_sha256 = sha256_of(&root.join("Cargo.lock"))?;
        if let Some(commit) = commit {
            return Ok(Self {
                commit: checked(commit)?,
                dirty: false,
                cargo_lock_sha256,
            });
        }
        // Another user's tree is refused by git for fear of what its configuration runs. Whoever builds
        // a tree runs what is in it anyway.
        let git = || {
            let mut git = command("git");
            git.args(["-c", "safe.directory=*"]).current_dir(root);
            git
        };
        let commit = checked(output(git().args(["rev-parse", "HEAD"]))?.trim())?;
        let status = output(git().args(["status", "--porcelain"]))?;
        let dirty = !status.is_empty();
        if dirty && !allow_dirty {
            let paths = status.lines().filter_map(|line| line.get(3..));
            let files: Vec<&str> = paths.take(NAMED_FILES).collect();
            return Err(Error::Dirty {
                commit,
                files: files.join(", "),
            });
        }
        Ok(Self {
            commit,
            dirty,
            cargo_lock_sha256,
        })
    }
}

fn checked(commit: &str) -> Result<String, Error> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if commit.len() == COMMIT_DIGITS && commit.bytes().all(is_digit) {
        Ok(commit.to_owned())
    } else {
        Err(Error::Commit(commit.to_owned()))
    }
}

/// Whether `root` is this project's source tree, as far as a glance tells.
pub(crate) fn check(root: &Path) -> Result<(), Error> {
    let manifest = root.join("enclave/Cargo.toml");
    fs::metadata(&manifest).map_err(Error::file(manifest))?;
    Ok(())
}
