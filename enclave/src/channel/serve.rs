//! Taking channels: TLS with a deadline, then the same frames as everywhere else.

use std::{future::Future, sync::Arc, time::Duration};

use openkey_attestation::UnixMillis;
use openkey_protocol::{
    channel::ALPN,
    message::Class,
    server::{Bounds, Handler, Instant, ServerOptions},
    transport::{Listen, Stream},
};
use openkey_verifier::channel::{Channel, ChannelError, Expiring};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Channels, EnclaveChannelError, clock};

/// Channels at once, each with some tens of kilobytes of buffers: an enclave's memory is fixed.
pub const CHANNEL_CONNECTIONS: usize = 256;
/// Handshakes at once: each costs signatures, and whoever begins one may be anybody.
const HANDSHAKES: usize = 16;
/// Longest time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// That long before a connection's evidence ends it takes no new requests, so that those under way
/// have their answers.
const GRACE: Duration = Duration::from_secs(30);
/// A listener that fails (too many open files) is asked again after this long.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers requests that arrive on channels.
pub trait OnChannel: Send + Sync + 'static {
    /// Answers one request with the bytes of its reply. `peer` is the enclave at the other end;
    /// `None` is a program that has no evidence, and may be anybody.
    fn answer_from(
        &self,
        class: Class,
        body: Vec<u8>,
        peer: Option<&Channel>,
    ) -> impl Future<Output = Vec<u8>> + Send;
}

/// Takes channels until `shutdown` is ready; then no more, and those there are end in order.
///
/// Dropping the future closes everything at once.
pub async fn serve_channel<L: Listen, P: OnChannel>(
    mut listener: L,
    channels: Arc<Channels>,
    service: Arc<P>,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send,
) {
    let most = options.connections.min(CHANNEL_CONNECTIONS);
    let grace = options.grace;
    let shared = Arc::new(Shared {
        channels,
        service,
        bounds: Bounds::new(options),
        handshakes: Semaphore::new(HANDSHAKES),
    });
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                // Who comes when there is no room is closed without a word, as TLS has none.
                Ok(stream) if connections.len() < most => {
                    connections.spawn(one(Arc::clone(&shared), stream, stopped.clone()));
                }
                Ok(_) => {}
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    // Whoever is not done by then is cut off when the set is dropped.
    let _ = timeout(grace, finished).await;
}

struct Shared<P> {
    channels: Arc<Channels>,
    service: Arc<P>,
    bounds: Bounds,
    handshakes: Semaphore,
}

/// Knows who is at the other end.
struct Known<P> {
    service: Arc<P>,
    peer: Option<Channel>,
}

impl<P: OnChannel> Handler for Known<P> {
    async fn handle(&self, class: Class, body: Vec<u8>, _: Instant) -> Vec<u8> {
        let peer = self.peer.as_ref();
        self.service.answer_from(class, body, peer).await
    }
}

/// One connection from its first byte to its last.
async fn one<P: OnChannel>(
    shared: Arc<Shared<P>>,
    stream: Stream,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(place) = shared.handshakes.try_acquire() else {
        return;
    };
    let Ok(Ok((stream, peer, left))) = timeout(HANDSHAKE, accept(&shared.channels, stream)).await
    else {
        return;
    };
    drop(place);
    let handler = Known {
        service: Arc::clone(&shared.service),
        peer,
    };
    let (stop, ending) = watch::channel(false);
    let serving = shared.bounds.serve(stream, handler, ending);
    let end = async {
        tokio::select! {
            () = sleep(left.saturating_sub(GRACE)) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
        stop.send_replace(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        () = end => {}
    }
}

/// The handshake, and who is there. The stream that comes back ends with the evidence of either
/// side; the time is what is left until then.
pub(crate) async fn accept(
    channels: &Channels,
    stream: Stream,
) -> Result<(Stream, Option<Channel>, Duration), EnclaveChannelError> {
    let platform = channels.platform();
    let (acceptor, epoch) = channels.acceptor().await?;
    let tls = acceptor
        .accept(stream)
        .await
        .map_err(|error| ChannelError::of(&error))?;
    let clock = clock(platform);
    let (now, connection) = (clock.now(), tls.get_ref().1);
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(ChannelError::Protocol.into());
    }
    // Also for a resumed session, in which no verifier was asked: the evidence it was begun with
    // must still hold.
    let peer = match epoch.peers().policy().established(connection, now) {
        Ok(peer) => Some(peer),
        Err(ChannelError::NoCertificate) => None,
        Err(error) => return Err(error.into()),
    };
    let own = UnixMillis(epoch.ends());
    let until = peer.as_ref().map_or(own, |peer| own.min(peer.expires()));
    let left = Duration::from_millis(until.0.saturating_sub(now.0));
    let stream = Expiring::new(tls, until, clock);
    Ok((Box::new(stream), peer, left))
}
