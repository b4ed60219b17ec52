//! Events on their way to the host: closed types through a bounded queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use openkey_enclave::event::EventSink;
use openkey_protocol::{
    host::{HostClient, HostError},
    message::{EnclaveEvent, MAX_EVENTS},
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::sleep,
};

/// Events that may wait for the host: a few batches, some ten kilobytes.
const QUEUE: usize = 1024;
/// How long events are gathered before they are sent: they are for people and graphs.
const GATHER: Duration = Duration::from_millis(100);

/// Where the enclave's events go. Never blocks: what finds no room is counted.
pub(crate) struct Queue {
    events: Sender<EnclaveEvent>,
    lost: Arc<AtomicU64>,
}

impl EventSink for Queue {
    fn record(&self, event: EnclaveEvent) {
        // The host counts the requests that it carries; telling it again would double its work.
        if matches!(event, EnclaveEvent::Answered { .. }) {
            return;
        }
        if self.events.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What takes them out again.
pub(crate) struct Outlet {
    events: Receiver<EnclaveEvent>,
    lost: Arc<AtomicU64>,
}

/// A queue and its outlet.
pub(crate) fn queue() -> (Queue, Outlet) {
    let (sender, receiver) = channel(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue {
        events: sender,
        lost: Arc::clone(&lost),
    };
    let outlet = Outlet {
        events: receiver,
        lost,
    };
    (queue, outlet)
}

impl Outlet {
    /// The next batch: what has gathered, and first how many were lost before it.
    async fn batch(&mut self) -> Option<Vec<EnclaveEvent>> {
        let mut batch = vec![self.events.recv().await?];
        sleep(GATHER).await;
        while batch.len() < MAX_EVENTS - 1 {
            match self.events.try_recv() {
                Ok(event) => batch.push(event),
                Err(_) => break,
            }
        }
        let count = self.lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            batch.insert(0, EnclaveEvent::EventsLost { count });
        }
        Some(batch)
    }

    /// Hands events to the host for ever. Those that it does not take are counted and gone.
    pub(crate) async fn run(mut self, host: HostClient) {
        while let Some(batch) = self.batch().await {
            let count = lost_in(&batch);
            let sent: Result<(), HostError> = host.events(batch).await;
            if sent.is_err() {
                self.lost.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

/// How many events are lost with a batch.
fn lost_in(batch: &[EnclaveEvent]) -> u64 {
    batch.iter().fold(0, |sum: u64, event| {
        sum.saturating_add(match event {
            EnclaveEvent::EventsLost { count } => *count,
            _ => 1,
        })
    })
}

#[cfg(test)]
mod tests {
    use openkey_protocol::message::Class;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn m9_events_are_bounded_and_the_lost_are_counted() {
        let (queue, mut outlet) = queue();
        for _ in 0..QUEUE + 7 {
            queue.record(EnclaveEvent::RolledBack);
            queue.record(EnclaveEvent::Answered {
                class: Class::Request,
            });
        }
        let first = outlet.batch().await.unwrap();
        assert_eq!(first.len(), MAX_EVENTS);
        assert_eq!(first[0], EnclaveEvent::EventsLost { count: 7 });
        assert_eq!(lost_in(&first), 7 + MAX_EVENTS as u64 - 1);
        let mut rest = 0;
        for _ in 0..5 {
            queue.record(EnclaveEvent::Booted);
            rest += outlet.batch().await.unwrap().len();
        }
        assert_eq!(rest, QUEUE + 1 - MAX_EVENTS + 5);
    }
}
