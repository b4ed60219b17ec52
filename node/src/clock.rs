//! Time, as something that a test can set.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds of Unix time.
    fn now_ms(&self) -> i64;

    /// Milliseconds since the machine was started, which nobody sets. `None`: what [`Self::now_ms`] says is
    /// believed as it is.
    fn steady_ms(&self) -> Option<i64> {
        None
    }

    /// Which start of the machine that is.
    fn boot(&self) -> String {
        String::new()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    fn steady_ms(&self) -> Option<i64> {
        let since = clock_gettime(ClockId::Boottime);
        Some(since.tv_sec.saturating_mul(1000) + since.tv_nsec / 1_000_000)
    }

    fn boot(&self) -> String {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        boot.map_or_else(|_| String::new(), |boot| boot.trim().to_owned())
    }
}
