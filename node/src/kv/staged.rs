//! Blobs that are removed unless they become part of values.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::blobs::{BlobWriter, Blobs};
use crate::node::Node;
use crate::store::Store;

/// Blobs of one request. Dropped before they are settled, they are removed in the background: their client
/// may have gone, and the request with it.
pub(super) struct Staged {
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    names: Vec<String>,
    /// A file that is being made.
    creating: Option<JoinHandle<io::Result<Box<dyn BlobWriter>>>>,
}

impl Staged {
    pub(super) fn new(node: &Node) -> Self {
        Self {
            store: Arc::clone(&node.store),
            blobs: Arc::clone(&node.blobs),
            names: Vec::new(),
            creating: None,
        }
    }

    /// From now on this name is removed.
    pub(super) fn add(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// Makes the file of a name.
    pub(super) async fn create(&mut self, name: &str) -> io::Result<Box<dyn BlobWriter>> {
        let (blobs, name) = (Arc::clone(&self.blobs), name.to_owned());
        // In a task of its own: a file that a thread is about to make cannot be called back, so whoever
        // removes it must be able to wait for it.
        let creating = tokio::spawn(async move { blobs.create(&name).await });
        let created = self.creating.insert(creating).await;
        self.creating = None;
        created.map_err(io::Error::other)?
    }

    /// They are part of values.
    pub(super) fn settle(&mut self) {
        self.names.clear();
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let names = std::mem::take(&mut self.names);
        // without a runtime the node ends: they are removed some minutes after the next start
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if names.is_empty() {
            return;
        }
        let (store, blobs) = (Arc::clone(&self.store), Arc::clone(&self.blobs));
        let creating = self.creating.take();
        runtime.spawn(async move {
            if let Some(creating) = creating {
                let _ = creating.await;
            }
            if let Err(error) = remove(&*store, &*blobs, names).await {
                tracing::warn!(%error, "a refused body could not be removed; it is tried again");
            }
        });
    }
}

async fn remove(
    store: &dyn Store,
    blobs: &dyn Blobs,
    names: Vec<String>,
) -> Result<(), crate::error::Error> {
    // The store does in order what it was asked: a write of these names that nobody waits for any more
    // comes before this, and what it has made values of is not taken.
    let taken = store.discard(names).await?;
    for name in &taken {
        blobs.remove(name).await?;
    }
    Ok(store.removed(taken).await?)
}
