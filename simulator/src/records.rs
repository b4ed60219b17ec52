//! Somebody who can write a host-proxy's database of sealed records, also while it is in use: what a
//! host with root does, and a database writer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

/// The file in a host-proxy's directory.
const FILE: &str = "records.sqlite3";
/// How long to wait for host-proxy to end what it is writing.
const PATIENCE: Duration = Duration::from_secs(10);

/// A row: revision and sealed blob.
pub type Row = (i64, Vec<u8>);

/// The whole table of sealed records, by id.
pub type Rows = BTreeMap<Vec<u8>, Row>;

/// A store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the store {}: {error}", path.display())]
pub struct RecordsError {
    path: PathBuf,
    error: String,
}

/// The database of a host-proxy, opened by somebody else. Each change is one transaction: an enclave
/// is shown all of it or nothing.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    connection: Connection,
}

impl Records {
    /// Opens the database in a host-proxy's directory.
    ///
    /// # Errors
    ///
    /// [`RecordsError`] if there is none.
    pub fn open(store: &Path) -> Result<Self, RecordsError> {
        let path = store.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            Ok(connection)
        };
        let connection = open().map_err(told(&path))?;
        Ok(Self { path, connection })
    }

    /// Whether a host-proxy has made a database in this directory.
    #[must_use]
    pub fn exists(store: &Path) -> bool {
        store.join(FILE).exists()
    }

    /// Makes the database of another directory, which must have none, as a copy of this one.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub fn copy_to_new(&self, store: &Path) -> Result<(), RecordsError> {
        let path = store.join(FILE);
        let unfinished = path.with_extension("new");
        let io = told::<std::io::Error>(&path);
        match std::fs::remove_file(&unfinished) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
        let name = unfinished.to_string_lossy();
        self.connection
            .execute("VACUUM INTO ?1", [name])
            .map_err(told(&path))?;
        std::fs::rename(&unfinished, &path).map_err(&io)
    }

    /// Every record.
    ///
    /// # Errors
    ///
    /// [`RecordsError`].
    pub fn rows(&self) -> Result<Rows, RecordsError> {
        let read = || -> rusqlite::Result<Rows> {
            let select = "SELECT id, revision, blob FROM record";
            let mut select = self.connection.prepare(select)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
            rows.collect()
        };
        read().map_err(told(&self.path))
    }

    /// Deletes some records and then puts rows in their places or beside the others.
    ///
    /// # Errors
    ///
    /// [`RecordsError`]; nothing has changed then.
    pub fn change(&mut self, delete: &[Vec<u8>], put: &Rows) -> Result<(), RecordsError> {
        self.write(|connection| {
            let mut gone = connection.prepare("DELETE FROM record WHERE id = ?1")?;
            for id in delete {
                gone.execute([id])?;
            }
            put_all(connection, put)
        })
    }

    /// Replaces everything by these rows.
    ///
    /// # Errors
    ///
    /// [`RecordsError`]; nothing has changed then.
    pub fn restore(&mut self, rows: &Rows) -> Result<(), RecordsError> {
        self.write(|connection| {
            connection.execute("DELETE FROM record", [])?;
            put_all(connection, rows)
        })
    }

    fn write(
        &mut self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), RecordsError> {
        let write = || -> rusqlite::Result<()> {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            change(&transaction)?;
            transaction.commit()
        };
        write().map_err(told(&self.path))
    }
}

fn put_all(connection: &Connection, rows: &Rows) -> rusqlite::Result<()> {
    let mut put = connection.prepare(
        "INSERT INTO record (id, revision, blob) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET revision = ?2, blob = ?3",
    )?;
    for (id, (revision, blob)) in rows {
        put.execute(params![id, revision, blob])?;
    }
    Ok(())
}

fn told<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> RecordsError {
    move |error| RecordsError {
        path: path.to_owned(),
        error: error.to_string(),
    }
}
