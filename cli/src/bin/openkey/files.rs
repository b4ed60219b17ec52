//! Files with keys, and files for everybody.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Read, Write},
    path::Path,
};

use openkey_cli::{
    Consents, GenesisFile, KeyError, MAX_CONSENTS_FILE, MAX_GENESIS_FILE, MAX_KEY_FILE,
    OperatorKey, ReleaseKey,
};
use openkey_protocol::message::Genesis;
use openkey_verifier::{
    command::source,
    release::{MAX_RELEASE_FILE, ReleaseFile},
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
    fill(path, &options, text.as_bytes())
}

/// Makes a file with this content. One that cannot be filled is gone again.
fn fill(path: &Path, options: &OpenOptions, bytes: &[u8]) -> Result<(), Stop> {
    let failed = |error: io::Error| cannot_write(path, &error);
    let mut file = options.open(path).map_err(failed)?;
    let filled = file.write_all(bytes).and_then(|()| file.sync_all());
    filled.map_err(|error| {
        let _ = fs::remove_file(path);
        failed(error)
    })
}

/// Writes a new file; one that is there with the same content is left alone, any other is kept.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    write_missing(path, bytes).map(drop)
}

/// The same; whether it was missing.
fn write_missing(path: &Path, bytes: &[u8]) -> Result<bool, Stop> {
    // A pipe or a device is no file with that content, and reading it may never end.
    if fs::metadata(path).is_ok_and(|known| known.is_file())
        && fs::read(path).is_ok_and(|known| known == bytes)
    {
        return Ok(false);
    }
    let mut options = OpenOptions::new();
    fill(path, options.write(true).create_new(true), bytes)?;
    Ok(true)
}

/// Writes all of these files into a directory, as [`write_new`] does, or none.
pub(crate) fn write_all_new<'a>(
    dir: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), Stop> {
    let above = dir.ancestors();
    let missing: Vec<_> = above
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    directory(dir)?;
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = dir.join(name);
        match write_missing(&path, bytes) {
            Ok(true) => written.push(path),
            Ok(false) => {}
            Err(stop) => {
                // Some of them would pass for all of them.
                for path in written {
                    let _ = fs::remove_file(path);
                }
                for path in missing {
                    let _ = fs::remove_dir(path);
                }
                return Err(stop);
            }
        }
    }
    Ok(())
}

/// Makes a directory, and refuses one that takes no file, or that holds one of these names already, whatever
/// is behind it.
pub(crate) fn room_for<'a>(
    dir: &Path,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), Stop> {
    directory(dir)?;
    for name in names {
        let path = dir.join(name);
        if path.symlink_metadata().is_ok() {
            let message = format!(
                "{}: there is such a file already: name a new directory",
                path.display()
            );
            return Err(Stop::failed("cannot_write", message));
        }
    }
    let probe = dir.join(format!(".openkey.{}.new", std::process::id()));
    write_new(&probe, b"")?;
    fs::remove_file(&probe).map_err(|error| cannot_write(&probe, &error))
}

pub(crate) fn directory(path: &Path) -> Result<(), Stop> {
    fs::create_dir_all(path).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Stop {
    Stop::failed(
        "cannot_write",
        format!("{}: {}", path.display(), source::words(error)),
    )
}

/// Reads a file with a key: refuses one that is none of this kind, then one that others can read.
fn key<T>(path: &Path, read: impl FnOnce(&[u8]) -> Result<T, KeyError>) -> Result<T, Stop> {
    let failed = |error: io::Error| {
        let words = source::words(&error);
        Stop::failed("cannot_open", format!("{}: {words}", path.display()))
    };
    let file = File::open(path).map_err(failed)?;
    // Of the very file that is read.
    #[cfg(unix)]
    let mode = {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().map_err(failed)?.permissions().mode()
    };
    // Into one buffer, so that no copy is left.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE + 1));
    let bound = u64::try_from(MAX_KEY_FILE + 1).unwrap_or(u64::MAX);
    file.take(bound).read_to_end(&mut bytes).map_err(failed)?;
    // A configuration that everybody may read is named as what it is not, before its mode is blamed.
    let key = read(&bytes)
        .map_err(|error| Stop::failed(error.rule(), format!("{}: {error}", path.display())))?;
    #[cfg(unix)]
    {
        if mode & 0o077 != 0 {
            return Err(Stop::failed(
                "key_permissions",
                format!(
                    "{}: others can read this key; chmod 600, and ask who did",
                    path.display()
                ),
            ));
        }
    }
    Ok(key)
}

pub(crate) fn operator_key(path: &Path) -> Result<OperatorKey, Stop> {
    key(path, OperatorKey::from_json)
}

pub(crate) fn release_key(path: &Path) -> Result<ReleaseKey, Stop> {
    key(path, ReleaseKey::from_json)
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

/// A release manifest, its signatures unchecked, and the bytes of its file.
pub(crate) fn release_file(path: &Path) -> Result<(Vec<u8>, ReleaseFile), Stop> {
    let file = source::file(path, MAX_RELEASE_FILE + 1)?;
    let release = ReleaseFile::from_json(&file)
        .map_err(|error| Stop::refused(error.rule(), format!("{}: {error}", path.display())))?;
    Ok((file, release))
}

/// A secret of at most `limit` bytes from stdin. Read into one buffer, so that no copy is left. A person at a
/// terminal is asked for it, and nothing shows what they type.
pub(crate) fn secret_from_stdin(limit: usize) -> Result<Zeroizing<Vec<u8>>, Stop> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("The secret (it is not shown): ")
            .map(|line| Zeroizing::new(line.into_bytes()))
            .map_err(|error| {
                let words = source::words(&error);
                Stop::failed("cannot_open", format!("the terminal: {words}"))
            });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 2));
    let bound = u64::try_from(limit + 2).unwrap_or(u64::MAX);
    io::stdin()
        .lock()
        .take(bound)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Stop::failed("cannot_open", format!("stdin: {}", source::words(&error)))
        })?;
    Ok(bytes)
}
