//! Bounds, each with its reason.

use std::{num::NonZeroU32, time::Duration};

use openkey_protocol::channel::PLACES;

use super::Quota;

/// How much, how many, how long. The defaults suit one machine with two cores and 1 GiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body: the largest typed data an enclave reads, with room.
    pub body_bytes: usize,
    /// Open connections: each costs a few tens of KiB.
    pub connections: usize,
    /// Open connections of one client address, so that one address cannot take them all. Behind a
    /// trusted proxy, which is not counted, it is requests under way of each address that it names.
    pub connections_per_address: usize,
    /// Requests that wait for their turn at an enclave, evidence aside. 256 more are at it at once, or
    /// this many if it is less, rounded up to a connection's 64.
    pub in_flight: usize,
    /// Requests of one client address at an enclave at once, evidence aside; further ones wait.
    pub in_flight_per_address: usize,
    /// Requests of one client address that wait for their turn at an enclave, evidence aside.
    pub waiting_per_address: usize,
    /// Evidence requests at the enclave at once: the NSM is serial.
    pub evidence_in_flight: usize,
    /// Evidence requests waiting for their turn.
    pub evidence_waiting: usize,
    /// Evidence requests of one client address that wait for their turn; one at most is answered.
    pub evidence_waiting_per_address: usize,
    /// Bytes of all large bodies at once, as they arrive.
    pub large_bodies: usize,
    /// Bytes of the large bodies of one client address.
    pub large_bodies_per_address: usize,
    /// For a request's head, and for an idle connection to ask again.
    pub header_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// For an enclave's answer.
    pub request_deadline: Duration,
    /// For an attestation document, its wait included.
    pub evidence_deadline: Duration,
    /// For a client to take some of a response.
    pub write_timeout: Duration,
    /// For requests in flight when told to stop.
    pub drain: Duration,
    /// Sign-up requests of one client address (a sign-up is two).
    pub sign_up: Quota,
    /// Evidence requests of one client address.
    pub evidence: Quota,
    /// Other requests of one client address.
    pub request: Quota,
    /// Files and documents that one client address reads: a page load is some forty.
    pub read: Quota,
    /// Open connections of one address to an enclave's channel: so many that it takes sixteen
    /// addresses to take the places of all clients without evidence. A trusted proxy is not counted.
    pub channels_per_address: usize,
    /// New connections of one address to an enclave's channel. A trusted proxy is not counted.
    pub channel: Quota,
    /// KiB that one address sends to an enclave's channel; what is more waits. It stands in the place
    /// of a limit of requests, which nobody can count inside TLS: the smallest has some 150 bytes. A
    /// trusted proxy is not counted.
    pub channel_kib: Quota,
    /// Client addresses the limiter remembers. When there are more, it forgets those that have most of
    /// their quota again.
    pub addresses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1024,
            connections: 4096,
            connections_per_address: 512,
            in_flight: 1024,
            in_flight_per_address: 8,
            waiting_per_address: 32,
            evidence_in_flight: 2,
            evidence_waiting: 64,
            evidence_waiting_per_address: 4,
            large_bodies: 64 * 1024 * 1024,
            large_bodies_per_address: 4 * 1024 * 1024,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            request_deadline: Duration::from_secs(10),
            evidence_deadline: Duration::from_secs(15),
            write_timeout: Duration::from_secs(15),
            drain: Duration::from_millis(1500),
            sign_up: SIGN_UP,
            evidence: Quota::per_minute(const { NonZeroU32::new(60).unwrap() }),
            request: Quota::per_minute(const { NonZeroU32::new(1200).unwrap() }),
            read: Quota::per_minute(const { NonZeroU32::new(2400).unwrap() }),
            channels_per_address: PLACES.strangers / 10,
            channel: Quota::per_minute(const { NonZeroU32::new(300).unwrap() }),
            channel_kib: Quota::per_minute(const { NonZeroU32::new(300).unwrap() }),
            addresses: 65_536,
        }
    }
}

/// Sign-up requests of a client: five sign-ups at once, or one that goes wrong four times, and 30 in an hour.
///
/// All sign-ups of an enclave have one counter, 600 in a minute. At five for an address it takes 120 addresses
/// to use it up for a minute, and with 30 sign-ups in an hour for each, 1 200 to go on so.
const SIGN_UP: Quota =
    Quota::per_hour(NonZeroU32::new(60).unwrap()).with_burst(NonZeroU32::new(10).unwrap());

impl Limits {
    /// No rate limits: for load measurements, where every request comes from one address.
    #[must_use]
    pub fn without_rates(self) -> Self {
        let unlimited = Quota::per_second(NonZeroU32::MAX);
        Self {
            sign_up: unlimited,
            evidence: unlimited,
            request: unlimited,
            read: unlimited,
            channel: unlimited,
            channel_kib: unlimited,
            channels_per_address: usize::MAX,
            in_flight_per_address: usize::MAX,
            waiting_per_address: usize::MAX,
            evidence_waiting_per_address: usize::MAX,
            ..self
        }
    }
}
