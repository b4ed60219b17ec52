//! A new simulation that begins as a copy of another one.

use std::fs;
use std::path::Path;

use super::{SimulationError, other};
use crate::dir::{Dir, Kept};
use crate::files;

/// What belongs to one simulation alone.
const OWN: [&str; 6] = ["lock", "run", "logs", "store", "machines", "faults.json"];

/// Makes `to` a copy of `from` with everything that is not `from`'s own; the next start chooses a
/// port.
///
/// # Errors
///
/// If a file cannot be used.
pub fn copy(from: &Path, to: &Path) -> Result<(), SimulationError> {
    files::private_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !OWN.iter().any(|own| entry.file_name() == *own) {
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    let dir = Dir::create(to).map_err(other)?;
    if let Some(kept) = dir.kept().map_err(other)? {
        dir.keep(&Kept::at(kept, 0)).map_err(other)?;
    }
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    files::private_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
