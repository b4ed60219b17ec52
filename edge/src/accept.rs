//! What to do when no connection can be accepted.

use std::{fmt, io, num::NonZeroU32, time::Duration};

use rustix::io::Errno;

use crate::{log::Sparing, places::Places};

/// After a failed `accept`, unless a connection ends before.
const PAUSE: Duration = Duration::from_millis(50);

/// Lines of the log in a second about it: whoever takes the descriptors makes it fail again and again.
const LINES: NonZeroU32 = NonZeroU32::MIN;

/// Failures of one listener to accept.
pub struct Failing {
    lines: Sparing,
    count: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failing")
    }
}

impl Failing {
    /// Of a listener whose failures are counted by `count`.
    #[must_use]
    pub fn new(count: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            lines: Sparing::new(LINES),
            count: Box::new(count),
        }
    }

    /// Counts a failure, says so in the log at a bounded rate, and returns when the listener may try again:
    /// when one of its connections has `ended`, or after a pause. `None` of `ended` is no end.
    ///
    /// If file descriptors are short, one of the connections in `places` gives way, as when all places are
    /// taken.
    pub async fn wait<T>(
        &self,
        error: &io::Error,
        places: Option<&Places>,
        ended: impl Future<Output = Option<T>>,
    ) {
        (self.count)();
        let gave_way = is_short(error) && places.is_some_and(Places::give_way);
        if self.lines.admits() {
            let left_out = self.lines.left_out();
            tracing::warn!(%error, gave_way, left_out, "a connection could not be accepted");
        }
        tokio::select! {
            Some(_) = ended => {}
            () = tokio::time::sleep(PAUSE) => {}
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
    use std::{
        future::{pending, ready},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio::time::Instant;

    use super::*;

    const NEVER: fn() -> std::future::Pending<Option<()>> = pending;

    #[tokio::test(start_paused = true)]
    async fn h1_a_connection_gives_way_when_descriptors_are_short_and_for_no_other_reason() {
        let places = Places::new(8, 8, None);
        let place = Places::enter(&places, [127, 0, 0, 1].into()).unwrap();
        let failing = Failing::new(|| ());
        let aborted = io::ErrorKind::ConnectionAborted.into();
        failing.wait(&aborted, Some(&places), NEVER()).await;
        let short: io::Error = Errno::MFILE.into();
        failing.wait(&short, None, NEVER()).await;
        assert!(!place.seat().is_gone());
        failing.wait(&short, Some(&places), NEVER()).await;
        assert!(place.seat().is_gone());
        let next = Places::enter(&places, [127, 0, 0, 1].into()).unwrap();
        failing
            .wait(&Errno::NFILE.into(), Some(&places), NEVER())
            .await;
        assert!(next.seat().is_gone());
    }

    #[tokio::test(start_paused = true)]
    async fn h1_a_listener_that_fails_is_counted_and_pauses_until_a_connection_ends() {
        let counted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&counted);
        let failing = Failing::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let error: io::Error = Errno::MFILE.into();
        let began = Instant::now();
        failing.wait(&error, None, NEVER()).await;
        assert_eq!(began.elapsed(), PAUSE);
        // it has no connection that could end
        failing.wait(&error, None, ready(None::<()>)).await;
        assert_eq!(began.elapsed(), 2 * PAUSE);
        failing.wait(&error, None, ready(Some(()))).await;
        assert_eq!(began.elapsed(), 2 * PAUSE);
        assert_eq!(counted.load(Ordering::SeqCst), 3);
    }
}
