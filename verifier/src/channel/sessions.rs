//! Sessions that may be resumed: only under the policy they were begun with, and only while the
//! evidence they were begun with is young enough.

use core::fmt;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use openkey_attestation::UnixMillis;
use rustls::{
    NamedGroup,
    client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};

use super::Clock;

/// Most tickets that are kept, of all peers: two for each of a few dozen enclaves.
const MAX_TICKETS: usize = 128;

/// Tickets for later connections. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<VecDeque<Ticket>>>);

struct Ticket {
    /// [`super::ChannelPolicy::hash`] of the policy that the evidence was judged under.
    policy: [u8; 32],
    peer: String,
    /// When the evidence has aged out.
    until: UnixMillis,
    value: Tls13ClientSessionValue,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(..)")
    }
}

impl Sessions {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets every session.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many tickets are kept, of all peers and policies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Ticket>> {
        // Every change is complete in itself: a panic elsewhere leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one connection sees: the tickets of its peer under its policy.
    pub(super) fn view(&self, policy: [u8; 32], peer: &str, clock: Arc<dyn Clock>) -> Arc<View> {
        Arc::new(View {
            sessions: self.clone(),
            policy,
            peer: peer.to_owned(),
            clock,
            until: OnceLock::new(),
        })
    }
}

/// One connection's part of the [`Sessions`].
pub(super) struct View {
    sessions: Sessions,
    policy: [u8; 32],
    peer: String,
    clock: Arc<dyn Clock>,
    /// Set when the connection's evidence has been judged; a ticket that comes before is not kept.
    until: OnceLock<UnixMillis>,
}

impl View {
    /// From now on the connection's tickets are kept, until its evidence has aged out.
    pub(super) fn judged(&self, until: UnixMillis) {
        // A connection is judged once.
        let _ = self.until.set(until);
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View(..)")
    }
}

impl ClientSessionStore for View {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let Some(until) = self.until.get() else {
            return;
        };
        let mut tickets = self.sessions.lock();
        if tickets.len() >= MAX_TICKETS {
            tickets.pop_front();
        }
        tickets.push_back(Ticket {
            policy: self.policy,
            peer: self.peer.clone(),
            until: *until,
            value,
        });
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let now = self.clock.now();
        let mut tickets = self.sessions.lock();
        tickets.retain(|ticket| now <= ticket.until);
        let own = |ticket: &Ticket| ticket.policy == self.policy && ticket.peer == self.peer;
        let at = tickets.iter().rposition(own)?;
        tickets.remove(at).map(|ticket| ticket.value)
    }
}
