//! Checking, copying and taking back everything that a node keeps.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openkey_edge::sqlite::{DatabaseError, OpenError, Options};
use serde::Serialize;

use crate::blobs::{BlobsLock, LocalBlobs};
use crate::clock::SystemClock;
use crate::keys::{self, KeysError, NodeKeys};
use crate::node::{BLOBS, DATABASES, make_private};
use crate::sql::{LocalDatabases, SqlLimits};
use crate::store::sqlite::{BlobRow, SqliteStore};
use crate::store::{Page, StoreError};

/// Blobs looked at between two words of progress.
const PAGE: u32 = 500;
/// What a backup is known by.
const MARK: &str = "openkey-node-backup";

/// Is told how far long work is.
pub trait Progress {
    /// So many of them are done.
    fn at(&self, what: &str, done: u64);
}

/// Tells nobody.
impl Progress for () {
    fn at(&self, _: &str, _: u64) {}
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Databases that were read.
    pub databases: u64,
    /// What is not whole, each in a sentence.
    pub findings: Vec<String>,
}

/// What was copied.
#[derive(Debug, Default, Serialize)]
pub struct Copied {
    /// Blobs.
    pub blobs: u64,
    /// Databases.
    pub databases: u64,
}

/// Why upkeep did not end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// There is no node in a directory.
    #[error("{0} holds no node: name its directory with --dir")]
    NoNode(PathBuf),
    /// A directory is there already.
    #[error("{0} exists: name a directory that is not there yet")]
    Exists(PathBuf),
    /// A directory is not empty.
    #[error("{0} is not empty: name a directory that is empty or not there yet")]
    NotEmpty(PathBuf),
    /// It is no backup, or one that did not end.
    #[error("{0} is no backup that was finished: name a directory that `openkey-node backup` made")]
    NoBackup(PathBuf),
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// The file's path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The secret.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Databases.
    #[error("databases: {0}")]
    Databases(String),
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> UpkeepError {
    let path = path.to_owned();
    move |error| UpkeepError::File { path, error }
}

fn databases(error: impl std::fmt::Display) -> UpkeepError {
    UpkeepError::Databases(error.to_string())
}

/// Reads everything that is kept and says what is not whole. The node may serve meanwhile.
///
/// # Errors
///
/// [`UpkeepError`] if it could not be read at all.
pub async fn check(dir: &Path, progress: &dyn Progress) -> Result<Checked, UpkeepError> {
    let mut checked = Checked::default();
    if !dir.join(keys::FILE_NAME).exists() {
        return Err(UpkeepError::NoNode(dir.to_owned()));
    }
    if let Err(error) = NodeKeys::open(dir) {
        checked.findings.push(error.to_string());
    }
    match SqliteStore::check(dir) {
        Err(OpenError::Damaged { path, detail }) => {
            checked
                .findings
                .push(format!("{} is damaged: {detail}", path.display()));
            return Ok(checked);
        }
        Err(OpenError::Database(detail)) => {
            let dir = dir.display();
            let finding = format!("the store in {dir} cannot be read: {detail}");
            checked.findings.push(finding);
            return Ok(checked);
        }
        other => other?,
    }
    let store = open(dir)?;
    // a value that is replaced meanwhile keeps its blob as long
    let _lock = keep_blobs(dir).await?;
    checked.findings.extend(store.miscounted().await?);
    let blobs = LocalBlobs::new(&dir.join(BLOBS));
    each_blob(&store, async |row| {
        if let Some(finding) = check_blob(&blobs, &row) {
            checked.findings.push(finding);
        }
        checked.blobs += 1;
        checked.blob_bytes += row.size;
        if checked.blobs.is_multiple_of(u64::from(PAGE)) {
            progress.at("blobs", checked.blobs);
        }
        Ok(())
    })
    .await?;
    let sql = dir.join(DATABASES);
    if sql.exists() {
        let local = LocalDatabases::open(&sql, SqlLimits::default()).map_err(databases)?;
        let findings = local.check(&mut |done, _| {
            checked.databases = done;
            progress.at("databases", done);
        });
        let findings = findings.map_err(databases)?;
        let told = findings
            .iter()
            .map(|it| format!("{} is damaged: {}", it.path.display(), it.detail));
        checked.findings.extend(told);
    }
    Ok(checked)
}

fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(dir, Arc::new(SystemClock), Options::default())
}

/// From now on, and while it is held, no blob of a replaced value is removed.
async fn keep_blobs(dir: &Path) -> Result<BlobsLock, UpkeepError> {
    let own = dir.to_owned();
    // it waits for who removes some
    let locked = tokio::task::spawn_blocking(move || BlobsLock::shared(&own)).await;
    locked
        .map_err(io::Error::other)
        .flatten()
        .map_err(file(dir))
}

fn check_blob(blobs: &LocalBlobs, row: &BlobRow) -> Option<String> {
    let read = || -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut fs::File::open(blobs.path(&row.name)?)?, &mut hasher)?;
        Ok(hasher.finalize())
    };
    match read() {
        Ok(hash) if *hash.as_bytes() == row.hash => None,
        Ok(_) => Some(format!(
            "blob {} does not hold the value that was written",
            row.name
        )),
        Err(error) => Some(format!("blob {} cannot be read: {error}", row.name)),
    }
}

async fn each_blob(
    store: &SqliteStore,
    mut work: impl AsyncFnMut(BlobRow) -> Result<(), UpkeepError>,
) -> Result<(), UpkeepError> {
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    loop {
        let rows = store.blobs(page.clone()).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        page.after = Some(last.name.clone());
        for row in rows {
            work(row).await?;
        }
    }
}

/// Copies everything as of about now. The store is copied as of one moment; until its blobs are copied, no
/// node removes the blob of a replaced value, so that what the copy names can be copied, and the spaces of
/// replaced values have less room. A database is copied as of the moment that its turn comes.
///
/// # Errors
///
/// [`UpkeepError`].
pub async fn backup(dir: &Path, to: &Path, progress: &dyn Progress) -> Result<Copied, UpkeepError> {
    let key = dir.join(keys::FILE_NAME);
    // opening would make what is missing, and its copy would be one of nothing
    if !key.exists() || !SqliteStore::is_in(dir) {
        return Err(UpkeepError::NoNode(dir.to_owned()));
    }
    if to.exists() {
        return Err(UpkeepError::Exists(to.to_owned()));
    }
    make_dir(to)?;
    let mut copied = Copied::default();
    let lock = keep_blobs(dir).await?;
    open(dir)?.backup(to.to_owned()).await?;
    let copy = open(to)?;
    let (from_blobs, to_blobs) = (
        LocalBlobs::new(&dir.join(BLOBS)),
        LocalBlobs::new(&to.join(BLOBS)),
    );
    each_blob(&copy, async |row| {
        let (from, to) = (from_blobs.path(&row.name), to_blobs.path(&row.name));
        let (Ok(from), Ok(to)) = (from, to) else {
            return Err(StoreError::Failed {
                reason: format!("the store names a blob {}", row.name),
            }
            .into());
        };
        make_dir(to.parent().unwrap_or(&to))?;
        fs::copy(&from, &to).map_err(file(&from))?;
        copied.blobs += 1;
        if copied.blobs.is_multiple_of(u64::from(PAGE)) {
            progress.at("blobs", copied.blobs);
        }
        Ok(())
    })
    .await?;
    drop(lock);
    crate::store::Store::close(&copy).await;
    let sql = dir.join(DATABASES);
    if sql.exists() {
        let local = LocalDatabases::open(&sql, SqlLimits::default()).map_err(databases)?;
        let copying = local.backup(&to.join(DATABASES), &mut |done, _| {
            copied.databases = done;
            progress.at("databases", done);
        });
        copying.map_err(databases)?;
    }
    fs::copy(&key, to.join(keys::FILE_NAME)).map_err(file(&key))?;
    sync_all(to)?;
    // last, also on the disk: what does not bear it did not end
    let mark = to.join(MARK);
    fs::write(&mark, b"1\n").map_err(file(&mark))?;
    sync(&mark)?;
    sync(to)?;
    Ok(copied)
}

/// Takes what a backup holds into a directory that is empty or not there.
///
/// # Errors
///
/// [`UpkeepError`].
pub fn restore(dir: &Path, from: &Path, progress: &dyn Progress) -> Result<Copied, UpkeepError> {
    if !from.join(MARK).exists() {
        return Err(UpkeepError::NoBackup(from.to_owned()));
    }
    let is_empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(file(dir)(error)),
    };
    if !is_empty {
        return Err(UpkeepError::NotEmpty(dir.to_owned()));
    }
    make_dir(dir)?;
    let mut copied = Copied::default();
    copy_tree(from, dir, &mut |path| {
        if path.starts_with(BLOBS) {
            copied.blobs += 1;
            if copied.blobs.is_multiple_of(u64::from(PAGE)) {
                progress.at("blobs", copied.blobs);
            }
        } else if path.starts_with(DATABASES) {
            copied.databases += 1;
        }
    })?;
    sync_all(dir)?;
    // last, also on the disk: a directory without it is no node
    let (key, own) = (from.join(keys::FILE_NAME), dir.join(keys::FILE_NAME));
    fs::copy(&key, &own).map_err(file(&key))?;
    sync(&own)?;
    sync(dir)?;
    Ok(copied)
}

/// Copies everything but the mark and the secret.
fn copy_tree(from: &Path, to: &Path, copied: &mut dyn FnMut(&Path)) -> Result<(), UpkeepError> {
    for (name, path) in tree(from)? {
        if name == Path::new(MARK) || name == Path::new(keys::FILE_NAME) {
            continue;
        }
        let target = to.join(&name);
        make_dir(target.parent().unwrap_or(to))?;
        fs::copy(&path, &target).map_err(file(&path))?;
        copied(&name);
    }
    Ok(())
}

/// Every file below a directory: its name from there, and its path.
fn tree(dir: &Path) -> Result<Vec<(PathBuf, PathBuf)>, UpkeepError> {
    let mut files = Vec::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(below) = dirs.pop() {
        let here = dir.join(&below);
        for entry in fs::read_dir(&here).map_err(file(&here))? {
            let entry = entry.map_err(file(&here))?;
            let name = below.join(entry.file_name());
            if entry.file_type().map_err(file(&here))?.is_dir() {
                dirs.push(name);
            } else {
                files.push((name, entry.path()));
            }
        }
    }
    Ok(files)
}

/// Every file below a directory, and every name on the way to it.
fn sync_all(dir: &Path) -> Result<(), UpkeepError> {
    let parent = dir.parent().filter(|it| !it.as_os_str().is_empty());
    let mut dirs = BTreeSet::from([dir.to_owned(), parent.unwrap_or(Path::new(".")).to_owned()]);
    for (_, path) in tree(dir)? {
        sync(&path)?;
        let above = path.ancestors().skip(1);
        dirs.extend(
            above
                .take_while(|it| it.starts_with(dir))
                .map(Path::to_owned),
        );
    }
    dirs.iter().try_for_each(|dir| sync(dir))
}

fn sync(path: &Path) -> Result<(), UpkeepError> {
    let synced = fs::File::open(path).and_then(|it| it.sync_all());
    synced.map_err(file(path))
}

fn make_dir(dir: &Path) -> Result<(), UpkeepError> {
    make_private(dir).map_err(file(dir))
}
