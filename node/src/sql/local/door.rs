//! Who may use a database when, within this process.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use openkey_edge::turnstile::Turnstile;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::SqlLimits;
use crate::sql::{DatabaseId, SqlError};

/// Doors that are remembered without being used. Each holds two open files.
const MOST: usize = 256;

/// One door for every database, and one for all.
pub(super) struct Doors {
    doors: Mutex<HashMap<DatabaseId, Arc<Door>>>,
    all: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    readers: usize,
    waiting: usize,
}

struct Door {
    readers: Arc<Semaphore>,
    writer: Arc<tokio::sync::Mutex<Option<Turnstile>>>,
    waiting: AtomicUsize,
}

/// Reading one; over when dropped.
pub(super) struct Reading {
    _one: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Being the one of this process who writes a database, or waits for other processes to have done
/// so; over when dropped.
pub(super) struct Writing {
    one: OwnedMutexGuard<Option<Turnstile>>,
    _all: OwnedSemaphorePermit,
}

impl Writing {
    /// Only that nobody else of this process writes the database: the work itself is over.
    pub(super) fn one(self) -> OwnedMutexGuard<Option<Turnstile>> {
        self.one
    }

    /// The turnstile of the processes.
    pub(super) fn get(
        &mut self,
        open: impl FnOnce() -> io::Result<Turnstile>,
    ) -> io::Result<&mut Turnstile> {
        Ok(match &mut *self.one {
            Some(turnstile) => turnstile,
            none => none.insert(open()?),
        })
    }
}

/// Waiting; over when dropped, also by who no longer waits for its turn.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Doors {
    pub(super) fn new(limits: &SqlLimits) -> Self {
        Self {
            doors: Mutex::default(),
            all: Arc::new(Semaphore::new(limits.threads)),
            exports: Arc::new(Semaphore::new(limits.exports)),
            readers: limits.readers,
            waiting: limits.waiting,
        }
    }

    fn door(&self, id: DatabaseId) -> Arc<Door> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= MOST && !doors.contains_key(&id) {
            // Who is at a door holds it, or a part of it.
            doors.retain(|_, door| {
                Arc::strong_count(door) > 1
                    || Arc::strong_count(&door.writer) > 1
                    || Arc::strong_count(&door.readers) > 1
            });
        }
        let door = doors.entry(id).or_insert_with(|| {
            Arc::new(Door {
                readers: Arc::new(Semaphore::new(self.readers)),
                writer: Arc::default(),
                waiting: AtomicUsize::new(0),
            })
        });
        Arc::clone(door)
    }

    fn wait<'a>(&self, door: &'a Door) -> Result<Waiting<'a>, SqlError> {
        let waiting = Waiting(&door.waiting);
        if door.waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting {
            return Err(SqlError::Busy);
        }
        Ok(waiting)
    }

    /// Waits until there is room for one more who reads.
    pub(super) async fn read(&self, id: DatabaseId) -> Result<Reading, SqlError> {
        let door = self.door(id);
        let _waiting = self.wait(&door)?;
        Ok(Reading {
            _one: permit(&door.readers).await?,
            _all: permit(&self.all).await?,
        })
    }

    /// Waits until there is room for one more export.
    pub(super) async fn export(&self) -> Result<OwnedSemaphorePermit, SqlError> {
        permit(&self.exports).await
    }

    /// Waits until it is this one's turn to write.
    pub(super) async fn write(&self, id: DatabaseId) -> Result<Writing, SqlError> {
        let door = self.door(id);
        let _waiting = self.wait(&door)?;
        Ok(Writing {
            one: Arc::clone(&door.writer).lock_owned().await,
            _all: permit(&self.all).await?,
        })
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, SqlError> {
    let permit = Arc::clone(semaphore).acquire_owned().await;
    permit.map_err(|error| SqlError::Internal(error.to_string()))
}
