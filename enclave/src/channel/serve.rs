//! Taking channels: TLS with a deadline, then the same frames as everywhere else.

use std::{future::Future, sync::Arc, time::Duration};

use openkey_attestation::UnixMillis;
use openkey_protocol::{
    channel::{ALPN, PLACES},
    message::Class,
    server::{Bounds, Handler, Instant, ServerOptions},
    transport::{Listen, Stream},
};
use openkey_verifier::channel::{Channel, ChannelError, Expiring};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Channels, EnclaveChannelError, clock,
    places::{Handshake, Handshakes, Rooms},
};

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

/// Takes channels until `shutdown` is ready; then no more, and those there are end in order. There
/// are as many places as [`PLACES`] says.
///
/// Dropping the future closes everything at once.
pub async fn serve_channel<L: Listen, P: OnChannel>(
    mut listener: L,
    channels: Arc<Channels>,
    service: Arc<P>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let shared = Arc::new(Shared {
        channels,
        service,
        rooms: Rooms::new(&PLACES),
    });
    let handshakes = Handshakes::new(PLACES.handshakes);
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    let place = Handshakes::enter(&handshakes);
                    connections.spawn(one(Arc::clone(&shared), stream, place, stopped.clone()));
                }
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    stop.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    // Whoever is not done by then is cut off when the set is dropped.
    let _ = timeout(ServerOptions::default().grace, finished).await;
}

struct Shared<P> {
    channels: Arc<Channels>,
    service: Arc<P>,
    rooms: Rooms,
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

/// A channel that has its place.
struct Seated<'a> {
    stream: Stream,
    peer: Option<Channel>,
    left: Duration,
    bounds: &'a Bounds,
    /// Held as long as the channel is open.
    _place: OwnedSemaphorePermit,
}

impl<P: OnChannel> Shared<P> {
    /// The handshake, then a place in the room of whoever is there. Whoever finds none is told so.
    async fn seat(&self, stream: Stream) -> Option<Seated<'_>> {
        // In a task of its own: a connection that is displaced must not cancel the making of the
        // key that the others wait for, nor leave its call waiting at the NSM.
        let channels = Arc::clone(&self.channels);
        let key = tokio::spawn(async move { channels.epoch().await.map(drop) });
        key.await.ok()?.ok()?;
        let (stream, peer, left) = accept(&self.channels, stream).await.ok()?;
        let own = self.channels.platform().measured();
        let room = self.rooms.of(own, peer.as_ref());
        let Some(place) = room.enter() else {
            Bounds::refuse(stream).await;
            return None;
        };
        Some(Seated {
            stream,
            peer,
            left,
            bounds: &room.bounds,
            _place: place,
        })
    }
}

/// One connection from its first byte to its last.
async fn one<P: OnChannel>(
    shared: Arc<Shared<P>>,
    stream: Stream,
    mut handshake: Handshake,
    mut stopped: watch::Receiver<bool>,
) {
    let seated = tokio::select! {
        seated = timeout(PLACES.handshake, shared.seat(stream)) => seated,
        () = handshake.displaced() => return,
    };
    let Ok(Some(seated)) = seated else {
        return;
    };
    drop(handshake);
    let Seated { peer, left, .. } = seated;
    let handler = Known {
        service: Arc::clone(&shared.service),
        peer,
    };
    let (stop, ending) = watch::channel(false);
    let serving = seated.bounds.serve(seated.stream, handler, ending);
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
