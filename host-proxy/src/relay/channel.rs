//! TCP connections from outside, carried to an enclave's channel. TLS begins and ends elsewhere.
//!
//! How many channels there are in all is the enclave's to bound: it sees who is a peer. Here is
//! bounded what only the host can see: the connections of one address, and how much they say. What
//! they ask stands inside TLS, where the host cannot count it; a request has a least size, so bytes
//! bound requests.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use openkey_edge::{
    client::ClientKey,
    log::Sparing,
    pace,
    places::{Place, Places},
    rate::ClientRate,
};
use openkey_protocol::{
    channel::PLACES,
    transport::{Address, Connect as _},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    CONNECT,
    pump::{self, Meter},
};
use crate::{config::Config, metrics::Metrics};

/// Connections of one listener at once: more than the enclave has places for, so that it is the
/// enclave that decides who stays. Those it closes leave their places here at once. Fewer, if there may
/// be few open files.
pub(crate) const CONNECTIONS: usize = 1024;
const _: () = assert!(CONNECTIONS >= 2 * PLACES.all());
/// Lines of the log in a second about connections that reach no enclave.
const LINES: NonZeroU32 = const { NonZeroU32::new(20).unwrap() };
const KIB: NonZeroU32 = const { NonZeroU32::new(1024).unwrap() };
/// How often addresses with their whole quota are forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What is kept of the connections of one listener.
struct Relay {
    channel: Address,
    places: Arc<Places>,
    rate: ClientRate,
    /// Bytes that clients send.
    bytes: Arc<ClientRate>,
    metrics: Arc<Metrics>,
    /// Lines of the log that connections cause.
    lines: Arc<Sparing>,
}

/// Carries connections until it is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    channel: Address,
    places: usize,
    config: &Config,
    metrics: Arc<Metrics>,
) {
    let limits = &config.limits;
    let relay = Relay {
        channel,
        places: Places::new(places, limits.channels_per_address, config.trusted_proxy),
        rate: ClientRate::new(limits.channel, limits.addresses),
        bytes: Arc::new(ClientRate::new(
            limits.channel_kib.times(KIB),
            limits.addresses,
        )),
        metrics,
        lines: Arc::new(Sparing::new(LINES)),
    };
    relay.serve(listener).await;
}

impl Relay {
    async fn serve(&self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        let failing = self.metrics.failing();
        let mut tidy = interval(TIDY_EVERY);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = tokio::select! {
                biased;
                Some(_) = connections.join_next() => continue,
                _ = tidy.tick() => {
                    self.rate.tidy();
                    self.bytes.tidy();
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                // Closed without a word: TLS has none before its handshake.
                Ok((stream, peer)) => match self.enter(peer.ip()) {
                    Some(place) => {
                        let open = Open::new(place, Arc::clone(&self.metrics));
                        let bytes = Arc::clone(&self.bytes);
                        let lines = Arc::clone(&self.lines);
                        let to = self.channel.clone();
                        connections.spawn(one(stream, to, open, bytes, lines));
                    }
                    None => self.metrics.channel_refused(),
                },
                Err(error) => {
                    let ended = connections.join_next();
                    failing.wait(&error, Some(&self.places), ended).await;
                }
            }
        }
    }

    /// A place, unless the address has too many connections, or opened too many of late.
    fn enter(&self, peer: IpAddr) -> Option<Place> {
        let place = Places::enter(&self.places, peer.to_canonical())?;
        let within = |client: ClientKey| self.rate.check(&client).is_ok();
        place.client().is_none_or(within).then_some(place)
    }
}

/// A connection that is counted as long as it is open.
struct Open {
    metrics: Arc<Metrics>,
    place: Place,
}

impl Open {
    fn new(place: Place, metrics: Arc<Metrics>) -> Self {
        metrics.channels.increment(1);
        Self { metrics, place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.channels.decrement(1);
    }
}

async fn one(
    outside: TcpStream,
    channel: Address,
    open: Open,
    bytes: Arc<ClientRate>,
    lines: Arc<Sparing>,
) {
    let outside = pace::prepared(outside, pump::WRITE);
    // Not cut short: enclaves that ask for the root key would have to compete with the openings of all who
    // gave way while they were being opened.
    match timeout(CONNECT, channel.connect()).await {
        Ok(Ok(enclave)) => {
            let client = open.place.client();
            let meter = client.map(|client| Meter { bytes, client });
            tokio::select! {
                biased;
                () = open.place.displaced() => {}
                () = pump::metered(outside, enclave, meter) => {}
            }
        }
        Ok(Err(error)) if lines.admits() => {
            tracing::warn!(%channel, %error, left_out = lines.left_out(), "the channel is closed");
        }
        Err(_) if lines.admits() => {
            tracing::warn!(%channel, left_out = lines.left_out(), "the channel does not answer");
        }
        Ok(Err(_)) | Err(_) => {}
    }
    drop(open);
}
