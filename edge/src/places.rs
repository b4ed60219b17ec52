//! Places of a server's connections: in all, and of each client.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;

use crate::client::ClientKey;

/// How many connections there may be at once.
#[derive(Debug)]
pub struct Places {
    all: usize,
    per_client: usize,
    trusted_proxy: Option<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<ClientKey, usize>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Places>,
    key: Option<ClientKey>,
}

impl Places {
    /// So many in all, and so many of one [`ClientKey`]. Connections of the trusted proxy, which
    /// speaks for others, are counted in all only.
    #[must_use]
    pub fn new(all: usize, per_client: usize, trusted_proxy: Option<IpNet>) -> Arc<Self> {
        Arc::new(Self {
            all,
            per_client,
            trusted_proxy,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection of this peer, unless all, or all of its own, are taken.
    #[must_use]
    pub fn enter(this: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let proxy = this.trusted_proxy.as_ref();
        let key = (!proxy.is_some_and(|net| net.contains(&peer))).then(|| ClientKey::of(peer));
        let mut taken = this.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= this.all {
            return None;
        }
        if let Some(key) = key {
            let own = taken.by_client.entry(key).or_default();
            if *own >= this.per_client {
                return None;
            }
            *own += 1;
        }
        taken.all += 1;
        Some(Place {
            of: Arc::clone(this),
            key,
        })
    }
}

impl Place {
    /// Whose it is; `None` for the trusted proxy.
    #[must_use]
    pub const fn client(&self) -> Option<ClientKey> {
        self.key
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(key) = self.key
            && let Some(own) = taken.by_client.get_mut(&key)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_client.remove(&key);
            }
        }
    }
}
