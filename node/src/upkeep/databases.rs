//! Listed databases against their files.

use std::collections::BTreeSet;

use openkey_capability::resource::{SpaceId, SpaceResource};

use super::rows::PAGE;
use super::{Checked, Finding, Part, UpkeepError};
use crate::databases::SERVICE;
use crate::sql::DatabaseId;
use crate::store::sqlite::{DatabaseRow, SqliteStore};

/// Goes through all databases that the store lists, and answers which they are: 32 bytes of memory for
/// each. What `work` says is wrong with one is a finding.
pub(super) async fn listed(
    store: &SqliteStore,
    checked: &mut Checked,
    mut work: impl FnMut(DatabaseId, u64) -> Result<Option<String>, UpkeepError>,
) -> Result<BTreeSet<DatabaseId>, UpkeepError> {
    let mut ids = BTreeSet::new();
    let mut after = (i64::MIN, String::new());
    loop {
        let page = store.databases_after(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(ids);
        };
        after = last.place.clone();
        for row in page {
            checked.databases += 1;
            let problem = match id(&row) {
                Ok(id) => {
                    ids.insert(id);
                    work(id, checked.databases)?
                }
                Err(problem) => Some(problem),
            };
            if let Some(problem) = problem {
                let finding = Finding::new(Part::Database, problem);
                checked.find(finding.space(&row.space).key(&row.place.1));
            }
        }
    }
}

fn id(row: &DatabaseRow) -> Result<DatabaseId, String> {
    let none = |error: &dyn core::fmt::Display| format!("its name is none: {error}");
    let space = SpaceId::parse(&row.space).map_err(|error| none(&error))?;
    let resource = SpaceResource::new(space, SERVICE, Some(&row.place.1));
    let resource = resource.map_err(|error| none(&error))?;
    DatabaseId::new(&resource).map_err(|error| none(&error))
}
