//! Keys of operators and maintainers, in files: those of `openkey operator keygen` and `openkey
//! release keygen`.

use std::io;
use std::path::Path;

use openkey_cli::{KeyError, OperatorKey, ReleaseKey};
use zeroize::Zeroizing;

use super::{StaffError, file};
use crate::files;

/// An operator's key, made at the first time.
pub(super) fn operator(dir: &Path, name: &str) -> Result<OperatorKey, StaffError> {
    let path = dir.join(format!("{name}.json"));
    let key = open(
        &path,
        OperatorKey::from_json,
        || OperatorKey::generate(name),
        OperatorKey::to_json,
    )?;
    if key.public().name == name {
        Ok(key)
    } else {
        Err(file(&path, &format_args!("is not {name}'s")))
    }
}

/// A maintainer's key, made at the first time.
pub(super) fn maintainer(dir: &Path, number: usize) -> Result<ReleaseKey, StaffError> {
    open(
        &dir.join(format!("maintainer-{number}.json")),
        ReleaseKey::from_json,
        ReleaseKey::generate,
        ReleaseKey::to_json,
    )
}

/// Reads a key's file, or makes the key and writes its file (mode 0600) if there is none.
fn open<K>(
    path: &Path,
    read: impl FnOnce(&[u8]) -> Result<K, KeyError>,
    make: impl FnOnce() -> Result<K, KeyError>,
    write: impl FnOnce(&K) -> Zeroizing<String>,
) -> Result<K, StaffError> {
    match std::fs::read(path).map(Zeroizing::new) {
        Ok(bytes) => read(&bytes).map_err(|error| file(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make().map_err(|error| file(path, &error))?;
            files::write_private(path, write(&made).as_bytes())
                .map_err(|error| file(path, &error))?;
            Ok(made)
        }
        Err(error) => Err(file(path, &error)),
    }
}
