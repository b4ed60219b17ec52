//! Places for requests of one kind, and a bounded queue in front of them.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::CallError;

pub(super) struct Lane {
    places: Arc<Semaphore>,
    queue: Semaphore,
}

impl Lane {
    pub(super) fn new(places: usize, queue: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            queue: Semaphore::new(queue),
        }
    }

    /// A place, at once or after waiting in the queue.
    pub(super) async fn enter(
        &self,
        until: Instant,
    ) -> Result<Arc<OwnedSemaphorePermit>, CallError> {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Arc::new(place));
        }
        let _waiting = self.queue.try_acquire().map_err(|_| CallError::Busy)?;
        match timeout_at(until, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(Arc::new(place)),
            // The semaphore is never closed; a caller would be right to see it as no room.
            Ok(Err(_)) => Err(CallError::Busy),
            Err(_) => Err(CallError::Deadline { sent: false }),
        }
    }
}
