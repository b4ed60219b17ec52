//! F11, on both sides: a session ends with its evidence, its policy and its key epoch. C6, C7.

use std::{sync::Arc, time::Duration};

use openkey_attestation::{Policy, Verifier};
use openkey_enclave::channel::KEY_EPOCH;
use openkey_protocol::{
    channel::ALPN,
    client::{Client, ClientOptions},
    message::{Class, Request},
    transport::{Connect, Stream},
};
use openkey_verifier::channel::{
    Attested, Channel, ChannelPolicy, Connector, ServerVerifier, Sessions, provider, time_provider,
};
use rcgen::KeyPair;
use rustls::{
    ClientConfig, ConfigBuilder, HandshakeKind, client::WantsClientCert, pki_types::ServerName,
    version::TLS13,
};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;

use crate::{
    deployment::{Deployment, Running},
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
    let stream = giver.address.connect().await.unwrap();
    let (mut stream, channel): (Stream, _) = connector.connect("giver", stream).await.unwrap();
    stream.read_u8().await.unwrap();
    assert!(!connector.sessions().is_empty());
    channel
}

/// Another program's TLS client, which keeps its sessions as it likes.
fn client(deployment: &Deployment) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let verifier = ServerVerifier::new(policy(deployment, 3600), deployment.clock());
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
    let body = openkey_protocol::cbor::encode(&Request::Status).unwrap();
    let wait = Duration::from_secs(20);
    client.call(Class::Request, body, wait).await.unwrap();
}
