//! Somebody who can write host-proxy's database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openkey_simulator::simulation::Simulation;
use rusqlite::{Connection, params};

/// A row: revision and blob.
pub type Row = (i64, Vec<u8>);

/// The whole table of sealed records, by id.
pub type Rows = BTreeMap<Vec<u8>, Row>;

/// The database of a simulation, opened by somebody else.
pub struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the database beside the program that serves it.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn of(simulation: &Simulation) -> Self {
        let path = find(&simulation.dir().path().join("store")).expect("a database in the store");
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        Self { connection }
    }

    /// Everything there is.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let mut read = self
            .connection
            .prepare("SELECT id, revision, blob FROM record")
            .unwrap();
        let rows = read
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))
            .unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Puts a row in place of the one with this id, or beside the others.
    pub fn put(&self, id: &[u8], (revision, blob): &Row) {
        self.connection
            .execute(
                "INSERT INTO record (id, revision, blob) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET revision = ?2, blob = ?3",
                params![id, revision, blob],
            )
            .unwrap();
    }

    /// Deletes a row.
    pub fn delete(&self, id: &[u8]) {
        self.connection
            .execute("DELETE FROM record WHERE id = ?1", params![id])
            .unwrap();
    }

    /// Puts everything back as it was.
    pub fn restore(&self, rows: &Rows) {
        self.connection.execute("DELETE FROM record", []).unwrap();
        for (id, row) in rows {
            self.put(id, row);
        }
    }
}

/// The rows that one action rewrote: an account's record is the one that every action rewrites.
#[must_use]
pub fn rewritten(before: &Rows, after: &Rows) -> Vec<Vec<u8>> {
    before
        .iter()
        .filter(|(id, row)| after.get(*id).is_some_and(|now| now != *row))
        .map(|(id, _)| id.clone())
        .collect()
}

fn find(dir: &Path) -> Option<PathBuf> {
    std::fs::read_dir(dir)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0")))
}
