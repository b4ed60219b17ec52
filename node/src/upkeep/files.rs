//! Files and directories of a node and its copies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{UpkeepError, file};
use crate::keys;
use crate::node::make_private;

/// That there is a node in a directory: opening would make what is missing.
pub(super) fn check_node(dir: &Path) -> Result<(), UpkeepError> {
    match dir.join(keys::FILE_NAME).try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(UpkeepError::NoNode(dir.to_owned())),
        Err(error) => Err(UpkeepError::Closed {
            path: dir.to_owned(),
            error,
        }),
    }
}

/// Every file below a directory: its name from there, and its path.
pub(super) fn tree(dir: &Path) -> Result<Vec<(PathBuf, PathBuf)>, UpkeepError> {
    let mut files = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(below) = dirs.pop() {
        let here = dir.join(&below);
        for entry in fs::read_dir(&here).map_err(file(&here))? {
            let entry = entry.map_err(file(&here))?;
            let name = below.join(entry.file_name());
            if entry.file_type().map_err(file(&here))?.is_dir() {
                dirs.push(name);
            } else {
                files.push((name, entry.path()));
            }
        }
    }
    Ok(files)
}

/// Every file below a directory, and every name on the way to it.
pub(super) fn sync_all(dir: &Path) -> Result<(), UpkeepError> {
    let parent = dir.parent().filter(|it| !it.as_os_str().is_empty());
    let mut dirs = BTreeSet::from([dir.to_owned(), parent.unwrap_or(Path::new(".")).to_owned()]);
    for (_, path) in tree(dir)? {
        sync(&path)?;
        let above = path.ancestors().skip(1);
        dirs.extend(
            above
                .take_while(|it| it.starts_with(dir))
                .map(Path::to_owned),
        );
    }
    dirs.iter().try_for_each(|dir| sync(dir))
}

pub(super) fn sync(path: &Path) -> Result<(), UpkeepError> {
    let synced = fs::File::open(path).and_then(|it| it.sync_all());
    synced.map_err(file(path))
}

pub(super) fn make_dir(dir: &Path) -> Result<(), UpkeepError> {
    make_private(dir).map_err(file(dir))
}

/// Refuses a copy inside of what it is of: the next copy would hold this one, and so on.
pub(super) fn check_outside(inner: &Path, outer: &Path) -> Result<(), UpkeepError> {
    let (real_inner, real_outer) = (real(inner)?, real(outer)?);
    if real_inner.starts_with(&real_outer) {
        return Err(UpkeepError::Inside {
            inner: inner.to_owned(),
            outer: outer.to_owned(),
        });
    }
    Ok(())
}

/// Where a path leads, also if its end is not there yet: without links as far as it is there.
fn real(path: &Path) -> Result<PathBuf, UpkeepError> {
    let mut real = PathBuf::new();
    for component in std::path::absolute(path).map_err(file(path))?.components() {
        if component == Component::ParentDir {
            real.pop();
            continue;
        }
        real.push(component);
        // what is not there yet will be no link
        if let Ok(found) = real.canonicalize() {
            real = found;
        }
    }
    Ok(real)
}
