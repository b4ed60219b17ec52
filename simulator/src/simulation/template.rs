//! A new simulation that begins as a copy of another one.

use std::fs;
use std::path::Path;

use super::{SimulationError, other};
use crate::dir::{Dir, Kept};
use crate::files;

/// What belongs to one simulation alone.
const OWN: [&str; 6] = ["lock", "run", "logs", "store", "machines", "faults.json"];
/// The stores of further enclaves, too.
const OWN_STORES: &str = "store-";

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
        let name = entry.file_name();
        let own = OWN.iter().any(|own| name == *own)
            || name.as_encoded_bytes().starts_with(OWN_STORES.as_bytes());
        if !own {
            copy_all(&entry.path(), &to.join(name))?;
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
