//! What the store is on: its file, its disk, its time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openkey_edge::sqlite::{Database, DatabaseError, Durability, OpenError, Options};
use rusqlite::Connection;

use super::{SqliteStore, schema, times};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::kept_time::KeptTime;
use crate::node::{BLOBS, DATABASES};
use crate::store::StoreError;

impl SqliteStore {
    /// Opens the store in `dir`, making both if they are missing. The clock says what has ended.
    ///
    /// # Errors
    ///
    /// [`OpenError`], saying what to do.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, options: Options) -> Result<Self, OpenError> {
        let database = Database::open(dir, &schema::LAYOUT, options)?;
        let kept = database.look(times::read)?;
        Ok(Self {
            clock: Arc::new(KeptTime::new(clock, kept)),
            database,
            disk: None,
        })
    }

    /// The directories beside it that hold files which it names.
    pub(crate) fn directories(&self) -> Result<Vec<&'static str>, OpenError> {
        self.database.look(|c| {
            let of = [
                (
                    BLOBS,
                    "SELECT EXISTS (SELECT 1 FROM value WHERE blob IS NOT NULL)",
                ),
                (
                    DATABASES,
                    "SELECT EXISTS (SELECT 1 FROM sql_database WHERE bytes > 0)",
                ),
            ];
            let mut named = Vec::new();
            for (dir, sql) in of {
                if c.query_row(sql, [], |row| row.get(0))? {
                    named.push(dir);
                }
            }
            Ok(named)
        })
    }

    /// The time that all that the store keeps goes by.
    #[must_use]
    pub fn time(&self) -> Arc<KeptTime> {
        Arc::clone(&self.clock)
    }

    /// Says that the machine's clock is right: who serves the store hears it when it tidies.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn accept_clock(&self) -> Result<(), StoreError> {
        let time = self.time();
        self.write_synced(move |c| times::accept(c, &time)).await
    }

    /// Grows only while this disk has room. Marks of what was used, revocations and deletions are written
    /// as long as they can be.
    #[must_use]
    pub fn on(self, disk: Arc<Disk>) -> Self {
        Self {
            disk: Some(disk),
            ..self
        }
    }

    /// Whether there is room for so many bytes more, to be asked where they are written.
    pub(super) fn room(
        &self,
        bytes: u64,
    ) -> impl FnOnce() -> Result<(), StoreError> + Send + use<> {
        let disk = self.disk.clone();
        move || Ok(disk.map_or(Ok(()), |disk| disk.grow(bytes))?)
    }

    pub(super) async fn done<T>(
        &self,
        writing: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = writing.await;
        if let (Err(StoreError::DiskFull), Some(disk)) = (&done, &self.disk) {
            // the next one may find what was held back
            disk.tend();
        }
        done
    }

    /// Where the store in `dir` is.
    #[must_use]
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(schema::LAYOUT.file_name)
    }

    /// Where it is said what the store in `dir` has acknowledged: it is there from the first start on.
    #[must_use]
    pub fn mark(dir: &Path) -> PathBuf {
        dir.join(schema::MARK)
    }

    /// Whether there is a store in `dir`, of whatever shape. What is smaller than the smallest page is none:
    /// SQLite takes it for a file that is still empty, and would make a store of it.
    #[must_use]
    pub fn is_in(dir: &Path) -> bool {
        std::fs::metadata(Self::path(dir)).is_ok_and(|file| file.len() >= 512)
    }

    /// Checks the whole file, also while somebody serves it.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`] and others.
    pub fn check(dir: &Path) -> Result<(), OpenError> {
        Database::check(dir, &schema::LAYOUT)
    }

    /// Copies the store, as of one moment and while it is in use, into a new directory's file.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]; an existing file is not overwritten.
    pub async fn backup(&self, to: PathBuf) -> Result<(), DatabaseError> {
        self.database
            .backup(to.join(schema::LAYOUT.file_name))
            .await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database.read(work).await
    }

    pub(super) async fn write_synced<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.done(self.database.write(Durability::Synced, work))
            .await
    }

    pub(super) async fn write_soon<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.done(self.database.write(Durability::Process, work))
            .await
    }
}
