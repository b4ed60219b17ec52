//! A node: its parts, and what it does on its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openkey_edge::sqlite::{OpenError, Options};

use crate::authority::Authority;
use crate::blobs::{Blobs, BlobsLock, LocalBlobs};
use crate::clock::Clock;
use crate::config::Config;
use crate::keys::{self, KeysError, NodeKeys};
use crate::sql::{Databases, SqlLimits, SqlWorkers};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

/// The directory of blobs in a node's.
pub const BLOBS: &str = "blobs";
/// The directory of databases in a node's.
pub const DATABASES: &str = "sql";

/// After how long a blob that was being received, and whose reservation was not renewed, is removed, in
/// milliseconds: the process that received it has ended.
const DEAD_MS: i64 = 10 * 60_000;
/// How long the blob of a replaced value stays, in milliseconds: whoever has read its name opens it.
const REPLACED_MS: i64 = 60_000;
/// Blobs removed at once.
const REMOVED: u32 = 200;
/// How often the node tidies.
const TIDY_EVERY: Duration = Duration::from_secs(20);

/// A node.
pub struct Node {
    /// What it was told.
    pub config: Config,
    /// What it is known by.
    pub keys: NodeKeys,
    /// What it remembers.
    pub store: Arc<dyn Store>,
    /// Where large values are.
    pub blobs: Arc<dyn Blobs>,
    /// Databases of spaces.
    pub databases: Arc<dyn Databases>,
    /// What tokens rest on.
    pub authority: Authority,
    clock: Arc<dyn Clock>,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenNodeError {
    /// The directory is not its own.
    #[error("cannot use {path}: {error}")]
    Directory {
        /// The directory's path.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The secret.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Databases.
    #[error("databases: {0}")]
    Databases(String),
}

impl Node {
    /// Opens what is in the directory, and makes what is not.
    ///
    /// # Errors
    ///
    /// [`OpenNodeError`], saying what to do.
    pub fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, OpenNodeError> {
        make_private(&config.dir).map_err(|error| OpenNodeError::Directory {
            path: config.dir.clone(),
            error,
        })?;
        // The secret is made before the store, so where a store is found there was one: its loss must
        // not make another node of this one.
        let has_store = SqliteStore::is_in(&config.dir);
        let secret = config.dir.join(keys::FILE_NAME);
        if has_store && !secret.exists() {
            return Err(KeysError::Missing(secret).into());
        }
        let keys = NodeKeys::open(&config.dir)?;
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&config.dir, Arc::clone(&clock), options)?);
        let limits = SqlLimits {
            workers: config.sql_workers,
            ..SqlLimits::default()
        };
        let dir = config.dir.join(DATABASES);
        let databases = SqlWorkers::open(&dir, limits, config.sql_program.clone())
            .map_err(OpenNodeError::Databases)?;
        Ok(Self {
            keys,
            blobs: Arc::new(LocalBlobs::new(&config.dir.join(BLOBS))),
            databases: Arc::new(databases),
            authority: Authority::new(Arc::clone(&store)),
            store,
            config,
            clock,
        })
    }

    /// Now, in milliseconds of Unix time.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Forgets what is of no use any more, again and again.
    pub async fn keep_tidy(&self) {
        let mut ticks = tokio::time::interval(TIDY_EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, "tidying failed; it is tried again");
            }
        }
    }

    /// Forgets what is of no use any more, once.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        // as much as there is: what many clients leave in a moment must not pile up
        while self.store.tidy(now_ms).await? {}
        while self.remove_garbage(now_ms).await? {}
        Ok(())
    }

    /// Removes some blobs that are part of no value. True: there may be more.
    async fn remove_garbage(&self, now_ms: i64) -> Result<bool, StoreError> {
        let lock = BlobsLock::try_exclusive(&self.config.dir);
        let lock = lock.map_err(|error| StoreError::Failed {
            reason: format!("the lock of blobs: {error}"),
        })?;
        // A backup copies values as they were when it began; none of them was being received then.
        let replaced_before_ms = match lock {
            Some(_) => now_ms.saturating_sub(REPLACED_MS),
            None => i64::MIN,
        };
        let dead_before_ms = now_ms.saturating_sub(DEAD_MS);
        let claimed = self
            .store
            .claim_garbage(dead_before_ms, replaced_before_ms, REMOVED)
            .await?;
        let is_full = claimed.len() >= REMOVED as usize;
        let mut removed = Vec::with_capacity(claimed.len());
        for name in claimed {
            match self.blobs.remove(&name).await {
                Ok(()) => removed.push(name),
                Err(error) => {
                    tracing::warn!(%error, "a blob that is no value's could not be removed")
                }
            }
        }
        // where nothing can be removed another round is of no use
        let goes_on = is_full && !removed.is_empty();
        if !removed.is_empty() {
            self.store.removed(removed).await?;
        }
        Ok(goes_on)
    }
}

/// Makes a directory for its owner alone, unless it is there.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}
