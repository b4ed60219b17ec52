//! The unit of time at this crate's border.

use core::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, the unit of a document's time stamp.
///
/// The caller gives the time: nothing here reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The instant so many seconds after the epoch.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Whole seconds since the epoch, the unit of certificates.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
