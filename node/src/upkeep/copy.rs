//! Backups, and taking back what is in one.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::check::{keep_blobs, kept, open};
use super::files::{check_node, check_outside, make_dir, sync, sync_all, tree};
use super::{
    Checked, Copied, Finding, MARK, Part, Progress, UpkeepError, databases, databases_failed, file,
    rows,
};
use crate::blobs::LocalBlobs;
use crate::keys::{self, KeysError, NodeKeys};
use crate::node::{BLOBS, DATABASES};
use crate::sql::local::{FileOf, NoRoom};
use crate::sql::{LocalDatabases, SqlLimits};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;

/// Copies everything as of about now. The store is copied as of one moment; until its blobs are copied, no
/// node removes the blob of a replaced value, so that what the copy names can be copied, and the spaces of
/// replaced values have less room. A database is copied as of the moment that its turn comes.
///
/// What is copied is compared with what is recorded of it, and a copy that is not whole is left without its
/// mark: it is no backup. Databases are only read.
///
/// # Errors
///
/// [`UpkeepError`]; [`UpkeepError::NoWholeNode`] names what is not whole.
pub async fn backup(dir: &Path, to: &Path, progress: &dyn Progress) -> Result<Copied, UpkeepError> {
    let key = dir.join(keys::FILE_NAME);
    // opening would make what is missing, and its copy would be one of nothing
    check_node(dir)?;
    if !SqliteStore::is_in(dir) {
        return Err(UpkeepError::NoNode(dir.to_owned()));
    }
    if to.exists() {
        return Err(UpkeepError::Exists(to.to_owned()));
    }
    check_outside(to, dir)?;
    NodeKeys::open(dir)?;
    make_dir(to)?;
    let mut checked = Checked::default();
    let lock = keep_blobs(dir).await?;
    let store = open(dir)?;
    store.backup(to.to_owned()).await?;
    store.close().await;
    let copy = open(to)?;
    let (from_blobs, to_blobs) = (
        LocalBlobs::new(&dir.join(BLOBS)),
        LocalBlobs::new(&to.join(BLOBS)),
    );
    let mut unwritten = None;
    let mut copy_blob = |name: &str| {
        // nothing is read for a copy that is given up
        if unwritten.is_some() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        copy_hashed(
            &from_blobs.path(name)?,
            &to_blobs.path(name)?,
            &mut unwritten,
        )
    };
    rows::check(&copy, &mut copy_blob, &mut checked, progress).await?;
    drop(lock);
    if let Some(error) = unwritten {
        return Err(given_up(to, error));
    }
    let databases = copy_databases(dir, to, &copy, &mut checked, progress).await?;
    copy.close().await;
    if !checked.is_whole() {
        return Err(UpkeepError::NoWholeNode {
            dir: dir.to_owned(),
            to: to.to_owned(),
            found: Box::new(checked),
        });
    }
    fs::copy(&key, to.join(keys::FILE_NAME)).map_err(file(&key))?;
    sync_all(to)?;
    // last, also on the disk: what does not bear it did not end
    let mark = to.join(MARK);
    fs::write(&mark, b"1\n").map_err(file(&mark))?;
    sync(&mark)?;
    sync(to)?;
    Ok(Copied {
        blobs: checked.blobs,
        databases,
    })
}

/// All databases: those that the copy of the store lists must be there, and one that it does not list may
/// be read by requests all the same. Answers how many were copied.
async fn copy_databases(
    dir: &Path,
    to: &Path,
    copy: &SqliteStore,
    checked: &mut Checked,
    progress: &dyn Progress,
) -> Result<u64, UpkeepError> {
    let sql = dir.join(DATABASES);
    if !sql.exists() {
        let gone = |_, _| {
            Ok(Some(format!(
                "its file is missing: there is no {}",
                sql.display()
            )))
        };
        databases::listed(copy, checked, gone).await?;
        return Ok(0);
    }
    let local = LocalDatabases::open(&sql, SqlLimits::default()).map_err(databases_failed)?;
    let files = to.join(DATABASES);
    make_dir(&files)?;
    let full = |_: NoRoom| given_up(to, io::ErrorKind::StorageFull.into());
    let mut copied = 0;
    let work = |id, _| {
        let failure = local.copy_to(&id, &files).map_err(full)?;
        copied += 1;
        progress.at("databases", copied);
        Ok(failure)
    };
    let listed = databases::listed(copy, checked, work).await?;
    for entry in fs::read_dir(&sql).map_err(file(&sql))? {
        let path = entry.map_err(file(&sql))?.path();
        let FileOf::Database(id) = FileOf::named(&path) else {
            continue;
        };
        // an empty one is being made
        if listed.contains(&id) || fs::metadata(&path).is_ok_and(|it| it.len() == 0) {
            continue;
        }
        if let Some(failure) = local.copy_to(&id, &files).map_err(full)? {
            checked.find(Finding::new(Part::Database, failure));
        }
        copied += 1;
        progress.at("databases", copied);
    }
    Ok(copied)
}

/// A copy that could not be written says nothing of what was to be copied.
fn given_up(to: &Path, error: io::Error) -> UpkeepError {
    UpkeepError::Unwritten {
        to: to.to_owned(),
        error,
    }
}

/// Copies a file, and answers what was in it. What keeps it from being written is kept beside.
fn copy_hashed(
    from: &Path,
    to: &Path,
    unwritten: &mut Option<io::Error>,
) -> io::Result<(blake3::Hash, u64)> {
    let mut source = fs::File::open(from)?;
    let mut keep = |error: io::Error| {
        let kind = error.kind();
        *unwritten = Some(error);
        io::Error::from(kind)
    };
    let mut target = make(to).map_err(&mut keep)?;
    let mut both = Hashing {
        to: &mut target,
        hasher: blake3::Hasher::new(),
        keep,
    };
    let size = io::copy(&mut source, &mut both)?;
    Ok((both.hasher.finalize(), size))
}

fn make(path: &Path) -> io::Result<fs::File> {
    if let Some(above) = path.parent() {
        crate::node::make_private(above)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Hashes what is written.
struct Hashing<'a, K> {
    to: &'a mut fs::File,
    hasher: blake3::Hasher,
    /// Keeps why something was not written.
    keep: K,
}

impl<K: FnMut(io::Error) -> io::Error> io::Write for Hashing<'_, K> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes).map_err(&mut self.keep)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Takes what a backup holds into a directory that is empty or not there, and checks it there.
///
/// # Errors
///
/// [`UpkeepError`]; [`UpkeepError::NoWholeBackup`] names what is not whole.
pub async fn restore(
    dir: &Path,
    from: &Path,
    progress: &dyn Progress,
) -> Result<Copied, UpkeepError> {
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
    check_outside(dir, from)?;
    let (key, own) = (from.join(keys::FILE_NAME), dir.join(keys::FILE_NAME));
    // opening would make one
    if !key.exists() {
        return Err(KeysError::Missing(key).into());
    }
    NodeKeys::open(from)?;
    make_dir(dir)?;
    let databases = copy_tree(from, dir, progress)?;
    let mut checked = Checked::default();
    kept(dir, &mut checked, progress).await?;
    if !checked.is_whole() {
        return Err(UpkeepError::NoWholeBackup {
            from: from.to_owned(),
            dir: dir.to_owned(),
            found: Box::new(checked),
        });
    }
    sync_all(dir)?;
    // last, also on the disk: a directory without it is no node
    fs::copy(&key, &own).map_err(file(&key))?;
    sync(&own)?;
    sync(dir)?;
    Ok(Copied {
        blobs: checked.blobs,
        databases,
    })
}

/// Copies everything but the mark and the secret. Answers how many databases there are.
fn copy_tree(from: &Path, to: &Path, progress: &dyn Progress) -> Result<u64, UpkeepError> {
    let mut databases = 0;
    for (done, (name, path)) in (1..).zip(tree(from)?) {
        if name == Path::new(MARK) || name == Path::new(keys::FILE_NAME) {
            continue;
        }
        let target = to.join(&name);
        make_dir(target.parent().unwrap_or(to))?;
        fs::copy(&path, &target).map_err(file(&path))?;
        databases += u64::from(matches!(FileOf::named(&path), FileOf::Database(_)));
        progress.at("files", done);
    }
    Ok(databases)
}
