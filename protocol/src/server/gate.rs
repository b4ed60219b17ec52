//! How much may be under way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ServerOptions;
use crate::message::Class;

/// Bytes are counted in steps of a KiB, so that the count fits a semaphore.
const UNIT: usize = 1024;

/// Counts what is under way on all connections.
pub(super) struct Gate {
    requests: Arc<Semaphore>,
    evidence: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    /// Steps of [`UNIT`].
    longest_answer: usize,
}

/// Counts what is under way on one connection.
pub(super) struct Own {
    requests: Arc<Semaphore>,
    evidence: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// Held while a request is worked on, by the work and not by whoever waits for it.
pub(super) struct Pass {
    own: OwnedSemaphorePermit,
    _shared: [OwnedSemaphorePermit; 2],
}

impl Pass {
    /// The work is done: gives back what other connections may use. What is left is held until the
    /// answer has its place, and keeps this connection from asking more.
    pub(super) fn done(self) -> OwnedSemaphorePermit {
        self.own
    }
}

/// Held by an answer until it is written, or never will be.
pub(super) struct Unread {
    _permits: [OwnedSemaphorePermit; 2],
}

impl Gate {
    pub(super) fn new(options: &ServerOptions) -> Self {
        Self {
            requests: places(options.in_flight),
            evidence: places(options.evidence_in_flight),
            bodies: bytes(options.bytes_in_flight),
            answers: bytes(options.answers_unread),
            longest_answer: options.longest_answer.div_ceil(UNIT),
        }
    }

    /// Lets a request in, or not.
    pub(super) fn enter(&self, class: Class, bytes: usize, own: &Own) -> Option<Pass> {
        // Whoever leaves answers unread has no room for more of them.
        if own.answers.available_permits() < self.longest_answer {
            return None;
        }
        // Evidence has its own few places and takes none from the others.
        let (own, shared) = match class {
            Class::Evidence => (&own.evidence, &self.evidence),
            Class::SignUp | Class::Request => (&own.requests, &self.requests),
        };
        Some(Pass {
            own: take(own, 1)?,
            _shared: [take(shared, 1)?, take(&self.bodies, units(bytes)?)?],
        })
    }

    /// Room for an answer of so many bytes, or none: then it must not be kept.
    pub(super) fn keep(&self, bytes: usize, own: &Own) -> Option<Unread> {
        let units = units(bytes)?;
        Some(Unread {
            _permits: [take(&own.answers, units)?, take(&self.answers, units)?],
        })
    }
}

impl Own {
    pub(super) fn new(options: &ServerOptions) -> Self {
        Self {
            requests: places(options.in_flight_per_connection),
            evidence: places(options.evidence_per_connection),
            answers: bytes(options.answers_unread_per_connection),
        }
    }
}

fn places(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most))
}

fn bytes(most: usize) -> Arc<Semaphore> {
    places(most.div_ceil(UNIT))
}

fn units(bytes: usize) -> Option<u32> {
    u32::try_from(bytes.div_ceil(UNIT)).ok()
}

fn take(of: &Arc<Semaphore>, units: u32) -> Option<OwnedSemaphorePermit> {
    Arc::clone(of).try_acquire_many_owned(units).ok()
}
