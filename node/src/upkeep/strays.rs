//! Files that no row lists. A request reads a database by its file, so one of these is checked as well.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::Duration;

use super::rows::PAGE;
use super::{Checked, Finding, Part, UpkeepError, file};
use crate::blobs::LocalBlobs;
use crate::sql::local::FileOf;
use crate::sql::{DatabaseId, LocalDatabases};
use crate::store::sqlite::SqliteStore;

/// Files younger than this may be on their way to a row: a database is listed when what made it ends.
const YOUNG: Duration = Duration::from_secs(60);

/// Finds files in the directory of blobs that neither a value nor a reservation lists.
pub(super) async fn blobs(
    store: &SqliteStore,
    dir: &Path,
    checked: &mut Checked,
) -> Result<(), UpkeepError> {
    let known = LocalBlobs::new(dir);
    let mut names: Vec<String> = Vec::new();
    for above in entries(dir)? {
        let path = above?.path();
        if !path.is_dir() {
            checked.find_garbage(&path);
            continue;
        }
        for entry in entries(&path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if known.path(&name).is_ok_and(|own| own == entry.path()) {
                names.push(name);
            } else {
                checked.find_garbage(&entry.path());
            }
            if names.len() >= PAGE as usize {
                unlisted(store, &known, std::mem::take(&mut names), checked).await?;
            }
        }
    }
    unlisted(store, &known, names, checked).await
}

async fn unlisted(
    store: &SqliteStore,
    known: &LocalBlobs,
    names: Vec<String>,
    checked: &mut Checked,
) -> Result<(), UpkeepError> {
    for name in store.unlisted_blobs(names).await? {
        // one that was removed meanwhile was listed when its file was found
        if let Ok(path) = known.path(&name)
            && path.exists()
        {
            checked.find_garbage(&path);
        }
    }
    Ok(())
}

/// Finds files in the directory of databases that belong to none that is listed.
pub(super) fn databases(
    local: &LocalDatabases,
    dir: &Path,
    listed: &BTreeSet<DatabaseId>,
    checked: &mut Checked,
) -> Result<(), UpkeepError> {
    for entry in entries(dir)? {
        let entry = entry?;
        let path = entry.path();
        match FileOf::named(&path) {
            FileOf::Database(id) if !listed.contains(&id) => {
                let is_being_made = entry.metadata().is_ok_and(|it| it.len() == 0);
                if !is_being_made && let Some(detail) = local.damage(&id) {
                    let problem = format!("{}, which no row lists: {detail}", path.display());
                    checked.find(Finding::new(Part::Database, problem));
                }
            }
            FileOf::Beside(id) if !listed.contains(&id) && !local.is_there(&id) => {}
            FileOf::Nobody => {}
            // an export that its process left is removed by the next one
            FileOf::Database(_) | FileOf::Beside(_) | FileOf::Export | FileOf::Locks => continue,
        }
        if !is_young(&entry) {
            checked.find_garbage(&path);
        }
    }
    Ok(())
}

fn is_young(entry: &DirEntry) -> bool {
    let modified = entry.metadata().and_then(|it| it.modified());
    // one that is gone, or from the future, is not called garbage either
    modified.map_or(true, |it| it.elapsed().map_or(true, |age| age < YOUNG))
}

/// What is in a directory, one after the other; nothing where there is none.
fn entries(dir: &Path) -> Result<impl Iterator<Item = Result<DirEntry, UpkeepError>>, UpkeepError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        other => Some(other.map_err(file(dir))?),
    };
    let dir = dir.to_owned();
    let entries = entries.into_iter().flatten();
    Ok(entries.map(move |entry| entry.map_err(file(&dir))))
}
