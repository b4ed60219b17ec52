//! When a run of load ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// After a failure: long enough for a process to come back, short enough not to wait for it.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);
/// Failures without a success in between after which a client gives up.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(60);

/// Ends a run before its time. Copies end the same runs.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Lets every client end what it has begun, and nothing more.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends a run if one of its clients has failed: the others would go on for nothing.
    pub(crate) fn at_error<T, E>(&self, done: Result<T, E>) -> Result<T, E> {
        if done.is_err() {
            self.stop();
        }
        done
    }

    /// Whether somebody has said so.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a run goes on that is to last until then.
    pub(crate) fn goes_on(&self, until: Instant) -> bool {
        !self.is_asked() && Instant::now() < until
    }
}

/// Tries until it works, or nothing has worked for a minute, or what fails is no reason to go on.
///
/// # Errors
///
/// The last failure.
pub(crate) fn persist<T, E>(
    passes: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if passes(&error) && began.elapsed() < GIVE_UP => thread::sleep(PAUSE),
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_said() {
        let mut left = 3;
        let tried = persist(
            |error| *error != 1,
            || {
                left -= 1;
                Err::<(), _>(left)
            },
        );
        assert_eq!(tried, Err(1));
        let mut left = 3;
        let tried = persist(
            |_: &i32| true,
            || {
                left -= 1;
                if left == 0 { Ok("done") } else { Err(left) }
            },
        );
        assert_eq!(tried, Ok("done"));
    }

    #[test]
    fn a_run_ends_in_its_time_or_when_it_is_told() {
        let stop = Stop::default();
        let later = Instant::now() + Duration::from_secs(3600);
        assert!(stop.goes_on(later) && !stop.goes_on(Instant::now()));
        let copy = stop.clone();
        stop.stop();
        assert!(!copy.goes_on(later) && copy.is_asked());
    }
}
