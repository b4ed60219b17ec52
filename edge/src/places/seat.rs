//! What is known of a connection: whether something is asked on it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// What is known of a connection.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    pub(super) state: AtomicU8,
    pub(super) leave: Notify,
    /// Since when nothing was asked on it, or is owed. `None`: something is, or it waits for a share.
    idle: Mutex<Option<Instant>>,
}

/// No complete request is under way.
pub(super) const WAITS: u8 = 0;
/// A complete request is under way.
pub(super) const WORKS: u8 = 1;
/// A newcomer has the place.
pub(super) const GONE: u8 = 2;

/// As long as it lives, the connection is not displaced: it has asked, and is owed an answer.
#[derive(Debug)]
pub struct Work(Arc<Seat>);

impl Seat {
    /// A complete request is under way.
    pub(crate) fn work(self: &Arc<Self>) -> Work {
        self.pass(WAITS, WORKS);
        Work(Arc::clone(self))
    }

    pub(super) fn pass(&self, from: u8, to: u8) -> bool {
        let passed = self
            .state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        passed.is_ok()
    }

    pub(super) fn waits(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WAITS
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state.load(Ordering::SeqCst) == GONE
    }

    /// Whether nothing is asked on it or owed, from now on.
    pub(crate) fn rest(&self, rests: bool) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        *idle = rests.then(Instant::now);
    }

    pub(super) fn rests_for(&self, long: Duration) -> bool {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.is_some_and(|since| since.elapsed() >= long)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.pass(WORKS, WAITS);
    }
}
