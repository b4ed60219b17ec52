//! Open connections, kept for whoever comes next.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{KEPT_BYTES, Session};
use crate::sql::DatabaseId;
use crate::sql::access::Can;

/// Who can use a connection: it holds statements that were compiled for what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) database: DatabaseId,
    pub(super) can: Can,
    pub(super) writes: bool,
}

/// Connections that nobody uses, the one that was used last at the end.
pub(super) struct Pool {
    idle: Mutex<VecDeque<(Kind, Instant, Session)>>,
    most: usize,
}

impl Pool {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            idle: Mutex::new(VecDeque::new()),
            most,
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<(Kind, Instant, Session)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of this kind.
    pub(super) fn take(&self, kind: &Kind) -> Option<Session> {
        let mut idle = self.idle();
        let at = idle.iter().rposition(|(its, ..)| its == kind)?;
        idle.remove(at).map(|(.., session)| session)
    }

    /// Keeps one. The one that was used longest ago is closed, if there are too many.
    pub(super) fn keep(&self, kind: Kind, session: Session) {
        let mut idle = self.idle();
        idle.push_back((kind, Instant::now(), session));
        let closed = (idle.len() > self.most).then(|| idle.pop_front());
        // of what was used longest ago the compiled statements go first
        let mut kept: usize = 0;
        for (.., session) in idle.iter().rev() {
            let with = kept.saturating_add(session.kept());
            if with > KEPT_BYTES {
                session.forget();
            } else {
                kept = with;
            }
        }
        drop(idle);
        // Closing can mean writing, so nobody waits for it.
        drop(closed);
    }

    /// Closes all.
    pub(super) fn close(&self) {
        let closed = std::mem::take(&mut *self.idle());
        drop(closed);
    }

    /// Closes those that nobody has used for so long.
    pub(super) fn close_idle(&self, for_: Duration) {
        loop {
            let mut idle = self.idle();
            let old = idle
                .front()
                .is_some_and(|(_, since, _)| since.elapsed() >= for_);
            let closed = if old { idle.pop_front() } else { None };
            drop(idle);
            if closed.is_none() {
                return;
            }
        }
    }
}
