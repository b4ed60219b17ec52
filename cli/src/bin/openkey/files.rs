//! Files with keys, and files for everybody.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

use openkey_cli::{
    Consents, GenesisFile, MAX_CONSENTS_FILE, MAX_GENESIS_FILE, MAX_KEY_FILE, OperatorKey,
    ReleaseKey,
};
use openkey_protocol::message::Genesis;
use openkey_verifier::{
    command::source,
    configuration::{Configuration, MAX_CONFIGURATION},
};
use zeroize::Zeroizing;

use crate::stop::Stop;

/// Writes a new file that only its owner reads; one that is there is never replaced: it may hold
/// the only copy of a key.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), Stop> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    write_whole(path, &options, text.as_bytes())
}

/// Writes a new file; one that is there with the same content is left alone, any other is kept.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    if fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    write_whole(path, OpenOptions::new().write(true).create_new(true), bytes)
}

/// Writes a file that is not there yet, whole or not at all: a part of it would stand in the way of the
/// next try.
fn write_whole(path: &Path, options: &OpenOptions, bytes: &[u8]) -> Result<(), Stop> {
    let mut file = options
        .open(path)
        .map_err(|error| cannot_write(path, &error))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // It is this run's own.
        let _ = fs::remove_file(path);
        cannot_write(path, &error)
    })
}

pub(crate) fn directory(path: &Path) -> Result<(), Stop> {
    fs::create_dir_all(path).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Stop {
    Stop::failed("cannot_write", format!("{}: {error}", path.display()))
}

/// Reads a file with a key: refuses one that others can read.
fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Stop> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            return Err(Stop::failed(
                "key_permissions",
                format!(
                    "{}: others can read this key; chmod 600, and ask who did",
                    path.display()
                ),
            ));
        }
    }
    Ok(Zeroizing::new(source::file(path, MAX_KEY_FILE + 1)?))
}

pub(crate) fn operator_key(path: &Path) -> Result<OperatorKey, Stop> {
    OperatorKey::from_json(&secret(path)?)
        .map_err(|error| Stop::failed(error.rule(), format!("{}: {error}", path.display())))
}

pub(crate) fn release_key(path: &Path) -> Result<ReleaseKey, Stop> {
    ReleaseKey::from_json(&secret(path)?)
        .map_err(|error| Stop::failed(error.rule(), format!("{}: {error}", path.display())))
}

pub(crate) fn configuration(path: &Path) -> Result<Configuration, Stop> {
    let file = source::file(path, MAX_CONFIGURATION + 1)?;
    Configuration::from_json(&file)
        .map_err(|error| Stop::failed(error.rule(), format!("{}: {error}", path.display())))
}

/// The consents that were noted in a file.
pub(crate) fn consents(path: &Path) -> Result<Consents, Stop> {
    let file = source::file(path, MAX_CONSENTS_FILE + 1)?;
    Consents::from_json(&file)
        .map_err(|error| Stop::failed(error.rule(), format!("{}: {error}", path.display())))
}

/// The same, or `None` if there is no such file. One that cannot be opened is an error.
pub(crate) fn consents_if_any(path: &Path) -> Result<Option<Consents>, Stop> {
    let missing = matches!(path.metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound);
    if missing {
        Ok(None)
    } else {
        consents(path).map(Some)
    }
}

pub(crate) fn genesis(path: &Path) -> Result<Genesis, Stop> {
    let file = source::file(path, MAX_GENESIS_FILE + 1)?;
    GenesisFile::read(&file)
        .map_err(|error| Stop::failed(error.rule(), format!("{}: {error}", path.display())))
}

/// A secret of at most `limit` bytes from stdin. Read into one buffer, so that no copy is left.
pub(crate) fn secret_from_stdin(limit: usize) -> Result<Zeroizing<Vec<u8>>, Stop> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 2));
    let bound = u64::try_from(limit + 2).unwrap_or(u64::MAX);
    io::stdin()
        .lock()
        .take(bound)
        .read_to_end(&mut bytes)
        .map_err(|error| Stop::failed("cannot_open", format!("stdin: {error}")))?;
    Ok(bytes)
}
