//! A node: its parts, and what it does on its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openkey_edge::sqlite::{OpenError, Options};

use crate::authority::Authority;
use crate::beginning::Beginning;
use crate::blobs::{Blobs, BlobsLock, LocalBlobs};
use crate::clock::Clock;
use crate::config::Config;
use crate::disk::Disk;
use crate::exports::Exports;
use crate::kept_time::KeptTime;
use crate::keys::{KeysError, NodeKeys};
use crate::readiness::Readiness;
use crate::signs::Signs;
use crate::sql::{Databases, SqlLimits, SqlWorkers};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::turns::Turns;
use crate::upkeep;

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
/// How often it looks how much room there is.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    /// The disk that all of it is on.
    pub disk: Arc<Disk>,
    /// What an operator should see.
    pub signs: Arc<Signs>,
    pub(crate) exports: Arc<Exports>,
    /// Of who writes many values at once.
    pub(crate) large_writes: Turns,
    clock: Arc<KeptTime>,
    readiness: Readiness,
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
    /// There was a node, and its store is gone.
    #[error(
        "{0} is missing or empty, and there was a node here: restore it from a backup; a new node begins in an empty directory"
    )]
    Lost(std::path::PathBuf),
    /// It is a copy that stands in for the node, and must stay as it is.
    #[error(
        "{0} is a backup: take it back with `openkey-node restore --dir DIR {0}`, and start the node with --dir DIR"
    )]
    Backup(std::path::PathBuf),
    /// A directory of files that the store names is gone.
    #[error(
        "{0} is missing, and the node's store names files in it: bring it back, or restore a backup"
    )]
    FilesLost(std::path::PathBuf),
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
        if config.dir.join(upkeep::MARK).exists() {
            return Err(OpenNodeError::Backup(config.dir));
        }
        let beginning = Beginning::of(&config.dir)?;
        let keys = NodeKeys::open(&config.dir)?;
        let disk = Arc::new(Disk::new(&config.dir, config.reserve_bytes));
        // first: where nothing is free, nothing can be opened
        disk.tend();
        let store = SqliteStore::open(&config.dir, clock, options)?;
        for name in store.directories()? {
            let path = config.dir.join(name);
            if !path.is_dir() {
                return Err(OpenNodeError::FilesLost(path));
            }
        }
        let clock = store.time();
        clock.allow(config.longest_invocation_ms());
        let store: Arc<dyn Store> = Arc::new(store.on(Arc::clone(&disk)));
        beginning.end()?;
        let limits = SqlLimits {
            workers: config.sql_workers,
            ..SqlLimits::default()
        };
        let dir = config.dir.join(DATABASES);
        let databases = SqlWorkers::open(&dir, limits, config.sql_program.clone())
            .map_err(OpenNodeError::Databases)?;
        Ok(Self {
            keys,
            blobs: Arc::new(LocalBlobs::new(&config.dir.join(BLOBS)).on(Arc::clone(&disk))),
            disk,
            databases: Arc::new(databases),
            authority: Authority::new(Arc::clone(&store)),
            store,
            config,
            clock,
            signs: Arc::default(),
            exports: Arc::new(Exports::new()),
            large_writes: Turns::of(1),
            readiness: Readiness::default(),
        })
    }

    /// Now, in milliseconds of Unix time.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// What tells the time.
    pub(crate) fn clock(&self) -> Arc<KeptTime> {
        Arc::clone(&self.clock)
    }

    /// By how much the machine's clock is ahead of the node's time, in milliseconds, if it is not followed.
    #[must_use]
    pub fn clock_off_ms(&self) -> Option<i64> {
        self.clock.off_ms()
    }

    /// Whether it can do what requests ask of it, as of a second ago at most.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn ready(&self) -> Result<(), &'static str> {
        self.readiness.of(self).await
    }

    /// Forgets what is of no use any more, again and again, and looks after the disk.
    pub async fn keep_tidy(&self) {
        tokio::join!(self.keep_forgetting(), self.keep_room());
    }

    async fn keep_room(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut was_low = None;
        loop {
            ticks.tick().await;
            self.disk.tend();
            let is_low = self.disk.is_low();
            if was_low != Some(is_low) && self.store.spare(is_low).await.is_ok() {
                if is_low {
                    tracing::warn!("the disk has less than its reserve: nothing grows");
                }
                was_low = Some(is_low);
            }
        }
    }

    async fn keep_forgetting(&self) {
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
        let sure_ms = self.clock.soon_ms().unwrap_or(now_ms).min(now_ms);
        let dead_before_ms = sure_ms.saturating_sub(DEAD_MS);
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
