//! Asking running enclaves for the root key.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use openkey_protocol::{
    cbor,
    client::{Client, ClientOptions},
    message::{
        Bare, Call, Class, HandOver, Key32, MAX_PEERS, RelayRequest, Reply, Request, RootSource,
        Sealed,
    },
    relay::Relay,
    transport::{Connect, Stream},
};
use openkey_verifier::{
    answer::{self, Asked},
    channel::{Channel, Connector},
    statement::IdentityKey,
};
use tokio::time::timeout;

use super::info;
use crate::{
    channel::{KeyEpoch, clock},
    platform::Platform,
    root::{Descriptor, Obtaining, RootKey, RootKeySource, SourceError},
};

/// How long one peer may take: connection, handshake and answer.
const PEER_PATIENCE: Duration = Duration::from_secs(10);

/// The root key from a running enclave, through the host's relay.
pub struct HandOverSource {
    relay: Arc<dyn Relay>,
    /// The peer to begin with: a slow one must not keep the others from being asked for ever.
    next: AtomicU32,
}

impl core::fmt::Debug for HandOverSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HandOverSource").finish_non_exhaustive()
    }
}

impl HandOverSource {
    /// Asks the peers that this relay reaches.
    #[must_use]
    pub fn new(relay: Arc<dyn Relay>) -> Self {
        Self {
            relay,
            next: AtomicU32::new(0),
        }
    }

    async fn ask_all(&self, platform: &Platform) -> Result<RootKey, SourceError> {
        let descriptor = descriptor(platform)?;
        let peers = platform.files().peers.min(MAX_PEERS);
        if peers == 0 {
            return Err(SourceError::new("The host offers no other enclave."));
        }
        let (epoch, root) = KeyEpoch::make(platform, None)
            .await
            .map_err(|error| SourceError::new(format!("No channel of our own: {error}.")))?;
        let connector = Connector::mutual(root.policy(), clock(platform), epoch.client())
            .map_err(|error| SourceError::new(format!("No channel of our own: {error}.")))?;
        let first = self.next.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        for step in 0..peers {
            let index = first.wrapping_add(step) % peers;
            self.next.store((index + 1) % peers, Ordering::Relaxed);
            let asked = self.ask(platform, &connector, &descriptor, index);
            match timeout(PEER_PATIENCE, asked).await {
                Ok(Ok(key)) => return Ok(key),
                Ok(Err(reason)) => reasons.push(format!("Peer {index}: {reason}")),
                Err(_) => reasons.push(format!("Peer {index}: It did not answer in time.")),
            }
        }
        Err(SourceError::new(reasons.join(" ")))
    }

    /// Asks one peer. The reason is a sentence of this enclave's own.
    async fn ask(
        &self,
        platform: &Platform,
        connector: &Connector,
        descriptor: &Descriptor,
        index: u32,
    ) -> Result<RootKey, String> {
        let stream = self
            .relay
            .open(&RelayRequest::Peer { index })
            .await
            .map_err(|error| format!("The host does not connect to it ({}).", error.kind()))?;
        let (stream, giver) = connector
            .connect("", stream)
            .await
            .map_err(|error| format!("Its channel is refused ({}).", error.rule()))?;
        if giver.binding().identity.as_slice() == platform.identity() {
            return Err("It is this enclave itself.".to_owned());
        }
        let request = Request::HandOver(HandOver {
            root_id: descriptor.id(),
            manifest: platform.files().manifest.clone(),
        });
        let call = Call {
            nonce: platform.entropy.array::<32>().into(),
            request,
        };
        let body = cbor::encode(&call).map_err(|_| "The request has no encoding.".to_owned())?;
        let reply = exchange(stream, body.clone()).await?;
        let sealed = handed_over(platform, &giver, &body, &reply)?;
        let info = info(&descriptor.id(), &Key32(platform.identity()));
        let opened = platform.boot_key.open(&info, &sealed);
        let opened = opened.map_err(|_| "What it gave does not open.".to_owned())?;
        let bytes: &[u8; 32] = opened
            .as_slice()
            .try_into()
            .map_err(|_| "What it gave is no root key.".to_owned())?;
        let key = RootKey::new(bytes);
        if !descriptor.commits_to(&key) {
            return Err("What it gave is not the root key of the configured root_id.".to_owned());
        }
        Ok(key)
    }
}

impl RootKeySource for HandOverSource {
    fn source(&self) -> RootSource {
        RootSource::HandOver
    }

    fn obtain<'a>(&'a self, platform: &'a Platform) -> Obtaining<'a, RootKey> {
        Box::pin(self.ask_all(platform))
    }
}

/// What the root key must reproduce. Checked here for each peer, and again by whoever asks this
/// source: a peer that gives a wrong key must not keep the next one from being asked.
fn descriptor(platform: &Platform) -> Result<Descriptor, SourceError> {
    let configuration = platform.configuration();
    let root_id = configuration.root_id();
    let root_id = root_id.ok_or_else(|| SourceError::new("The configuration names no root_id."))?;
    let bytes = platform.files().descriptor.as_ref();
    let bytes = bytes.map(|bytes| bytes.as_slice());
    Descriptor::read(bytes, &root_id, configuration, platform.epoch())
        .map_err(|error| SourceError::new(format!("No root descriptor: {error}.")))
}

/// The sealed root key in a reply, or why there is none.
fn handed_over(
    platform: &Platform,
    giver: &Channel,
    call: &[u8],
    reply: &[u8],
) -> Result<Sealed, String> {
    let other = || "It answered something else.".to_owned();
    let refusal = match cbor::decode(reply) {
        Ok(Reply::Bare(Bare::HandedOver(sealed))) => return Ok(sealed),
        Ok(Reply::Bare(Bare::Refused(error))) => error,
        Ok(Reply::Answer(signed)) => {
            let identity = giver.binding().identity.as_slice();
            let identity = IdentityKey::from_evidence_verified_earlier(identity);
            let asked = Asked::new(call, platform.now());
            let opened = identity.map_err(|_| other())?;
            match answer::open(&opened, &signed, &asked) {
                Ok(Err(error)) => error,
                Ok(Ok(_)) => return Err(other()),
                Err(error) => return Err(format!("Its answer is refused ({}).", error.rule())),
            }
        }
        _ => return Err(other()),
    };
    Err(refused(platform, giver, refusal))
}

/// One request over one stream.
async fn exchange(stream: Stream, body: Vec<u8>) -> Result<Vec<u8>, String> {
    let options = ClientOptions {
        connections: 1,
        ..ClientOptions::default()
    };
    let client = Client::new(Once(Mutex::new(Some(stream))), options);
    client
        .call(Class::Request, body, PEER_PATIENCE)
        .await
        .map_err(|_| "It gave no answer on the channel.".to_owned())
}

/// A connection that is there already.
struct Once(Mutex<Option<Stream>>);

impl Connect for Once {
    async fn connect(&self) -> io::Result<Stream> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// A refusal in words: the giver's own if it is the same program as this one, else ours, since a
/// stranger's words are not repeated to operators.
fn refused(
    platform: &Platform,
    giver: &Channel,
    error: openkey_protocol::message::Error,
) -> String {
    let same = platform
        .measured()
        .image
        .iter()
        .zip(0_u8..)
        .all(|(own, index)| giver.claims().pcrs.get(index) == Some(own));
    if same {
        error.message
    } else {
        "It refused, and it is another program than this one.".to_owned()
    }
}
