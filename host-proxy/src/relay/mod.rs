//! Connections made for enclaves, and to them: byte for byte, bounded, never looked into.
//!
//! * [`serve`] opens what an enclave asks for: egress to hosts of its measured configuration, and
//!   other enclaves' channels;
//! * [`channel`] carries TCP connections from outside to an enclave's channel;
//! * [`heartbeat`] answers the sign of life where AWS's tools are not there to do it.

pub(crate) mod channel;
mod egress;
pub(crate) mod heartbeat;
mod public;
mod pump;

use std::{io, sync::Arc, time::Duration};

use openkey_edge::accept::Failing;
use openkey_protocol::{
    message::{MAX_RELAY_WORD, RelayReply, RelayRequest},
    relay,
    transport::{Connect as _, Listen, Listener, Stream},
};
use tokio::{net::TcpStream, sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    config::{Peer, ServicesConfig},
    metrics::Metrics,
};

/// Connections of one listener at once: an enclave opens a few at boot and seldom later.
const CONNECTIONS: usize = 64;
/// For each of the two words.
const WORD: Duration = Duration::from_secs(5);
/// For the other side to take the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Of a reason, so that the word stays a word.
const REASON: usize = MAX_RELAY_WORD / 4;

/// Takes connections until it is dropped, `limit` at once. Whoever comes when there is no room is
/// closed without a word.
async fn bounded<L, F>(
    limit: usize,
    mut listener: L,
    failing: Failing,
    mut each: impl FnMut(Stream) -> F + Send,
) where
    L: Listen,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limit));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match (accepted, Arc::clone(&places).try_acquire_owned()) {
            (Ok(stream), Ok(place)) => {
                let connection = each(stream);
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            (Ok(_), Err(_)) => tracing::warn!("no room for another relayed connection"),
            (Err(error), _) => failing.wait(&error, None, connections.join_next()).await,
        }
    }
}

/// Opens connections for the enclaves of one listener.
pub(crate) async fn serve(listener: Listener, config: ServicesConfig, metrics: Arc<Metrics>) {
    let config = Arc::new(config);
    bounded(CONNECTIONS, listener, metrics.failing(), |stream| {
        let config = Arc::clone(&config);
        async move { one(stream, &config).await }
    })
    .await;
}

/// One connection from its first word to its end.
async fn one(mut enclave: Stream, config: &ServicesConfig) {
    let asked = match relay::request(&mut enclave, WORD).await {
        Ok(asked) => asked,
        Err(error) => return tracing::warn!(%error, "an enclave's request for a connection"),
    };
    let (reply, opened) = match open(&asked, config).await {
        Ok(stream) => (RelayReply::Connected, Some(stream)),
        Err(reason) => {
            tracing::warn!(?asked, reason, "a connection was not opened");
            let reason = reason.chars().take(REASON).collect();
            (RelayReply::Refused { reason }, None)
        }
    };
    let answered = relay::answer(&mut enclave, &reply, WORD).await;
    if let (Ok(()), Some(other)) = (answered, opened) {
        tracing::debug!(?asked, "a connection was opened");
        pump::both(enclave, other).await;
    }
}

async fn open(asked: &RelayRequest, config: &ServicesConfig) -> Result<Stream, String> {
    let opened = timeout(CONNECT, async {
        match asked {
            RelayRequest::Egress { host, port } => egress::open(host, *port, config).await,
            RelayRequest::Peer { index } => {
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                match config.peers.get(index) {
                    Some(peer) => connect(peer).await.map_err(|error| error.to_string()),
                    None => Err("there is no such peer".to_owned()),
                }
            }
        }
    });
    opened
        .await
        .unwrap_or_else(|_| Err("it did not answer in time".to_owned()))
}

/// Peers are named by the operator of this host: any address is allowed.
async fn connect(peer: &Peer) -> io::Result<Stream> {
    match peer {
        Peer::Local(address) => address.connect().await,
        Peer::Remote(address) => Ok(Box::new(TcpStream::connect(address).await?)),
    }
}

#[cfg(test)]
mod tests;
