//! How many channels an enclave serves at once, and for how long each may hold a place.

use core::time::Duration;

/// The places of an enclave's channel. There is one set, [`PLACES`]: the image, the simulator and
/// the tests use it, and host-proxy sizes its relay by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Connections that have not sent the whole first message of a TLS handshake. When one more
    /// arrives, the oldest of them is closed: a flood of silent connections displaces itself.
    pub silent: usize,
    /// Connections that have, and whose handshake is not complete. When one more comes so far, the
    /// oldest of them is closed: a handshake takes milliseconds.
    pub handshakes: usize,
    /// Channels of clients that presented no evidence: nodes, tools and anybody else.
    pub strangers: usize,
    /// Channels of enclaves that measure exactly what this enclave measures.
    pub equals: usize,
    /// Channels of other enclaves, such as a successor: their evidence proves no more than that
    /// they are enclaves, which anybody can run.
    pub others: usize,
    /// The longest time for one handshake.
    pub handshake: Duration,
    /// A channel with no request under way is closed after this time. Clients that keep channels
    /// open should close theirs earlier.
    pub idle: Duration,
}

impl Places {
    /// All connections at once. Each needs some tens of kilobytes of an enclave's fixed memory.
    #[must_use]
    pub const fn all(&self) -> usize {
        self.silent + self.handshakes + self.strangers + self.equals + self.others
    }
}

/// The places of every enclave's channel.
pub const PLACES: Places = Places {
    silent: 32,
    handshakes: 32,
    strangers: 160,
    equals: 16,
    others: 16,
    handshake: Duration::from_secs(10),
    idle: Duration::from_secs(30),
};
