//! What `upgrade`, `consent` and `withdraw` need to know of a successor and of who orders it.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use openkey_attestation::UnixMillis;
use openkey_cli::{ORDER_LIFETIME, OperatorKey};
use openkey_protocol::message::Hash32;
use openkey_verifier::{
    command::{ConfigurationFile, ReadArgs, source},
    configuration::Configuration,
    release::{self, MAX_RELEASE_FILE, Release, ReleaseKeys},
};

use sha2::{Digest, Sha256};

use crate::{files, stop::Stop};

/// The running enclaves' configuration.
pub(super) fn configuration<'a>(accept: &'a ReadArgs<'_>) -> Result<&'a ConfigurationFile, Stop> {
    accept.configuration().ok_or_else(|| {
        Stop::failed(
            "configuration_missing",
            "--configuration FILE (of the running enclave) says whose signatures count",
        )
    })
}

/// An operator's place in the configuration, from 0.
pub(super) fn place(configuration: &Configuration, key: &OperatorKey) -> Result<u32, Stop> {
    let operators = configuration.operators.iter().flat_map(|it| &it.keys);
    operators
        .zip(0..)
        .find(|(operator, _)| *operator == key.public())
        .map(|(_, place)| place)
        .ok_or_else(|| {
            Stop::failed(
                "not_an_operator",
                "this key is not one of the configuration's operators",
            )
        })
}

/// Until when enclaves take an order that is given now.
pub(super) fn expiry() -> Result<UnixMillis, Stop> {
    Ok(UnixMillis(source::now()?.0.saturating_add(ORDER_LIFETIME)))
}

/// Where an operator's consents are noted: the file of the flag, or one beside the key.
pub(super) fn state(flag: Option<&Path>, key: &Path) -> PathBuf {
    flag.map_or_else(
        || {
            let mut name = key.file_name().unwrap_or_default().to_owned();
            name.push(".consents.json");
            key.with_file_name(name)
        },
        Path::to_path_buf,
    )
}

/// Reads a successor's manifest, which must be signed by the configuration's release keys, be of the
/// enclave's program, name image and configuration together, and not be expired.
pub(super) fn manifest(
    path: &Path,
    configuration: &Configuration,
    now: UnixMillis,
) -> Result<(Vec<u8>, Release), Stop> {
    let keys = configuration
        .release_keys
        .as_ref()
        .ok_or_else(|| Stop::failed("configuration", "the configuration names no release keys"))?;
    let keys = ReleaseKeys::new(keys.threshold, keys.keys.clone())
        .map_err(|error| Stop::failed(error.rule(), error.to_string()))?;
    let bytes = source::file(path, MAX_RELEASE_FILE + 1)?;
    let successor = release::signed(&bytes, &keys)
        .map_err(|error| Stop::refused(error.rule(), format!("{}: {error}", path.display())))?;
    successor.check_program()?;
    if now > successor.manifest().not_after {
        successor.check_time(now)?;
    }
    if successor.manifest().configuration.is_none() {
        return Err(Stop::refused(
            "configuration_missing",
            "a successor's manifest names image and configuration together; see `openkey release \
             prepare --configuration`",
        ));
    }
    Ok((bytes, successor))
}

/// The hash of a manifest: as it is, or of a file.
pub(super) fn manifest_hash(text: &str) -> Result<Hash32, Stop> {
    if let Ok(hash) = text.parse() {
        return Ok(hash);
    }
    let path = Path::new(text);
    if matches!(path.metadata(), Err(error) if error.kind() == ErrorKind::NotFound) {
        let message = format!("--manifest {text}: no such file, and not a hash of 64 hex digits");
        return Err(Stop::failed("cannot_open", message));
    }
    // Whoever signed it: a withdrawal needs no signature of maintainers.
    let body = files::release_file(path)?.1.body()?;
    Ok(Hash32(Sha256::digest(body).into()))
}
