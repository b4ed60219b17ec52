//! Starting and stopping.

use std::sync::atomic::Ordering;

use openkey_host_proxy::{HostProxy, Parts, StartError, run};
use openkey_protocol::message::Class;

use crate::support::{Site, config, post, until};

#[tokio::test]
async fn requests_in_flight_end_and_nobody_new_is_taken() {
    let mut site = Site::new().await;
    site.enclave.hold(Class::Request);
    let mut idle = site.connect().await;
    idle.send(post("sign-up", b"x", "")).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let mut wire = site.connect().await;
    wire.send(post("request", b"last", "")).await;
    until(|| site.enclave.arrived.load(Ordering::SeqCst) == 2).await;
    drop(site.stop.take());
    assert!(
        idle.answer().await.is_none(),
        "an idle connection is closed"
    );
    while tokio::net::TcpStream::connect(site.address).await.is_ok() {}
    assert!(!site.served.is_finished());
    site.enclave.release();
    assert_eq!(wire.answer().await.unwrap().body, b"Request:last");
    let dir = site.end().await;
    // folded in and closed
    assert!(dir.path().join("db/records.sqlite3").exists());
    assert!(!dir.path().join("db/records.sqlite3-wal").exists());
    assert!(!dir.path().join("run/store.sock").exists());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let mut site = Site::with(|config| {
        config.limits.drain = std::time::Duration::from_millis(50);
    })
    .await;
    site.enclave.hold(Class::Request);
    let mut wire = site.connect().await;
    wire.send(post("request", b"x", "")).await;
    until(|| site.enclave.arrived.load(Ordering::SeqCst) == 1).await;
    drop(site.stop.take());
    assert!(wire.answer().await.is_none());
    site.end().await;
}

#[tokio::test]
async fn what_is_taken_or_missing_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut busy = config(&dir);
    busy.listen = address;
    match HostProxy::start(busy, Parts::default()).await {
        Err(StartError::Taken(at)) => assert_eq!(at, address),
        other => panic!("{other:?}"),
    }
    let mut elsewhere = config(&dir);
    elsewhere.listen = "192.0.2.1:0".parse().unwrap();
    let started = HostProxy::start(elsewhere, Parts::default()).await;
    assert!(
        matches!(started, Err(StartError::Listen { .. })),
        "{started:?}"
    );
    let mut nobody = config(&dir);
    nobody.enclaves.clear();
    let started = HostProxy::start(nobody, Parts::default()).await;
    assert!(matches!(started, Err(StartError::NoEnclave)), "{started:?}");
    let mut no_page = config(&dir);
    no_page.page_dir = Some(dir.path().to_owned());
    let started = HostProxy::start(no_page, Parts::default()).await;
    assert!(matches!(started, Err(StartError::Page(_))), "{started:?}");
    let running = HostProxy::start(config(&dir), Parts::default())
        .await
        .unwrap();
    let mut second = config(&dir);
    second.dir = dir.path().join("other");
    let started = HostProxy::start(second, Parts::default()).await;
    assert!(
        matches!(started, Err(StartError::EnclaveListen { .. })),
        "{started:?}"
    );
    drop(running);
}

#[tokio::test]
async fn run_reports_where_it_listens_and_returns_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut port = 0;
    let ended = run(
        config(&dir),
        Parts::default(),
        std::future::ready(()),
        |address| port = address.port(),
    );
    ended.await.unwrap();
    assert_ne!(port, 0);
}
