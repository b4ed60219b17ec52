//! F11, on both sides: a session ends with its evidence, its policy and its key epoch. C6, C7.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind},
    sync::{Arc, Mutex},
    time::Duration,
};

use openkey_attestation::{Measurements, Pcr, Policy, UnixMillis, Verifier};
use openkey_enclave::channel::{KEY_EPOCH, MAX_KEY_EPOCH};
use openkey_protocol::{
    channel::ALPN,
    client::{Client, ClientOptions},
    message::{Class, Request, RootSource},
    transport::{Connect, Stream},
};
use openkey_verifier::channel::{
    Attested, Channel, ChannelPolicy, Connector, Expiring, ServerVerifier, Sessions, provider,
    time_provider,
};
use rcgen::KeyPair;
use rustls::{
    ClientConfig, ConfigBuilder, HandshakeKind,
    client::WantsClientCert,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::{
    deployment::{Deployment, Running, call},
    evidence::{certificate, document, extension, tls_key},
};

fn policy(deployment: &Deployment, max_age: u64) -> ChannelPolicy {
    let policy = Policy::any_measurement().simulator(true);
    let policy = policy
        .max_channel_age(Duration::from_secs(max_age))
        .unwrap();
    let verifier = Verifier::new(deployment.pki.roots());
    ChannelPolicy::new(Arc::new(verifier), policy)
}

/// Opens a channel, and stays until its ticket has come: it comes before the server's first frame.
async fn open(connector: &Connector, giver: &Running) -> Channel {
    open_as("giver", connector, giver).await.1
}

async fn open_as(peer: &str, connector: &Connector, giver: &Running) -> (Stream, Channel) {
    let stream = giver.address.connect().await.unwrap();
    let (mut stream, channel): (Stream, _) = connector.connect(peer, stream).await.unwrap();
    stream.read_u8().await.unwrap();
    assert!(!connector.sessions().is_empty());
    (stream, channel)
}

/// Another program's TLS client, which keeps its sessions as it likes.
fn client(deployment: &Deployment) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    client_under(deployment, policy(deployment, 3600))
}

fn client_under(
    deployment: &Deployment,
    policy: ChannelPolicy,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let verifier = ServerVerifier::new(policy, deployment.clock());
    ClientConfig::builder_with_details(provider(), time_provider(deployment.clock()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
}

#[tokio::test]
async fn f11_a_session_is_resumed_under_its_own_policy_only() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let sessions = Sessions::new();
    let connector = |max_age| {
        let policy = policy(&deployment, max_age);
        let connector = Connector::new(policy, deployment.clock()).unwrap();
        connector.with_sessions(sessions.clone())
    };
    let hour = connector(3600);
    assert!(!open(&hour, &giver).await.resumed());
    assert!(open(&hour, &giver).await.resumed());
    // The policy tightens: no session of before is used, though it is kept in the same place.
    let tight = connector(1800);
    assert!(!open(&tight, &giver).await.resumed());
    // Nor does it cost the other policy its session.
    assert!(open(&hour, &giver).await.resumed());
    assert_ne!(
        policy(&deployment, 3600).hash(),
        policy(&deployment, 1800).hash()
    );
}

#[tokio::test]
async fn f11_a_session_ends_when_its_evidence_has_aged_out() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let connector = Connector::new(policy(&deployment, 600), deployment.clock()).unwrap();
    assert!(!open(&connector, &giver).await.resumed());
    deployment.time.pass(599_000);
    assert!(open(&connector, &giver).await.resumed());
    // The enclave's key epoch goes on, but for this client its evidence is too old: not resumed,
    // and refused as such.
    deployment.time.pass(2_000);
    let stream = giver.address.connect().await.unwrap();
    let refused = connector.connect("giver", stream).await;
    assert_eq!(refused.err().map(|error| error.rule()), Some("too_old"));
    assert!(connector.sessions().is_empty());
}

/// Sessions of one hash serve each other's policies: whatever decides is in it.
#[test]
fn f11_whatever_a_policy_decides_by_is_in_its_hash() {
    let deployment = Deployment::new();
    let set = |index, byte| Measurements::new([(index, Pcr([byte; 48]))]).unwrap();
    let base = || Policy::one_of([set(0, 1)]).unwrap();
    let hash = |policy| {
        let verifier = Verifier::new(deployment.pki.roots());
        ChannelPolicy::new(Arc::new(verifier), policy).hash()
    };
    let second = Duration::from_secs(1);
    let policies = [
        base(),
        Policy::any_measurement(),
        Policy::one_of([set(0, 2)]).unwrap(),
        Policy::one_of([set(1, 1)]).unwrap(),
        Policy::one_of([set(0, 1), set(1, 1)]).unwrap(),
        Policy::one_of([Measurements::new([(0, Pcr([1; 48])), (1, Pcr([1; 48]))]).unwrap()])
            .unwrap(),
        base().max_channel_age(second).unwrap(),
        base().max_skew(second).unwrap(),
        base().allow_debug(true),
        base().simulator(true),
        base().pin_root_id([1; 32]),
        base().pin_root_id([2; 32]),
        base().min_epoch(1),
        base().min_epoch(2),
        base().bind_public_key(vec![1]),
        base().bind_public_key(vec![2]),
        base().bind_user_data_sha256([1; 32]),
        base().bind_user_data_sha256([2; 32]),
    ];
    let mut hashes: Vec<_> = policies.into_iter().map(hash).collect();
    let other = Verifier::new(Deployment::new().pki.roots());
    hashes.push(ChannelPolicy::new(Arc::new(other), base()).hash());
    let different: BTreeSet<_> = hashes.iter().collect();
    assert_eq!(different.len(), hashes.len());
}

#[tokio::test]
async fn f11_sessions_are_kept_by_peer_and_all_dropped_when_they_have_aged_out() {
    let deployment = Deployment::new();
    let (one, other) = (deployment.giver(1).await, deployment.giver(1).await);
    let connector = Connector::new(policy(&deployment, 600), deployment.clock()).unwrap();
    for resumed in [false, true] {
        for (peer, giver) in [("one", &one), ("other", &other)] {
            let (_, channel) = open_as(peer, &connector, giver).await;
            assert_eq!(channel.resumed(), resumed, "{peer}");
        }
    }
    assert_eq!(connector.sessions().len(), 2);
    deployment.time.pass(601_000);
    let stream = one.address.connect().await.unwrap();
    assert!(connector.connect("one", stream).await.is_err());
    assert!(connector.sessions().is_empty());
}

#[tokio::test]
async fn m6_sessions_are_bounded() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let connector = Connector::new(policy(&deployment, 600), deployment.clock()).unwrap();
    for peer in 0..130 {
        open_as(&peer.to_string(), &connector, &giver).await;
    }
    assert_eq!(connector.sessions().len(), 128);
}

#[tokio::test]
async fn f11_a_connection_ends_with_its_evidence() {
    let deployment = Deployment::new();
    deployment.time.pass(60_000);
    let giver = deployment.giver(1).await;
    let made = deployment.time.now().0;
    let connector = |max_age| Connector::new(policy(&deployment, max_age), deployment.clock());
    let (mut stream, channel) = open_as("giver", &connector(600).unwrap(), &giver).await;
    assert_eq!(channel.expires().0, made + 600_000);
    // Evidence is no younger than the certificate that it stands on.
    let (_, long) = open_as("giver", &connector(10_800).unwrap(), &giver).await;
    assert!(long.claims().certificate_expires.0 < made + 10_800_000);
    assert_eq!(long.expires(), long.claims().certificate_expires);
    deployment.time.pass(600_000);
    stream.write_all(b"x").await.unwrap();
    deployment.time.pass(1);
    let refused = stream.write_all(b"x").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn f11_who_waits_on_a_connection_is_woken_when_it_ends() {
    let deployment = Deployment::new();
    let (here, _there) = tokio::io::duplex(64);
    let until = UnixMillis(deployment.time.now().0 + 50);
    let mut stream = Expiring::new(here, until, deployment.clock());
    let waited = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await;
    let refused = waited.unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TimedOut);
}

/// Clients of other programs ask for what a connection proves afterwards, if they do; the
/// handshake refuses before.
#[tokio::test]
async fn f10_the_handshake_itself_refuses_another_root_key() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let under = |root_id: [u8; 32]| {
        let policy = Policy::any_measurement().simulator(true);
        let verifier = Verifier::new(deployment.pki.roots());
        ChannelPolicy::new(Arc::new(verifier), policy.pin_root_id(root_id))
    };
    for (root_id, accepted) in [(deployment.root_id.0, true), ([1; 32], false)] {
        let mut config = client_under(&deployment, under(root_id)).with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("anybody.invalid").unwrap();
        let stream = giver.address.connect().await.unwrap();
        assert_eq!(connector.connect(name, stream).await.is_ok(), accepted);
    }
}

/// The genuine certificate, presented by somebody who does not hold its key.
#[tokio::test]
async fn f7_an_enclave_does_not_serve_a_peer_without_the_key_of_its_evidence() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let (genuine, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let document = document(&deployment, Some(tls_key(&genuine)), None);
    let (stolen, honest) = certificate(&genuine, vec![extension(&document)]);
    let (_, other) = certificate(&own, vec![]);
    for (secret, served) in [(honest, true), (other, false)] {
        let secret = provider().key_provider.load_private_key(secret).unwrap();
        let certified = CertifiedKey::new(vec![stolen.clone()], secret);
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let mut config = client(&deployment).with_client_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN.to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("anybody.invalid").unwrap();
        let stream = giver.address.connect().await.unwrap();
        let mut tls = connector.connect(name, stream).await.unwrap();
        assert_eq!(tls.read_u8().await.is_ok(), served);
    }
}

#[tokio::test]
async fn c6_a_key_epoch_ends_and_takes_its_sessions_along() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let connector = Connector::new(policy(&deployment, 3600), deployment.clock()).unwrap();
    let first = open(&connector, &giver).await;
    deployment.time.pass(KEY_EPOCH + 1);
    let second = open(&connector, &giver).await;
    assert!(!second.resumed());
    assert_ne!(first.binding().tls_key, second.binding().tls_key);
    assert_eq!(first.identity(), second.identity());
}

/// No verifier runs when the peer resumes, so the enclave judges its evidence again.
#[tokio::test]
async fn f11_the_enclave_does_not_serve_a_peer_whose_evidence_has_aged_out() {
    const HALF_HOUR: u64 = 30 * 60_000;
    let deployment = Deployment::new();
    let key = KeyPair::generate().unwrap();
    let document = document(&deployment, Some(tls_key(&key)), None);
    let (certificate, secret) = certificate(&key, vec![extension(&document)]);
    deployment.time.pass(HALF_HOUR);
    let giver = deployment.giver(1).await;
    let config = client(&deployment).with_client_auth_cert(vec![certificate], secret);
    let mut config = config.unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    for (resumed, served) in [(false, true), (true, true), (true, false)] {
        if !served {
            // An hour old, while the enclave's own key is in its first.
            deployment.time.pass(HALF_HOUR + 1);
        }
        let name = ServerName::try_from("anybody.invalid").unwrap();
        let stream = giver.address.connect().await.unwrap();
        let mut tls = connector.connect(name, stream).await.unwrap();
        let kind = tls.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(HandshakeKind::Resumed), resumed);
        assert_eq!(tls.read_u8().await.is_ok(), served);
    }
}

/// A client that stays on one connection.
fn on_one(stream: Stream) -> Client {
    struct Once(Mutex<Option<Stream>>);

    impl Connect for Once {
        async fn connect(&self) -> io::Result<Stream> {
            let stream = self.0.lock().unwrap().take();
            stream.ok_or_else(|| ErrorKind::NotConnected.into())
        }
    }

    let options = ClientOptions {
        connections: 1,
        ..ClientOptions::default()
    };
    Client::new(Once(Mutex::new(Some(stream))), options)
}

async fn is_served(client: &Client) -> bool {
    let body = call(&Request::Status);
    let wait = Duration::from_secs(20);
    client.call(Class::Request, body, wait).await.is_ok()
}

/// What ends here is the enclave's end: the client's own accepts evidence for three hours.
#[tokio::test]
async fn f11_the_enclave_ends_a_connection_with_the_evidence_of_either_side() {
    const MINUTE: u64 = 60_000;
    // The peer's evidence is of minute 0 or 40, or there is none; the enclave's of minute 30 or 0.
    for (peers, own, ends) in [(Some(0), 30, 60), (Some(40), 0, 60), (None, 0, 60)] {
        let deployment = Deployment::new();
        let key = KeyPair::generate().unwrap();
        let evidence = || {
            let document = document(&deployment, Some(tls_key(&key)), None);
            let (certificate, secret) = certificate(&key, vec![extension(&document)]);
            let secret = provider().key_provider.load_private_key(secret).unwrap();
            Arc::new(SingleCertAndKey::from(CertifiedKey::new(
                vec![certificate],
                secret,
            )))
        };
        let mut presented = None;
        let mut giver = None;
        let mut minute = 0;
        for next in [0, 30, 40] {
            deployment.time.pass((next - minute) * MINUTE);
            minute = next;
            if peers == Some(minute) {
                presented = Some(evidence());
            }
            if own == minute {
                let running = deployment.giver(1).await;
                // Makes its key.
                let connector = Connector::new(policy(&deployment, 3600), deployment.clock());
                open_as("", &connector.unwrap(), &running).await;
                giver = Some(running);
            }
        }
        let (policy, clock) = (policy(&deployment, 10_800), deployment.clock());
        let connector = match presented {
            Some(own) => Connector::mutual(policy, clock, own),
            None => Connector::new(policy, clock),
        };
        let stream = giver.as_ref().unwrap().address.connect().await.unwrap();
        let (stream, _) = connector.unwrap().connect("", stream).await.unwrap();
        let client = on_one(stream);
        assert!(is_served(&client).await, "{peers:?} {own}");
        deployment.time.pass((ends - minute) * MINUTE + 1);
        assert!(!is_served(&client).await, "{peers:?} {own}");
    }
}

/// Evidence says where the root key came from, and that it is awaited as long as it is.
#[tokio::test]
async fn k1_evidence_speaks_of_the_root_key_as_soon_as_it_is_there() {
    let deployment = Deployment::new();
    let (waiting, told) = deployment.waiting().await;
    let connector = || Connector::new(policy(&deployment, 3600), deployment.clock()).unwrap();
    let (_, before) = open_as("", &connector(), &waiting).await;
    assert_eq!(before.binding().root_source, None);
    told.notify_one();
    while waiting.service.enclave().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, after) = open_as("", &connector(), &waiting).await;
    assert_eq!(after.binding().root_source, Some(RootSource::HandOver));
}

#[tokio::test]
async fn c6_m10_without_the_nsm_a_key_goes_on_for_its_hour_and_no_longer() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let connector = Connector::new(policy(&deployment, 10_800), deployment.clock()).unwrap();
    let first = open(&connector, &giver).await;
    deployment.time.without_nsm();
    deployment.time.pass(KEY_EPOCH + 1);
    let second = open(&connector, &giver).await;
    assert_eq!(first.binding().tls_key, second.binding().tls_key);
    deployment.time.pass(MAX_KEY_EPOCH - KEY_EPOCH);
    connector.sessions().clear();
    let stream = giver.address.connect().await.unwrap();
    assert!(connector.connect("giver", stream).await.is_err());
}

/// Data before the end of a handshake could be sent twice by the host.
#[tokio::test]
async fn c7_there_is_no_early_data() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let mut config = client(&deployment).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = true;
    let connector = TlsConnector::from(Arc::new(config));
    for resumed in [false, true] {
        let name = ServerName::try_from("anybody.invalid").unwrap();
        let stream = giver.address.connect().await.unwrap();
        let opened = connector.connect_with(name, stream, |connection| {
            assert!(connection.early_data().is_none());
        });
        let mut tls = opened.await.unwrap();
        let kind = tls.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(HandshakeKind::Resumed), resumed);
        tls.read_u8().await.unwrap();
    }
}

#[tokio::test]
async fn requests_travel_on_the_channel() {
    let deployment = Deployment::new();
    let giver = deployment.giver(1).await;
    let connector = Connector::new(policy(&deployment, 3600), deployment.clock()).unwrap();
    let attested = Attested {
        transport: giver.address.clone(),
        connector,
        peer: "giver".to_owned(),
    };
    let client = Client::new(attested, ClientOptions::default());
    let body = call(&Request::Status);
    let wait = Duration::from_secs(20);
    client.call(Class::Request, body, wait).await.unwrap();
}
