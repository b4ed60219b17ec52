//! Files, stdin and the clock: what the library never touches.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use openkey_attestation::{UnixMillis, limits};

use super::Failure;

/// Longest policy file that is read: one byte more than the library takes, so that it says why.
pub const MAX_POLICY_FILE: usize = limits::MAX_POLICY_FILE + 1;
/// Longest file of roots: as many as can be pinned, in PEM with comments.
pub const MAX_ROOT_FILE: usize = 64 * 1024;

/// Reads at most `limit` bytes of a file.
///
/// # Errors
///
/// `cannot_open`.
pub fn file(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    File::open(path)
        .and_then(|file| read(file, limit))
        .map_err(|error| Failure::new("cannot_open", format!("{}: {error}", path.display())))
}

/// Reads at most `limit` bytes of a file, or of stdin for `-`.
///
/// # Errors
///
/// `cannot_open`.
pub fn file_or_stdin(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        read(io::stdin().lock(), limit)
            .map_err(|error| Failure::new("cannot_open", format!("stdin: {error}")))
    } else {
        file(path, limit)
    }
}

fn read(from: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// This machine's clock.
///
/// # Errors
///
/// `clock`, if it is before 1970.
pub fn now() -> Result<UnixMillis, Failure> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .map(UnixMillis)
        .ok_or_else(|| Failure::new("clock", "this machine's clock is before 1970"))
}

/// Writes a file whole or not at all: beside it first, then in its place.
///
/// # Errors
///
/// `cannot_write`.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::new("cannot_write", format!("{}: {error}", path.display()));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    File::create(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path))
        .map_err(failed)
}
