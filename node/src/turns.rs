//! What takes long: checks of large tokens, few at once and not where requests are waited for, and writes of many
//! values, each client in its turn.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use openkey_edge::client::ClientKey;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// When so many clients are remembered, those that wait for nothing are forgotten.
const CLIENTS: usize = 1024;

/// Whose turn it is.
pub(crate) struct Turns {
    /// Of half of the processors: whoever asks little has the others.
    all: Arc<Semaphore>,
    /// One of each client waits with those of others, however many it has.
    each: Mutex<HashMap<ClientKey, Weak<Semaphore>>>,
    /// How many there were.
    taken: AtomicU64,
}

/// A turn, over when dropped.
pub(crate) struct Turn {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of((processors / 2).max(1))
    }

    /// So many at once.
    pub(crate) fn of(at_once: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(at_once)),
            each: Mutex::default(),
            taken: AtomicU64::new(0),
        }
    }

    /// Waits for a turn of this client. `None`: there are none any more, which does not happen.
    pub(crate) async fn take(&self, client: ClientKey) -> Option<Turn> {
        let own = self.own(client).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(Turn {
            _all: all,
            _own: own,
        })
    }

    /// How many turns there were.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn own(&self, client: ClientKey) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() >= CLIENTS {
            each.retain(|_, own| own.strong_count() > 0);
        }
        if let Some(own) = each.get(&client).and_then(Weak::upgrade) {
            return own;
        }
        let own = Arc::new(Semaphore::new(1));
        each.insert(client, Arc::downgrade(&own));
        own
    }
}

/// Does what takes long, so that nobody waits for it who is served by the same thread.
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn h8_a_client_with_many_checks_waits_with_others_for_one_at_a_time() {
        let turns = Turns::of(1);
        let client = |n| ClientKey::of([127, 0, 0, n].into());
        let soon = Duration::from_millis(20);
        let first = turns.take(client(1)).await;
        let (second, third) = (turns.take(client(1)), turns.take(client(1)));
        let (mut second, mut third) = (Box::pin(second), Box::pin(third));
        assert!(timeout(soon, &mut second).await.is_err());
        assert!(timeout(soon, &mut third).await.is_err());
        let mut other = Box::pin(turns.take(client(2)));
        assert!(timeout(soon, &mut other).await.is_err());
        drop(first);
        // it came behind two of the other client, and is before one of them
        assert!(timeout(soon, &mut third).await.is_err());
        let (second, other) = tokio::join!(timeout(soon, second), timeout(soon, other));
        assert!(second.is_ok() != other.is_ok());
        drop((second, other));
        assert!(timeout(soon, third).await.is_ok());
    }
}
