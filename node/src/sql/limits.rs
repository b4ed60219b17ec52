//! How much requests may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much requests may take.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SqlLimits {
    /// Longest time of a request, without waiting for its turn. The worker of one that takes half a second
    /// more is killed.
    pub time: Duration,
    /// Longest time that a request waits for its turn.
    pub wait: Duration,
    /// Largest response, in bytes.
    pub response_bytes: u64,
    /// Largest database, in bytes.
    pub database_bytes: u64,
    /// Memory that SQLite may use in one worker.
    pub heap_bytes: u64,
    /// Workers: processes that each do one thing at a time.
    pub workers: usize,
    /// Requests of one owner that may wait.
    pub waiting: usize,
    /// Exports at a time.
    pub exports: usize,
    /// Open connections of one worker that nobody uses.
    pub connections: usize,
    /// How long an open connection is kept without use.
    pub idle: Duration,
}

/// Fewest workers, unless somebody says otherwise: one that is busy must not be all there is.
const WORKERS: usize = 4;

impl SqlLimits {
    /// Workers on this machine: one for each processor, four at the least.
    #[must_use]
    pub fn default_workers() -> usize {
        std::thread::available_parallelism().map_or(WORKERS, |it| it.get().max(WORKERS))
    }
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            wait: Duration::from_secs(2),
            response_bytes: 10 << 20,
            database_bytes: 1 << 30,
            heap_bytes: 256 << 20,
            workers: Self::default_workers(),
            waiting: 256,
            exports: 2,
            connections: 64,
            idle: Duration::from_secs(60),
        }
    }
}
