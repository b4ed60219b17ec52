//! What to do when no connection can be accepted.

use std::{io, num::NonZeroU32, time::Duration};

use rustix::io::Errno;

use crate::{log::Sparing, places::Places};

/// After a failed `accept`, unless a connection ends before.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Lines of the log in a second about it: whoever takes the descriptors makes it fail again and again.
const LINES: NonZeroU32 = NonZeroU32::MIN;

/// Failures of one listener to accept.
#[derive(Debug)]
pub struct Failing(Sparing);

impl Default for Failing {
    fn default() -> Self {
        Self(Sparing::new(LINES))
    }
}

impl Failing {
    /// Says so at a bounded rate. If file descriptors are short, a connection gives way, as when all
    /// places are taken. The caller tries again when a connection has ended, or after [`PAUSE`].
    pub fn failed(&self, error: &io::Error, places: &Places) {
        let gave_way = is_short(error) && places.give_way();
        self.say(error, gave_way);
    }

    /// Says so at a bounded rate.
    pub fn say(&self, error: &io::Error, gave_way: bool) {
        if self.0.admits() {
            let left_out = self.0.left_out();
            tracing::warn!(%error, gave_way, left_out, "a connection could not be accepted");
        }
    }
}

/// Whether this process, or the whole system, has no file descriptor left.
fn is_short(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| short.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h1_a_connection_gives_way_when_descriptors_are_short_and_for_no_other_reason() {
        let places = Places::new(8, 8, None);
        let place = Places::enter(&places, [127, 0, 0, 1].into()).unwrap();
        let failing = Failing::default();
        failing.failed(&io::ErrorKind::ConnectionAborted.into(), &places);
        assert!(!place.seat().is_gone());
        failing.failed(&Errno::MFILE.into(), &places);
        assert!(place.seat().is_gone());
        let next = Places::enter(&places, [127, 0, 0, 1].into()).unwrap();
        failing.failed(&Errno::NFILE.into(), &places);
        assert!(next.seat().is_gone());
    }
}
