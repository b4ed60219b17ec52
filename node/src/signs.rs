//! What an operator should see: counted here, told by the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was noticed since the start.
#[derive(Debug, Default)]
pub struct Signs {
    damaged: AtomicU64,
}

impl Signs {
    /// A reading was cut off, because the value is not what was stored.
    pub(crate) fn damaged(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    /// How many readings were cut off.
    #[must_use]
    pub fn damaged_readings(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }
}
