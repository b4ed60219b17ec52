//! How much may be under way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ServerOptions;
use crate::message::Class;

/// Counts what is under way on all connections.
pub(super) struct Gate {
    requests: Arc<Semaphore>,
    evidence: Arc<Semaphore>,
    /// In units, so that the count fits the semaphore.
    body: Arc<Semaphore>,
}

/// Held while a request is worked on, by the work and not by whoever waits for it.
pub(super) struct Pass {
    _permits: [Option<OwnedSemaphorePermit>; 3],
}

impl Gate {
    /// Bodies are counted in steps of a KiB.
    const UNIT: usize = 1024;

    pub(super) fn new(options: &ServerOptions) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(options.in_flight)),
            evidence: Arc::new(Semaphore::new(options.evidence_in_flight)),
            body: Arc::new(Semaphore::new(options.bytes_in_flight.div_ceil(Self::UNIT))),
        }
    }

    /// Lets a request in, or not. `connection` is the connection's own count.
    pub(super) fn enter(
        &self,
        class: Class,
        bytes: usize,
        connection: &Arc<Semaphore>,
    ) -> Option<Pass> {
        let one = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().ok();
        let units = u32::try_from(bytes.div_ceil(Self::UNIT)).ok()?;
        let body = Some(Arc::clone(&self.body).try_acquire_many_owned(units).ok()?);
        let permits = match class {
            // Evidence has its own few places and takes none from the others.
            Class::Evidence => [Some(one(&self.evidence)?), None, body],
            Class::SignUp | Class::Request => {
                [Some(one(connection)?), Some(one(&self.requests)?), body]
            }
        };
        Some(Pass { _permits: permits })
    }
}
