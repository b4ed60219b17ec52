//! Requests of this process that write one database take turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::sql::DatabaseId;

/// Databases that are remembered though nobody writes them.
const MOST: usize = 1024;

/// The turns of every database.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<DatabaseId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until it is this one's turn to write; over when dropped.
    pub(super) async fn enter(&self, id: DatabaseId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= MOST && !turns.contains_key(&id) {
                // who waits or writes holds one
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(id).or_default())
        };
        turn.lock_owned().await
    }
}
