//! Whether a node can do what requests ask of it: tried once in a while, for all who ask.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::node::Node;
use crate::store::StoreError;

/// How long what was found is told.
const TOLD: Duration = Duration::from_secs(1);
/// How long all of it may take. Waiting for another process ends sooner.
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
    let tried = tokio::time::timeout(PATIENCE, async {
        node.store.probe().await.map_err(|error| {
            let why = match &error {
                StoreError::Locked => "Another process holds the store",
                StoreError::DiskFull => "The disk is full",
                _ => "The store cannot be read and written",
            };
            (why, error.to_string())
        })?;
        if node.disk.is_low() {
            let why =
                "The disk has less than its reserve: values can be read and deleted, not written";
            return Err((why, String::new()));
        }
        let probed = node.blobs.probe().await;
        probed.map_err(|error| {
            (
                "Files of values cannot be written and read",
                error.to_string(),
            )
        })
    });
    let told = tried.await.unwrap_or_else(|_| {
        let why = "The store, or the files of values, do not answer";
        Err((why, String::new()))
    });
    told.map_err(|(why, error)| {
        tracing::warn!(error, "not ready: {why}");
        why
    })
}
