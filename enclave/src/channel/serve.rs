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
    time::{sleep, timeout, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, rustls::server::Acceptor};

use super::{
    Channels, EnclaveChannelError, clock,
    places::{Handshake, Handshakes, Rooms},
};

/// That long before a connection's evidence ends it takes no new requests, so that those under way
/// have their answers.
const GRACE: Duration = Duration::from_secs(30);
/// A listener that fails (too many open files) is asked again after this long.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection that has sent the whole first message of a handshake.
type Greeting = StartHandshake<Stream>;

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
        greeted: Handshakes::new(PLACES.handshakes),
        rooms: Rooms::new(&PLACES),
    });
    let silent = Handshakes::new(PLACES.silent);
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
                    let place = Handshakes::enter(&silent);
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
    /// Connections that have sent a whole first message.
    greeted: Arc<Handshakes>,
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
    async fn seat(&self, greeting: Greeting) -> Option<Seated<'_>> {
        // In a task of its own: a connection that is displaced must not cancel the making of the
        // key that the others wait for, nor leave its call waiting at the NSM.
        let channels = Arc::clone(&self.channels);
        let key = tokio::spawn(async move { channels.epoch().await.map(drop) });
        key.await.ok()?.ok()?;
        let (stream, peer, left) = accept(&self.channels, greeting).await.ok()?;
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
    mut silent: Handshake,
    mut stopped: watch::Receiver<bool>,
) {
    let deadline = Instant::now() + PLACES.handshake;
    let greeting = tokio::select! {
        greeting = timeout_at(deadline, greeting(stream)) => greeting,
        () = silent.displaced() => return,
    };
    let Ok(Ok(greeting)) = greeting else {
        return;
    };
    // Another queue: whoever says nothing displaces nobody who has said something.
    let mut greeted = Handshakes::enter(&shared.greeted);
    drop(silent);
    let seated = tokio::select! {
        seated = timeout_at(deadline, shared.seat(greeting)) => seated,
        () = greeted.displaced() => return,
    };
    let Ok(Some(seated)) = seated else {
        return;
    };
    drop(greeted);
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

/// Reads the first message of a handshake.
async fn greeting(stream: Stream) -> std::io::Result<Greeting> {
    LazyConfigAcceptor::new(Acceptor::default(), stream).await
}

/// The rest of the handshake, and who is there. The stream that comes back ends with the evidence of either
/// side; the time is what is left until then.
async fn accept(
    channels: &Channels,
    greeting: Greeting,
) -> Result<(Stream, Option<Channel>, Duration), EnclaveChannelError> {
    let platform = channels.platform();
    let epoch = channels.epoch().await?;
    let tls = greeting
        .into_stream(epoch.server())
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
