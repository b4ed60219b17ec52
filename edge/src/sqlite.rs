//! One SQLite database, one thread that writes, many writes in one sync.
