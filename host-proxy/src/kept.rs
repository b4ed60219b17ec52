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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use axum::body::Bytes;
    use tempfile::TempDir;
    use tokio::{task::JoinSet, time::advance};

    use super::*;

    const MIME: &str = "text/javascript";

    async fn file(kept: &Kept, path: &Path) -> Option<Document> {
        kept.file(path, None, MIME, usize::MAX).await.unwrap()
    }

    async fn text(kept: &Kept, path: &Path) -> String {
        let body = file(kept, path).await.unwrap().body;
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// Where the bytes of a document lie: every reading of a file has a place of its own.
    fn place(document: &Document) -> *const u8 {
        document.body.as_ptr()
    }

    /// Writes a file that changed last at a time.
    fn write(dir: &TempDir, text: &str, modified: SystemTime) -> PathBuf {
        let path = dir.path().join("file.js");
        std::fs::write(&path, text).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        path
    }

    #[tokio::test]
    async fn h1_a_file_that_many_ask_for_at_once_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(&dir, "one", SystemTime::now());
        let kept = Arc::new(Kept::default());
        let mut asked = JoinSet::new();
        for _ in 0..50 {
            let (kept, path) = (Arc::clone(&kept), path.clone());
            asked.spawn(async move { file(&kept, &path).await.unwrap() });
        }
        let found = asked.join_all().await;
        assert!(found.iter().all(|it| place(it) == place(&found[0])));
    }

    #[tokio::test]
    async fn h1_a_file_is_read_again_when_it_changed_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let earlier = SystemTime::now() - Duration::from_secs(60);
        let later = earlier + Duration::from_secs(1);
        let path = write(&dir, "one", earlier);
        let kept = Kept::default();
        tokio::time::pause();
        let first = file(&kept, &path).await.unwrap();
        // Whether it changed is looked for now and then, and at no other time.
        write(&dir, "two", later);
        assert_eq!(text(&kept, &path).await, "one");
        write(&dir, "one", earlier);
        for _ in 0..3 {
            advance(HOLDS).await;
            let again = file(&kept, &path).await.unwrap();
            assert_eq!(place(&again), place(&first));
        }
        assert!(kept.looked_at(&path).is_some());
        // Another time or another length tells.
        for (changed, modified) in [("two", later), ("three", later)] {
            write(&dir, changed, modified);
            advance(HOLDS).await;
            assert_eq!(text(&kept, &path).await, changed);
        }
        // One that changed just now can change again and look the same.
        let now = SystemTime::now();
        for changed in ["four", "five"] {
            write(&dir, changed, now);
            advance(HOLDS).await;
            assert_eq!(text(&kept, &path).await, changed);
        }
        std::fs::remove_file(&path).unwrap();
        advance(HOLDS).await;
        assert!(file(&kept, &path).await.is_none());
        assert_eq!(kept.files().bytes, 0);
    }

    /// At the shipped sizes.
    #[test]
    fn h1_no_more_is_kept_than_a_page_has() {
        const QUARTER: usize = MOST_BYTES / 4;
        let keep = |files: &mut Files, name: &str, bytes: usize| {
            let body = Bytes::from(vec![0; bytes]);
            let file = File {
                document: Document::hashed(MIME, body, [0; 32]),
                looked: Instant::now(),
                stamp: None,
            };
            files.keep(Path::new(name), file);
        };
        let mut files = Files::default();
        for n in 0..=MOST_FILES {
            keep(&mut files, &n.to_string(), 1);
        }
        assert_eq!((files.by_path.len(), files.bytes), (MOST_FILES, MOST_FILES));
        let mut files = Files::default();
        for name in ["a", "b", "c", "d", "e"] {
            keep(&mut files, name, QUARTER);
        }
        assert_eq!((files.by_path.len(), files.bytes), (4, MOST_BYTES));
        // A newer reading takes the place of the older one.
        keep(&mut files, "a", QUARTER);
        assert_eq!((files.by_path.len(), files.bytes), (4, MOST_BYTES));
        keep(&mut files, "a", 0);
        keep(&mut files, "e", QUARTER);
        assert_eq!((files.by_path.len(), files.bytes), (5, MOST_BYTES));
        for name in ["a", "b", "c", "d", "e"] {
            files.remove(Path::new(name));
        }
        assert_eq!(files.bytes, 0);
    }
}
