//! What a simulator may replace.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use openkey_protocol::client::{Client, ClientOptions};

use crate::{config::EnclaveConfig, store::SqliteStore};

/// The host's wall clock. Nothing that matters depends on it: enclaves have their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock of one's own, to move it in tests.
    #[must_use]
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Milliseconds since 1970; 0 before.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        let since = (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Clock {
    /// The system's.
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_ms())
    }
}

/// Makes the client of an enclave.
pub type MakeClient = Box<dyn Fn(&EnclaveConfig, ClientOptions) -> Client + Send>;

/// What a simulator may replace. The store that is served is an `S`.
pub struct Parts<S = SqliteStore> {
    /// The wall clock.
    pub clock: Clock,
    /// Makes the client of an enclave; the default connects to [`EnclaveConfig::address`]. Here
    /// connections can be made slow, be cut or reset.
    pub client: MakeClient,
    /// Wraps the store before it is served. Here records can be swapped, hidden or made old.
    pub store: Box<dyn FnOnce(SqliteStore) -> S + Send>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            client: Box::new(|enclave, options| Client::new(enclave.address.clone(), options)),
            store: Box::new(|store| store),
        }
    }
}

impl<S> Parts<S> {
    /// The same, with another store.
    #[must_use]
    pub fn with_store<T>(self, wrap: impl FnOnce(S) -> T + Send + 'static) -> Parts<T>
    where
        S: 'static,
    {
        let inner = self.store;
        Parts {
            clock: self.clock,
            client: self.client,
            store: Box::new(|store| wrap(inner(store))),
        }
    }
}

impl<S> fmt::Debug for Parts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
