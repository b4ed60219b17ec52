//! Files, stdin and the clock: what the library never touches.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use openkey_verifier::attestation::{UnixMillis, limits};

use crate::report::Failure;

/// Longest policy file that is read: one byte more than the library takes, so that it says why.
pub(crate) const MAX_POLICY_FILE: usize = limits::MAX_POLICY_FILE + 1;
/// Longest file of roots: as many as can be pinned, in PEM with comments.
pub(crate) const MAX_ROOT_FILE: usize = 64 * 1024;

/// Reads at most `limit` bytes of a file.
pub(crate) fn file(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    File::open(path)
        .and_then(|file| read(file, limit))
        .map_err(|error| Failure::new("cannot_open", format!("{}: {error}", path.display())))
}

/// Reads at most `limit` bytes of a file, or of stdin for `-`.
pub(crate) fn file_or_stdin(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
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
pub(crate) fn now() -> Result<UnixMillis, Failure> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .map(UnixMillis)
        .ok_or_else(|| Failure::new("clock", "this machine's clock is before 1970"))
}
