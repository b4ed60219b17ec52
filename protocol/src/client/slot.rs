//! Where connections live, which one to use, and when to try again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit},
    time::{Duration, Instant, sleep_until},
};

use super::{Inner, connection::Connection};
use crate::frame::FrameError;

pub(super) struct Slots {
    slots: Vec<Slot>,
    loads: Mutex<Vec<Load>>,
}

#[derive(Clone, Copy, Default)]
struct Load {
    /// Requests with a place here, evidence not counted.
    requests: usize,
    /// Not to be tried before this, because connecting failed.
    not_before: Option<Instant>,
}

#[derive(Default)]
struct Slot(AsyncMutex<State>);

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    pause: Option<Duration>,
}

/// A request's place on a connection. Held until it is answered or overdue.
pub(super) struct Place {
    /// Shared with the caller, who keeps it while it moves from a dead connection to a fresh one.
    _permit: Arc<OwnedSemaphorePermit>,
    inner: Arc<Inner>,
    slot: usize,
    counted: bool,
}

impl Place {
    /// Takes the place on the connection that has most room, preferring those not in a pause.
    pub(super) fn take(
        inner: &Arc<Inner>,
        permit: &Arc<OwnedSemaphorePermit>,
        counted: bool,
    ) -> Self {
        let mut loads = inner.slots.loads();
        let now = Instant::now();
        let full = inner.options.in_flight_per_connection;
        let rank = |load: &Load| {
            let paused = load.not_before.is_some_and(|at| at > now);
            (load.requests >= full, paused, load.requests)
        };
        let slot = (0..loads.len())
            .min_by_key(|slot| loads.get(*slot).map(rank))
            .unwrap_or_default();
        if let Some(load) = loads.get_mut(slot).filter(|_| counted) {
            load.requests += 1;
        }
        drop(loads);
        Self {
            _permit: Arc::clone(permit),
            inner: Arc::clone(inner),
            slot,
            counted,
        }
    }

    /// The connection, made if it is not there. Cancel-safe.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, FrameError> {
        self.inner.slots.connection(self.slot, &self.inner).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.counted
            && let Some(load) = self.inner.slots.loads().get_mut(self.slot)
        {
            load.requests -= 1;
        }
    }
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self {
            slots: (0..count).map(|_| Slot::default()).collect(),
            loads: Mutex::new(vec![Load::default(); count]),
        }
    }

    fn loads(&self) -> MutexGuard<'_, Vec<Load>> {
        // Plain numbers: a panic elsewhere leaves nothing half-done in them.
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self, slot: usize, inner: &Inner) -> Result<Arc<Connection>, FrameError> {
        let Some(Slot(state)) = self.slots.get(slot) else {
            return Err(FrameError::Closed);
        };
        // Those who come while a connection is made wait here and then share it.
        let mut state = state.lock().await;
        if let Some(connection) = &state.connection
            && connection.is_usable(inner.options.idle_timeout)
        {
            return Ok(Arc::clone(connection));
        }
        state.connection = None;
        let not_before = self.loads().get(slot).and_then(|load| load.not_before);
        if let Some(at) = not_before {
            sleep_until(at).await;
        }
        let opened = Connection::open(&*inner.connector, &inner.options).await;
        let pause = match &opened {
            Ok(_) => None,
            Err(_) => {
                let doubled = state.pause.map_or(inner.options.first_pause, |p| p * 2);
                Some(doubled.min(inner.options.longest_pause))
            }
        };
        state.pause = pause;
        if let Some(load) = self.loads().get_mut(slot) {
            // Set after the attempt, which may itself have taken long.
            load.not_before = pause.map(|pause| Instant::now() + pause);
        }
        let connection = Arc::new(opened?);
        state.connection = Some(Arc::clone(&connection));
        Ok(connection)
    }
}
