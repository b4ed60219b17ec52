//! Boot files, read when they are asked for.

use std::{io, path::Path};

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

    #[tokio::test]
    async fn h1_a_file_without_end_is_refused() {
        let refused = read(Path::new("/dev/zero"), MAX_BOOT_FILE).await;
        assert!(refused.unwrap_err().contains("more than"));
    }
}
