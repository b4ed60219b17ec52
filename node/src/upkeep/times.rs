//! The time that a node goes by.

use std::path::Path;

use serde::Serialize;

use super::UpkeepError;
use super::check::open;
use super::files::check_node;
use crate::clock::{Clock as _, SystemClock};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;

/// Two times, in milliseconds of Unix time.
#[derive(Debug, Serialize)]
pub struct Times {
    /// What the node goes by.
    pub node_ms: i64,
    /// What the machine's clock says.
    pub machine_ms: i64,
}

/// Says what time a node goes by, after it was told to go by the machine's clock, if it was.
///
/// # Errors
///
/// [`UpkeepError`].
pub async fn clock(dir: &Path, accept: bool) -> Result<Times, UpkeepError> {
    check_node(dir)?;
    if !SqliteStore::is_in(dir) {
        return Err(UpkeepError::NoNode(dir.to_owned()));
    }
    let store = open(dir)?;
    let time = store.time();
    if accept {
        store.accept_clock().await?;
    }
    let times = Times {
        node_ms: time.now_ms(),
        machine_ms: SystemClock.now_ms(),
    };
    store.close().await;
    Ok(times)
}
