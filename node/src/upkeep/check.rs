//! Reading everything that is kept.

use std::io;
use std::path::Path;
use std::sync::Arc;

use openkey_edge::sqlite::{OpenError, Options};

use super::files::check_node;
use super::{
    Checked, Finding, Part, Progress, UpkeepError, databases, databases_failed, file, rows, strays,
};
use crate::blobs::{BlobsLock, LocalBlobs};
use crate::clock::SystemClock;
use crate::keys::NodeKeys;
use crate::node::{BLOBS, DATABASES};
use crate::sql::{LocalDatabases, SqlLimits};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;

/// Reads everything that is kept, compares it with what is recorded, and says what is not whole. The node
/// may serve meanwhile. It needs memory for some hundred rows and 32 bytes for each database.
///
/// # Errors
///
/// [`UpkeepError`] if it could not be read at all.
pub async fn check(dir: &Path, progress: &dyn Progress) -> Result<Checked, UpkeepError> {
    let mut checked = Checked::default();
    check_node(dir)?;
    if let Err(error) = NodeKeys::open(dir) {
        checked.find(Finding::new(Part::Secret, error.to_string()));
    }
    kept(dir, &mut checked, progress).await?;
    Ok(checked)
}

/// The same of everything but the secret.
pub(super) async fn kept(
    dir: &Path,
    checked: &mut Checked,
    progress: &dyn Progress,
) -> Result<(), UpkeepError> {
    let unreadable = match SqliteStore::check(dir) {
        Ok(()) => None,
        Err(
            error @ (OpenError::Damaged { .. }
            | OpenError::Behind { .. }
            | OpenError::Foreign { .. }
            | OpenError::Database(_)),
        ) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    if let Some(error) = unreadable {
        // what its rows say is of no use
        let problem = format!("{error} (nothing else was checked)");
        checked.find(Finding::new(Part::Store, problem));
        return Ok(());
    }
    let store = open(dir)?;
    // a value that is replaced meanwhile keeps its blob as long
    let _lock = keep_blobs(dir).await?;
    let blobs = LocalBlobs::new(&dir.join(BLOBS));
    let mut read = |name: &str| hash(&mut std::fs::File::open(blobs.path(name)?)?);
    rows::check(&store, &mut read, checked, progress).await?;
    strays::blobs(&store, &dir.join(BLOBS), checked).await?;
    let sql = dir.join(DATABASES);
    if sql.exists() {
        let local = LocalDatabases::open(&sql, SqlLimits::default()).map_err(databases_failed)?;
        let work = |id, done| {
            let damage = local.damage(&id);
            progress.at("databases", done);
            Ok(damage)
        };
        let listed = databases::listed(&store, checked, work).await?;
        strays::databases(&local, &sql, &listed, checked)?;
    } else {
        let gone = |_, _| {
            Ok(Some(format!(
                "its file is missing: there is no {}",
                sql.display()
            )))
        };
        databases::listed(&store, checked, gone).await?;
    }
    store.close().await;
    Ok(())
}

pub(super) fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(dir, Arc::new(SystemClock), Options::default())
}

/// From now on, and while it is held, no blob of a replaced value is removed.
pub(super) async fn keep_blobs(dir: &Path) -> Result<BlobsLock, UpkeepError> {
    let own = dir.to_owned();
    // it waits for who removes some
    let locked = tokio::task::spawn_blocking(move || BlobsLock::shared(&own)).await;
    locked
        .map_err(io::Error::other)
        .flatten()
        .map_err(file(dir))
}

/// BLAKE3 and number of all bytes.
fn hash(from: &mut dyn io::Read) -> io::Result<(blake3::Hash, u64)> {
    let mut hasher = blake3::Hasher::new();
    let size = io::copy(from, &mut hasher)?;
    Ok((hasher.finalize(), size))
}
