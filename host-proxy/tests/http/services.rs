//! What enclaves find beside the store, and what clients see while a root key is awaited.

use std::{sync::atomic::Ordering, time::Duration};

use openkey_host_proxy::config::Peer;
use openkey_protocol::{
    client::{Client, ClientOptions},
    host::HostClient,
    message::{EnclaveEvent, Error, ErrorCode, MAX_BOOT_FILE, MAX_PEERS, RootSource, Verdict},
    transport::Address,
};

use crate::support::{Site, answer};

fn client(site: &Site) -> HostClient {
    let address = Address::Unix(site.dir.path().join("run/services.sock"));
    let client = Client::new(address, ClientOptions::default());
    HostClient::new(client, Duration::from_secs(10))
}

#[tokio::test]
async fn boot_files_are_handed_over_and_events_counted() {
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("configuration.json");
    std::fs::write(&path, "{\"rp_id\":\"x\"}").unwrap();
    let site = Site::with(|config| {
        config.services[0].files.configuration = Some(path);
    })
    .await;
    let host = client(&site);
    let handed = host.boot_files().await.unwrap();
    assert_eq!(handed.configuration.as_slice(), b"{\"rp_id\":\"x\"}");
    assert_eq!((handed.descriptor, handed.peers), (None, 0));
    let source = RootSource::Operators;
    host.events(vec![
        EnclaveEvent::RootReady { source },
        EnclaveEvent::EventsLost { count: 3 },
    ])
    .await
    .unwrap();
    let metrics = site.metrics().await;
    for line in [
        "openkey_enclave_events_total{event=\"root_ready\"} 1",
        "openkey_enclave_events_lost_total 3",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn h1_what_is_handed_over_is_bounded() {
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("configuration.json");
    std::fs::write(&path, "{}").unwrap();
    let site = Site::with(|config| {
        let services = &mut config.services[0];
        services.files.configuration = Some(path.clone());
        services.peers = vec![Peer::Remote("localhost:1".to_owned()); 100];
    })
    .await;
    let host = client(&site);
    let most = host.boot_files().await.unwrap().peers;
    assert_eq!(most, MAX_PEERS);
    std::fs::write(&path, vec![b' '; MAX_BOOT_FILE]).unwrap();
    let handed = host.boot_files().await.unwrap();
    assert_eq!(handed.configuration.as_slice().len(), MAX_BOOT_FILE);
    std::fs::write(&path, vec![b' '; MAX_BOOT_FILE + 1]).unwrap();
    assert!(host.boot_files().await.is_err());
}

#[tokio::test]
async fn an_awaited_root_key_is_told_with_the_enclaves_own_words() {
    let site = Site::new().await;
    site.enclave.awaited.store(2, Ordering::SeqCst);
    let ready = site.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let said = "waiting for root key: 1 of 2 shares";
    assert_eq!(ready.json()["reasons"][0], format!("enclave e1: {said}"));
    assert_eq!(ready.json()["enclaves"][0]["missing"], said);

    let refusal = answer(Verdict::Refused(Error {
        code: ErrorCode::AwaitingRootKey,
        message: said.to_owned(),
        advice: "Wait.".to_owned(),
    }));
    *site.enclave.reply.lock().unwrap() = Some(refusal.clone());
    let reply = site.post("request", b"x").await;
    assert_eq!((reply.status, &reply.body), (503, &refusal));
    assert_eq!(reply.header("content-type"), Some("application/cbor"));
    assert_eq!(reply.header("retry-after"), Some("10"));

    // any other refusal is a reply like every other
    let other = answer(Verdict::Refused(Error {
        code: ErrorCode::Unavailable,
        message: said.to_owned(),
        advice: String::new(),
    }));
    *site.enclave.reply.lock().unwrap() = Some(other.clone());
    let reply = site.post("request", b"x").await;
    assert_eq!((reply.status, &reply.body), (200, &other));
    assert_eq!(reply.header("retry-after"), None);
}
