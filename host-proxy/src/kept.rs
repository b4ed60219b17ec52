//! Files in memory, read again when they change.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{document::Document, services};

/// How long a file is served before it is looked at again: asking often must not keep the disk busy.
const HOLDS: Duration = Duration::from_millis(500);

/// A file that changed less than this before it was read may change again and look the same.
const SETTLED: Duration = Duration::from_secs(2);

/// Bytes and files that are kept: more than a page has. Others are read whenever they are asked for.
const MOST_BYTES: usize = 64 * 1024 * 1024;
const MOST_FILES: usize = 1024;

/// Files that were read, by the names under which they were asked for.
#[derive(Default)]
pub(crate) struct Kept {
    files: Mutex<Files>,
    /// Who reads: one at a time, so that many who ask at once read a file once.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Files {
    bytes: usize,
    by_path: HashMap<PathBuf, File>,
}

struct File {
    document: Document,
    looked: Instant,
    /// `None`: what it looks like says nothing.
    stamp: Option<Stamp>,
}

/// What a file looks like from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: SystemTime,
}

impl Kept {
    /// The file at this path, with at most so many bytes. `inside`: its links must not lead out of
    /// this directory.
    ///
    /// # Errors
    ///
    /// Why it cannot be served, unless it is not there.
    pub(crate) async fn file(
        &self,
        path: &Path,
        inside: Option<&Path>,
        mime: &'static str,
        limit: usize,
    ) -> Result<Option<Document>, String> {
        if let Some(document) = self.looked_at(path) {
            return Ok(Some(document));
        }
        let full = match resolved(path, inside).await {
            Ok(full) => full,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.files().remove(path);
                return Ok(None);
            }
            Err(error) => return Err(error.to_string()),
        };
        let _reading = self.reading.lock().await;
        // somebody may have read it meanwhile
        if let Some(document) = self.looked_at(path) {
            return Ok(Some(document));
        }
        let looked = Instant::now();
        let stamp = stamp(&full).await.map_err(|error| error.to_string())?;
        if let Some(document) = self.files().unchanged(path, stamp, looked) {
            return Ok(Some(document));
        }
        let Some(body) = services::read(&full, limit).await? else {
            return Ok(None);
        };
        let document = Document::new(mime, body);
        let settled = |stamp: &Stamp| stamp.modified.elapsed().is_ok_and(|age| age > SETTLED);
        let file = File {
            document: document.clone(),
            looked,
            stamp: stamp.filter(settled),
        };
        self.files().keep(path, file);
        Ok(Some(document))
    }

    fn looked_at(&self, path: &Path) -> Option<Document> {
        let files = self.files();
        let file = files.by_path.get(path)?;
        (file.looked.elapsed() < HOLDS).then(|| file.document.clone())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn unchanged(
        &mut self,
        path: &Path,
        stamp: Option<Stamp>,
        looked: Instant,
    ) -> Option<Document> {
        let file = self.by_path.get_mut(path)?;
        let same = stamp.is_some() && file.stamp == stamp;
        same.then(|| {
            file.looked = looked;
            file.document.clone()
        })
    }

    fn keep(&mut self, path: &Path, file: File) {
        self.remove(path);
        let bytes = self.bytes.saturating_add(file.document.body.len());
        if bytes <= MOST_BYTES && self.by_path.len() < MOST_FILES {
            self.bytes = bytes;
            self.by_path.insert(path.to_owned(), file);
        }
    }

    fn remove(&mut self, path: &Path) {
        if let Some(file) = self.by_path.remove(path) {
            self.bytes -= file.document.body.len();
        }
    }
}

async fn resolved(path: &Path, inside: Option<&Path>) -> io::Result<PathBuf> {
    let full = tokio::fs::canonicalize(path).await?;
    if let Some(dir) = inside
        && !full.starts_with(tokio::fs::canonicalize(dir).await?)
    {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(full)
}

async fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let about = tokio::fs::metadata(path).await?;
    let length = about.len();
    // a system that keeps no times
    let modified = about.modified().ok();
    Ok(modified.map(|modified| Stamp { length, modified }))
}
