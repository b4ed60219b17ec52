//! Answers that are held for a while, because who gets them asks again at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openkey_edge::client::ClientKey;
use openkey_edge::shares::Shares;

/// Most that are held, and most of one client.
const ALL: usize = 512;
const EACH: usize = 32;
/// How long.
const WHILE: Duration = Duration::from_secs(5);

/// A bounded number of answers that are held.
pub(crate) struct Held(Mutex<(usize, Shares)>);

struct Place<'a>(&'a Held, ClientKey);

impl Held {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((0, Shares::new(EACH))))
    }

    /// Waits a while. `false`, at once: too many wait.
    pub(crate) async fn hold(&self, client: ClientKey) -> bool {
        let place = {
            let mut taken = self.taken();
            let free = taken.0 < ALL && taken.1.take(client, 1);
            taken.0 += usize::from(free);
            free.then(|| Place(self, client))
        };
        let held = place.is_some();
        if held {
            tokio::time::sleep(WHILE).await;
        }
        held
    }

    fn taken(&self) -> MutexGuard<'_, (usize, Shares)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.0.taken();
        taken.0 -= 1;
        taken.1.give(self.1, 1);
    }
}
