//! Boot files, read when they are asked for.

use std::{collections::BTreeMap, io, path::Path};

use openkey_protocol::message::{BootFiles, Bytes, MAX_BOOT_FILE, MAX_PEERS};
use tokio::{fs::File, io::AsyncReadExt as _};

use crate::config::ServicesConfig;

/// Everything an enclave is given. The configuration must be there; the rest may come later.
pub(super) async fn boot_files(config: &ServicesConfig) -> Result<BootFiles, String> {
    let paths = &config.files;
    let Some(configuration) = &paths.configuration else {
        return Err("no configuration file is named".to_owned());
    };
    let required = |path: &Path| format!("{} is not there", path.display());
    Ok(BootFiles {
        configuration: file(Some(configuration))
            .await?
            .ok_or_else(|| required(configuration))?,
        descriptor: file(paths.descriptor.as_deref()).await?,
        wrapped: file(paths.wrapped.as_deref()).await?,
        manifest: file(paths.manifest.as_deref()).await?,
        peers: u32::try_from(config.peers.len())
            .unwrap_or(MAX_PEERS)
            .min(MAX_PEERS),
    })
}

/// Says once of each boot file that it is not there when host-proxy starts. A file may come later; a mistyped name
/// never does.
pub(crate) fn note_missing(services: &[ServicesConfig]) {
    for (path, flag) in missing(services) {
        let path = path.display();
        if flag == CONFIGURATION {
            tracing::warn!(%path, "{flag}: there is no such file, and no enclave boots without it");
        } else {
            tracing::warn!(%path, "{flag}: there is no such file yet; enclaves boot without it");
        }
    }
}

const CONFIGURATION: &str = "--configuration";

/// The boot files that are not there, and the flag of each.
fn missing(services: &[ServicesConfig]) -> BTreeMap<&Path, &'static str> {
    let named = services.iter().flat_map(|it| {
        let files = &it.files;
        [
            (&files.configuration, CONFIGURATION),
            (&files.descriptor, "--descriptor"),
            (&files.wrapped, "--wrapped"),
            (&files.manifest, "--manifest"),
        ]
    });
    named
        .filter_map(|(path, flag)| Some((path.as_deref()?, flag)))
        .filter(|(path, _)| matches!(path.metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound))
        .collect()
}

async fn file(path: Option<&Path>) -> Result<Option<Bytes>, String> {
    let Some(path) = path else { return Ok(None) };
    let bytes = read(path, MAX_BOOT_FILE).await?;
    Ok(bytes.map(Bytes))
}

/// A file of at most so many bytes; `None` if there is none.
pub(crate) async fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bounded = file.take(most.saturating_add(1));
    bounded.read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() > limit {
        return Err(format!("{} has more than {limit} bytes", path.display()));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_said_and_what_comes_later_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let listen = "unix:/run/x.sock".parse().unwrap();
        let mut config = ServicesConfig::new(listen);
        assert!(boot_files(&config).await.is_err());
        config.files.configuration = Some(dir.path().join("configuration.json"));
        config.files.descriptor = Some(dir.path().join("descriptor.cbor"));
        assert!(boot_files(&config).await.is_err());
        std::fs::write(dir.path().join("configuration.json"), "{}").unwrap();
        let files = boot_files(&config).await.unwrap();
        assert_eq!(files.configuration.as_slice(), b"{}");
        assert_eq!((files.descriptor, files.peers), (None, 0));
        std::fs::write(dir.path().join("descriptor.cbor"), [1]).unwrap();
        let files = boot_files(&config).await.unwrap();
        assert_eq!(files.descriptor.unwrap().as_slice(), [1]);
    }

    #[test]
    fn each_missing_file_is_named_once_with_its_flag() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(dir.path().join(name));
        let mut config = ServicesConfig::new("unix:/run/x.sock".parse().unwrap());
        config.files.configuration = path("configuration.json");
        config.files.descriptor = path("descriptor.bin");
        config.files.manifest = path("release.json");
        std::fs::write(dir.path().join("release.json"), "{}").unwrap();
        let services = [config.clone(), config];
        let missing = missing(&services);
        let flags: Vec<_> = missing.into_values().collect();
        assert_eq!(flags, ["--configuration", "--descriptor"]);
    }

    #[tokio::test]
    async fn h1_a_file_without_end_is_refused() {
        let refused = read(Path::new("/dev/zero"), MAX_BOOT_FILE).await;
        assert!(refused.unwrap_err().contains("more than"));
    }
}
