//! H1: strangers on the channel take strangers' places, and nobody else's. All of this is with the
//! places that ship.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use openkey_protocol::{
    cbor,
    channel::PLACES,
    client::{Client, ClientOptions},
    frame::{Failure, Frame, FrameReader, VERSIONS, handshake, write_frame},
    message::{Call, Class, ErrorCode, Reply, Request, RootSource, SignUp, Verdict},
    server::ServerOptions,
    transport::{Connect, Stream},
};
use openkey_verifier::channel::{Attested, Connector, provider};
use rcgen::KeyPair;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, copy, split},
    task::{unconstrained, yield_now},
    time::{Duration, Instant},
};

use crate::{
    deployment::{Deployment, IMAGE, Running, call},
    evidence::{binding, certificate, document_by, extension, tls_key},
};

/// For a hello over memory.
const LIMIT: Duration = Duration::from_secs(10);

/// An enclave with its root key, and who connects to its channel.
struct Channel {
    deployment: Deployment,
    giver: Running,
    strangers: Connector,
}

/// A channel on which both sides have said hello.
struct Open {
    reader: FrameReader<ReadHalf<Stream>>,
    writer: WriteHalf<Stream>,
}

impl Channel {
    async fn new() -> Self {
        let deployment = Deployment::new();
        let giver = deployment.giver(1).await;
        let strangers = Connector::new(deployment.policy(), deployment.clock()).unwrap();
        Self {
            deployment,
            giver,
            strangers,
        }
    }

    /// Connections that say nothing.
    async fn silent(&self, count: usize) -> Vec<Stream> {
        let mut silent = Vec::new();
        for _ in 0..count {
            silent.push(self.giver.address.connect().await.unwrap());
        }
        silent
    }

    /// A channel with a place; `None` if the enclave closed it, or said that it is busy.
    async fn open_as(&self, connector: &Connector) -> Option<Open> {
        let stream = self.giver.address.connect().await.unwrap();
        let (stream, _) = connector.connect("enclave", stream).await.ok()?;
        let (reader, mut writer) = split(stream);
        let mut reader = FrameReader::new(reader, LIMIT);
        handshake(&mut reader, &mut writer, VERSIONS, LIMIT)
            .await
            .ok()?;
        Some(Open { reader, writer })
    }

    async fn open(&self) -> Option<Open> {
        self.open_as(&self.strangers).await
    }

    /// A stranger that tries again until there is a place: who left is noticed in its time.
    async fn open_at_last(&self) -> Open {
        loop {
            if let Some(open) = self.open().await {
                return open;
            }
            yield_now().await;
        }
    }

    /// That another enclave gets the root key by hand-over, now.
    async fn hands_over(&self) {
        let asker = self.deployment.asker(IMAGE, 1, None, &self.giver).await;
        assert!(asker.becomes_ready().await, "{}", asker.explanation().await);
        let source = asker.service.platform().root_source();
        assert_eq!(source, Some(RootSource::HandOver));
    }

    /// Connects with the evidence of an enclave that runs another image.
    fn other_image(&self) -> Connector {
        let key = KeyPair::generate().unwrap();
        let nsm = self.deployment.nsm(IMAGE + 1);
        let binding = binding(&self.deployment, Some(tls_key(&key)));
        let document = document_by(&nsm, &self.deployment, binding, None);
        let (certificate, secret) = certificate(&key, vec![extension(&document)]);
        let secret = provider().key_provider.load_private_key(secret).unwrap();
        let own = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], secret));
        let (policy, clock) = (self.deployment.policy(), self.deployment.clock());
        Connector::mutual(policy, clock, Arc::new(own)).unwrap()
    }
}

/// What host-proxy bounds by address over HTTP, it cannot see here.
#[tokio::test]
async fn d18_nobody_signs_up_on_a_channel() {
    let channel = Channel::new().await;
    let request = Request::SignUp(SignUp {
        origin: "http://localhost:7100".into(),
        name: "Ada".into(),
    });
    // over HTTP it is begun
    assert!(channel.giver.ask(&request).await.is_ok());
    let attested = Attested {
        transport: channel.giver.address.clone(),
        connector: channel.strangers.clone(),
        peer: "enclave".to_owned(),
    };
    let client = Client::new(attested, ClientOptions::default());
    let nonce = [7; 32].into();
    let body = cbor::encode(&Call { nonce, request }).unwrap();
    for class in [Class::SignUp, Class::Request] {
        let reply = client.call(class, body.clone(), LIMIT).await.unwrap();
        let Reply::Answer(answer) = cbor::decode(&reply).unwrap() else {
            panic!("no answer");
        };
        let Verdict::Refused(error) = answer.unverified().unwrap().result else {
            panic!("a sign-up was begun by {class:?}");
        };
        assert_eq!(error.code, ErrorCode::WrongClass);
    }
}

/// Silent connections, more than there are places of any kind, and as many again afterwards.
#[tokio::test]
async fn h1_silent_connections_shut_nobody_out() {
    let channel = Channel::new().await;
    let mut silent = channel.silent(2 * PLACES.all()).await;
    assert!(channel.open().await.is_some(), "a stranger");
    silent.extend(channel.silent(2 * PLACES.all()).await);
    channel.hands_over().await;
    // No more are open than there are places, and those are the newest.
    let oldest = silent.len() - PLACES.silent;
    let open = silent.iter_mut().map(is_open).collect::<Vec<_>>();
    let displaced = open[..oldest].iter().filter(|open| **open).count();
    assert_eq!(displaced, 0, "of the {oldest} oldest, so many are open");
}

/// Whether the other side has not closed a stream on which it says nothing, as things are now.
fn is_open(stream: &mut Stream) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let read = pin!(unconstrained(stream.read_u8()));
    read.poll(&mut context).is_pending()
}

/// A handshake under way is not ended by connections that say nothing, however slow it is.
#[tokio::test]
async fn h1_silent_connections_end_no_handshake_under_way() {
    let channel = Channel::new().await;
    let (far, near) = tokio::io::duplex(1 << 16);
    let stream = channel.giver.address.connect().await.unwrap();
    let greeted = async {
        let (mut from_enclave, mut to_enclave) = split(stream);
        let (mut from_client, mut to_client) = split(far);
        let sending = tokio::spawn(async move { copy(&mut from_client, &mut to_enclave).await });
        // the first message has arrived when the enclave says something
        let mut first = [0; 512];
        let count = from_enclave.read(&mut first).await.unwrap();
        let mut silent = channel.silent(2 * PLACES.all()).await;
        while is_open(&mut silent[PLACES.all()]) {
            yield_now().await;
        }
        to_client.write_all(&first[..count]).await.unwrap();
        let receiving = tokio::spawn(async move { copy(&mut from_enclave, &mut to_client).await });
        (sending, receiving, silent)
    };
    let opening = channel.strangers.connect("enclave", Box::new(near));
    let (opened, _pumps) = tokio::join!(opening, greeted);
    let (reader, mut writer) = split(opened.unwrap().0);
    let mut reader = FrameReader::new(reader, LIMIT);
    handshake(&mut reader, &mut writer, VERSIONS, LIMIT)
        .await
        .expect("the enclave goes on");
}

/// A connection that says nothing has so much time, and not more.
#[tokio::test]
async fn h1_a_silent_connection_ends_with_its_time() {
    let channel = Channel::new().await;
    // the enclave makes its key of this hour, which takes real time
    channel.open().await.unwrap();
    let connected = Instant::now();
    let mut silent = channel.silent(1).await;
    yield_now().await;
    tokio::time::pause();
    let began = Instant::now();
    assert!(silent[0].read_u8().await.is_err());
    // Its time began at some moment between the two.
    assert!(connected.elapsed() >= PLACES.handshake);
    assert!(began.elapsed() <= PLACES.handshake + Duration::from_secs(1));
}

#[tokio::test]
async fn h1_strangers_who_hold_every_place_do_not_hold_the_peers() {
    let channel = Channel::new().await;
    let mut strangers = Vec::new();
    for place in 0..PLACES.strangers {
        let open = channel.open().await;
        strangers.push(open.unwrap_or_else(|| panic!("place {place} of {}", PLACES.strangers)));
    }
    assert!(channel.open().await.is_none(), "one stranger too many");
    let _silent = channel.silent(2 * PLACES.all()).await;
    channel.hands_over().await;
    // one that leaves makes room for one
    drop(strangers.pop());
    strangers.push(channel.open_at_last().await);
    assert!(channel.open().await.is_none(), "one stranger too many");
    channel.hands_over().await;
}

/// Whoever finds no place is told so, and not left to guess.
#[tokio::test]
async fn h1_a_stranger_without_a_place_is_told() {
    let channel = Channel::new().await;
    let mut strangers = Vec::new();
    for _ in 0..PLACES.strangers {
        strangers.push(channel.open().await.unwrap());
    }
    let stream = channel.giver.address.connect().await.unwrap();
    let (stream, _) = channel.strangers.connect("enclave", stream).await.unwrap();
    let mut reader = FrameReader::new(stream, LIMIT);
    let told = reader.next().await.unwrap();
    let busy = Frame::Failure {
        id: 0,
        failure: Failure::Busy,
    };
    assert_eq!(told, Some(busy));
}

/// Anybody can run an enclave of their own, and its evidence is as good as any.
#[tokio::test]
async fn h1_enclaves_of_another_image_leave_the_equals_their_places() {
    let channel = Channel::new().await;
    let other = channel.other_image();
    let mut taken = Vec::new();
    for place in 0..PLACES.others {
        let open = channel.open_as(&other).await;
        taken.push(open.unwrap_or_else(|| panic!("place {place} of {}", PLACES.others)));
    }
    assert!(channel.open_as(&other).await.is_none(), "one too many");
    assert!(channel.open().await.is_some(), "a stranger");
    channel.hands_over().await;
}

/// It asks for more than the connection itself holds, and looks at no answer: its place is free when the time for one
/// frame is over.
#[tokio::test]
async fn h1_a_channel_that_reads_nothing_is_given_up() {
    const ASKED: u64 = 400;
    let frame_timeout = ServerOptions::default().frame_timeout;
    let channel = Channel::new().await;
    let mut others = Vec::new();
    for _ in 1..PLACES.strangers {
        others.push(channel.open().await.unwrap());
    }
    let mut open = channel.open().await.unwrap();
    tokio::time::pause();
    let began = Instant::now();
    let body = call(&Request::Status);
    let mut written = 0;
    for id in 1..=ASKED {
        let frame = Frame::Request {
            id,
            class: Class::Request,
            deadline_ms: 60_000,
            body: body.clone().into(),
        };
        let framed = frame.encode().unwrap();
        let write = write_frame(&mut open.writer, &framed, frame_timeout / 2);
        if write.await.is_err() {
            break;
        }
        written += 1;
    }
    assert!(
        channel.open().await.is_none(),
        "its place is free too early"
    );
    tokio::time::sleep_until(began + frame_timeout + Duration::from_secs(1)).await;
    assert!(channel.open().await.is_some(), "its place is still taken");
    let mut told = 0;
    while let Ok(Some(_)) = open.reader.next().await {
        told += 1;
    }
    assert!(told < written, "all {told} answers were kept");
    tokio::time::resume();
    channel.hands_over().await;
}

#[tokio::test]
async fn h1_a_channel_that_asks_nothing_is_closed() {
    let channel = Channel::new().await;
    let mut open = channel.open().await.unwrap();
    tokio::time::pause();
    let began = Instant::now();
    assert!(matches!(open.reader.next().await, Ok(None) | Err(_)));
    let took = began.elapsed();
    assert!(took >= PLACES.idle && took <= PLACES.idle + Duration::from_secs(1));
}
