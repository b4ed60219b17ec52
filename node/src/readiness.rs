//! Whether a node can do what requests ask of it: tried once in a while, for all who ask.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::node::Node;
use crate::store::StoreError;

/// How long what was found is told.
const TOLD: Duration = Duration::from_secs(1);
/// How long the store may take. Waiting for another process ends sooner.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found last.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    last: Mutex<Option<(Instant, Found)>>,
}

/// Why a node is not ready, in words for whoever asks.
type Found = Result<(), &'static str>;

impl Readiness {
    /// Tries it, unless somebody did a moment ago or is about to: whoever asks meanwhile is told the same.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) async fn of(&self, node: &Node) -> Found {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < TOLD
        {
            return *found;
        }
        let found = tried(node).await;
        *last = Some((Instant::now(), found));
        found
    }
}

async fn tried(node: &Node) -> Found {
    let probed = tokio::time::timeout(PATIENCE, node.store.probe()).await;
    let told = match &probed {
        Ok(Ok(())) if node.disk.is_low() => {
            Err("The disk has less than its reserve: values can be read and deleted, not written")
        }
        Ok(Ok(())) => Ok(()),
        Ok(Err(StoreError::Locked)) => Err("Another process holds the store"),
        Ok(Err(StoreError::DiskFull)) => Err("The disk is full"),
        Ok(Err(_)) => Err("The store cannot be read and written"),
        Err(_) => Err("The store does not answer"),
    };
    if let Err(why) = told {
        let error = probed.map(|probed| probed.err());
        tracing::warn!(?error, "not ready: {why}");
    }
    told
}
