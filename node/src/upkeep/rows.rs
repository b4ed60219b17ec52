//! What the store records, compared with itself and with what its values have.

use openkey_capability::resource::SpaceId;

use super::{Checked, Finding, Part, Progress, UpkeepError, tokens};
use crate::kv::replayed;
use crate::store::sqlite::{Held, SqliteStore, ValueRow};

/// Rows in memory at once.
pub(super) const PAGE: u32 = 500;

/// What somebody does with each blob: its bytes' hash and number, or why it cannot be read.
pub(super) type OnBlob<'a> =
    &'a mut (dyn FnMut(&str) -> std::io::Result<(blake3::Hash, u64)> + Send);

/// Reads every row whose content can be compared with something.
pub(super) async fn check(
    store: &SqliteStore,
    on_blob: OnBlob<'_>,
    checked: &mut Checked,
    progress: &dyn Progress,
) -> Result<(), UpkeepError> {
    for (table, parent, rows) in store.dangling().await? {
        let problem = format!("{rows} rows of {table} refer to rows of {parent} that are missing");
        checked.find(Finding::new(Part::Store, problem));
    }
    for miscount in store.miscounted().await? {
        let problem = format!(
            "it holds {} bytes, and counts {}",
            miscount.held, miscount.counted
        );
        checked.find(match miscount.space {
            Some(space) => Finding::new(Part::Space, problem).space(&space),
            None => Finding::new(Part::Reservation, problem),
        });
    }
    spaces(store, checked).await?;
    values(store, on_blob, checked, progress).await?;
    tokens::delegations(store, checked, progress).await?;
    tokens::revocations(store, checked, progress).await?;
    tickets(store, checked).await?;
    for name in store.misnamed_reservations(PAGE).await? {
        let problem = "it is not the name of a blob, whose file could be removed";
        checked.find(Finding::new(Part::Reservation, problem).key(&name));
    }
    Ok(())
}

async fn spaces(store: &SqliteStore, checked: &mut Checked) -> Result<(), UpkeepError> {
    let mut after = i64::MIN;
    loop {
        let page = store.owners_after(after, PAGE).await?;
        let Some((last, _, _)) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (_, name, owner) in page {
            let problem = match SpaceId::parse(&name) {
                Err(error) => format!("its name is none: {error}"),
                Ok(space) if space.owner().as_str() != owner => {
                    format!("its recorded owner is {}", owner.escape_debug())
                }
                Ok(_) => continue,
            };
            checked.find(Finding::new(Part::Space, problem).space(&name));
        }
    }
}

async fn values(
    store: &SqliteStore,
    on_blob: OnBlob<'_>,
    checked: &mut Checked,
    progress: &dyn Progress,
) -> Result<(), UpkeepError> {
    let mut after = i64::MIN;
    loop {
        let page = store.values_after(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.place;
        for row in page {
            checked.values += 1;
            if matches!(row.held, Held::Blob { .. }) {
                checked.blobs += 1;
                checked.blob_bytes = checked.blob_bytes.saturating_add(row.size);
            }
            if let Some(problem) = wrong(&row, on_blob) {
                let finding = Finding::new(Part::Value, problem);
                checked.find(finding.space(&row.space).key(&row.key));
            }
            // one blob may be large
            progress.at("values", checked.values);
        }
    }
}

/// What of a value is not as recorded.
fn wrong(row: &ValueRow, on_blob: OnBlob<'_>) -> Option<String> {
    let (what, hash, size) = match &row.held {
        Held::Inline { hash, size } => ("its bytes".to_owned(), *hash, *size),
        Held::Blob { name, is_garbage } => {
            let blob = format!("its blob {}", name.escape_debug());
            match on_blob(name) {
                Err(error) => return Some(format!("{blob} cannot be read: {error}")),
                Ok(_) if *is_garbage => {
                    return Some(format!("{blob} is listed for removal as well"));
                }
                Ok((hash, size)) => (blob, *hash.as_bytes(), size),
            }
        }
    };
    if size != row.size {
        let recorded = row.size;
        return Some(format!(
            "{what}: there are {size} bytes, recorded are {recorded}"
        ));
    }
    if hash != row.hash {
        return Some(format!("{what}: they do not have the recorded hash"));
    }
    replayed(&row.headers).err().map(|error| error.to_string())
}

async fn tickets(store: &SqliteStore, checked: &mut Checked) -> Result<(), UpkeepError> {
    let mut after = Vec::new();
    loop {
        let page = store.tickets_after(after, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = last.clone();
        for (id, space) in page {
            if let Err(error) = SpaceId::parse(&space) {
                let problem = format!("the name of its space is none: {error}");
                let finding = Finding::new(Part::Ticket, problem);
                // whoever knows the hash of a ticket cannot use it
                checked.find(finding.key(&hex::encode(id)));
            }
        }
    }
}
