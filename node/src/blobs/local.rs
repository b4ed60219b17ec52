//! Blobs as files, in 256 directories.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::{BlobWriter, Blobs, NAME};
use crate::disk::Disk;

/// Bytes read from a file at once.
const PIECE: usize = 32 * 1024;

/// What a probe writes.
const PROBE: &[u8] = b"probe";

/// Blobs as files.
#[derive(Clone, Debug)]
pub struct LocalBlobs {
    dir: PathBuf,
    disk: Option<Arc<Disk>>,
}

impl LocalBlobs {
    /// In this directory, made when the first blob is.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            disk: None,
        }
    }

    /// Grows only while this disk has room.
    #[must_use]
    pub fn on(self, disk: Arc<Disk>) -> Self {
        Self {
            disk: Some(disk),
            ..self
        }
    }

    /// The file of a blob.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for what is not the name of a blob.
    pub fn path(&self, name: &str) -> io::Result<PathBuf> {
        let is_name = name.len() == 2 * NAME
            && name
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match name.get(..2) {
            Some(first) if is_name => Ok(self.dir.join(first).join(name)),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not the name of a blob",
            )),
        }
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn create(&self, name: &str) -> io::Result<Box<dyn BlobWriter>> {
        let path = self.path(name)?;
        let dir = path.parent().unwrap_or(&self.dir).to_owned();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .await?;
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .await?;
        Ok(Box::new(Writer {
            file,
            dir,
            parent: self.dir.clone(),
            disk: self.disk.clone(),
        }))
    }

    async fn read(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let mut file = File::open(self.path(name)?).await?;
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).await?;
        }
        let left = range.end.saturating_sub(range.start);
        let pieces = stream::try_unfold((file, left), |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let mut piece = BytesMut::with_capacity(most);
            let read = (&mut file).take(most as u64).read_buf(&mut piece).await?;
            if read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a blob is shorter than its value",
                ));
            }
            Ok(Some((piece.freeze(), (file, left - read as u64))))
        });
        Ok(pieces.boxed())
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)?).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn probe(&self) -> io::Result<()> {
        let dir = self.dir.clone();
        let probed = tokio::task::spawn_blocking(move || {
            crate::node::make_private(&dir)?;
            // it has no name, so that nothing is left of it
            let mut file = tempfile::tempfile_in(&dir)?;
            file.write_all(PROBE)?;
            file.sync_all()?;
            file.rewind()?;
            let mut read = Vec::new();
            file.read_to_end(&mut read)?;
            if read == PROBE {
                Ok(())
            } else {
                Err(io::Error::other("what was written is not what is read"))
            }
        });
        probed.await.map_err(io::Error::other)?
    }
}

struct Writer {
    file: File,
    dir: PathBuf,
    parent: PathBuf,
    disk: Option<Arc<Disk>>,
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        // at every piece: many that are received together were each told that there is room
        if let Some(disk) = &self.disk {
            disk.grow(bytes.len() as u64)?;
        }
        self.file.write_all(&bytes).await
    }

    async fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        // the name must outlive a power cut as well, and that of the directory that it is in
        File::open(&self.dir).await?.sync_all().await?;
        File::open(&self.parent).await?.sync_all().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::blobs::new_name;

    #[tokio::test]
    async fn a_blob_is_read_whole_and_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::new(&dir.path().join("blobs"));
        let name = new_name().unwrap();
        let mut writer = blobs.create(&name).await.unwrap();
        let all: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        for piece in all.chunks(70_000) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        writer.finish().await.unwrap();
        for range in [0..300_000, 0..0, 5..6, 131_072..131_073, 100_000..300_000] {
            let read: Vec<Bytes> = blobs
                .read(&name, range.clone())
                .await
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            assert_eq!(read.concat(), all[range.start as usize..range.end as usize]);
        }
        let longer = blobs
            .read(&name, 0..300_001)
            .await
            .unwrap()
            .try_collect::<Vec<_>>()
            .await;
        assert_eq!(longer.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(blobs.create(&name).await.is_err());
        blobs.remove(&name).await.unwrap();
        blobs.remove(&name).await.unwrap();
        assert!(blobs.read(&name, 0..1).await.is_err());
    }

    /// Each of several that are received at once was told that there is room.
    #[tokio::test]
    async fn h11_a_blob_that_is_received_does_not_grow_into_the_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let write = async |reserve| {
            let disk = Arc::new(Disk::new(dir.path(), Some(reserve)));
            let blobs = LocalBlobs::new(dir.path()).on(disk);
            let mut writer = blobs.create(&new_name().unwrap()).await.unwrap();
            writer.write(Bytes::from_static(b"piece")).await
        };
        write(0).await.unwrap();
        let refused = write(u64::MAX).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn h6_only_names_of_blobs_name_files() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::new(dir.path());
        let long = "0".repeat(33);
        for name in [
            "",
            "../../../../etc/passwd",
            "0",
            "é",
            "ABCDEF0123456789ABCDEF0123456789",
            &long,
        ] {
            assert!(blobs.path(name).is_err(), "{name}");
        }
    }
}
