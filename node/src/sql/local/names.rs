//! Names of files in the directory of databases.

use std::path::Path;

use super::maintain::EXPORT;
use crate::sql::{DatabaseId, links};

/// What the name of a database's file ends with, behind a dot.
const EXTENSION: &str = "sqlite3";

/// What a file in the directory of databases is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOf {
    /// A database.
    Database(DatabaseId),
    /// What SQLite, or who waits to write, keeps beside one.
    Beside(DatabaseId),
    /// A copy that is being made to be sent.
    Export,
    /// Locks, and nothing in it.
    Locks,
    /// Nothing of a node's.
    Nobody,
}

impl FileOf {
    /// That of this path.
    #[must_use]
    pub fn named(path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str());
        if name == Some(links::FILE) {
            return Self::Locks;
        }
        let Some((hash, rest)) = name.and_then(|name| name.split_once('.')) else {
            return Self::Nobody;
        };
        let Some(id) = DatabaseId::from_hex(hash) else {
            return Self::Nobody;
        };
        match rest.strip_prefix(EXTENSION) {
            Some("") => Self::Database(id),
            Some("-wal" | "-shm" | "-journal" | ".next" | ".turn") => Self::Beside(id),
            None if rest.ends_with(EXPORT) => Self::Export,
            _ => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{LocalDatabases, SqlError};

    #[test]
    fn files_are_told_by_their_names() {
        let hash = "0123456789abcdef".repeat(4);
        let id = DatabaseId::from_hex(&hash).unwrap();
        for (name, expected) in [
            ("sqlite3", FileOf::Database(id)),
            ("sqlite3-wal", FileOf::Beside(id)),
            ("sqlite3-shm", FileOf::Beside(id)),
            ("sqlite3.turn", FileOf::Beside(id)),
            ("sqlite3.next", FileOf::Beside(id)),
            ("7.0.export", FileOf::Export),
            ("new.export", FileOf::Export),
            ("sqlite3.bak", FileOf::Nobody),
            ("", FileOf::Nobody),
        ] {
            let path = format!("a/{hash}.{name}");
            assert_eq!(FileOf::named(Path::new(&path)), expected, "{path}");
        }
        for name in ["notes.txt", "sqlite3", "ab.sqlite3"] {
            assert_eq!(FileOf::named(Path::new(name)), FileOf::Nobody, "{name}");
        }
        let locks = Path::new("a/links.lock");
        assert_eq!(FileOf::named(locks), FileOf::Locks);
        let large = format!("{}.sqlite3", hash.to_uppercase());
        assert_eq!(FileOf::named(Path::new(&large)), FileOf::Nobody);
    }

    #[test]
    fn h7_what_cannot_be_looked_at_is_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sqlite3");
        assert_eq!(LocalDatabases::exists(&path), Ok(false));
        std::fs::write(&path, "").unwrap();
        assert_eq!(LocalDatabases::exists(&path), Ok(false), "it is being made");
        std::fs::write(&path, "x").unwrap();
        assert_eq!(LocalDatabases::exists(&path), Ok(true));
        // the system's error is another one than that there is none
        let refused = LocalDatabases::exists(&path.join("b.sqlite3"));
        assert!(matches!(refused, Err(SqlError::Internal(_))), "{refused:?}");
    }
}
