//! H1: slow, silent and greedy clients cost themselves, not others.

use std::{sync::atomic::Ordering, time::Duration};

use openkey_protocol::message::Class;

use crate::support::{HOST, Site, get, post, until, within_patience};

#[tokio::test]
async fn h1_a_slow_head_is_given_up_and_others_are_served() {
    let site = Site::with(|config| config.limits.header_timeout = Duration::from_millis(100)).await;
    let mut silent = site.connect().await;
    let mut dripping = site.connect().await;
    let drip = async {
        for byte in format!("GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nX: ")
            .bytes()
            .chain([b'y'; 200])
        {
            dripping.send([byte]).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            if dripping.stream.try_read(&mut [0]).is_ok_and(|n| n == 0) {
                return true;
            }
        }
        false
    };
    let others = async {
        for _ in 0..10 {
            assert_eq!(site.get("/healthz").await.status, 200);
        }
    };
    let (given_up, ()) = tokio::join!(drip, others);
    assert!(given_up, "a head that never ends is read forever");
    assert!(silent.answer().await.is_none());
}

#[tokio::test]
async fn h1_a_slow_body_is_given_up_and_reaches_nobody() {
    let site = Site::with(|config| config.limits.body_timeout = Duration::from_millis(100)).await;
    let request = post("request", &[1; 1000], "");
    let mut wire = site.connect().await;
    wire.send(&request[..request.len() - 1]).await;
    let answers = wire.answers().await;
    assert_eq!(answers.len(), 1);
    assert_eq!(
        (answers[0].status, answers[0].code().as_str()),
        (400, "slow_body")
    );
    // and one that ends before its time
    let mut wire = site.connect().await;
    wire.send(&request[..request.len() - 1]).await;
    drop(wire);
    assert_eq!(site.get("/healthz").await.status, 200);
    assert!(site.enclave.bodies().is_empty());
}

#[tokio::test]
async fn h1_half_open_floods_fill_only_their_own_address() {
    let site = Site::with(|config| {
        config.limits.connections = 100;
        config.limits.connections_per_address = 8;
    })
    .await;
    let mut flood = Vec::new();
    for _ in 0..8 {
        let mut wire = site.connect_from("127.0.0.2").await;
        wire.send("GET / HT").await;
        flood.push(wire);
    }
    // connections are counted when they are accepted, in order
    for _ in 0..5 {
        let mut wire = site.connect_from("127.0.0.2").await;
        let refusal = wire.answer().await;
        assert!(refusal.is_none_or(|answer| answer.status == 503));
    }
    for _ in 0..20 {
        assert_eq!(site.get("/healthz").await.status, 200);
    }
    let metrics = site.metrics().await;
    assert!(
        metrics.contains("openkey_http_connections_refused_total 5"),
        "{metrics}"
    );
    // one that ends makes room
    drop(flood);
    served_at_last(&site, "127.0.0.2").await;
}

#[tokio::test]
async fn h1_when_all_places_are_at_work_more_are_refused_not_left_waiting() {
    let site = Site::with(|config| config.limits.connections = 3).await;
    site.enclave.hold(Class::Request);
    let mut open = Vec::new();
    for address in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        let mut wire = site.connect_from(address).await;
        wire.send(post("request", b"x", "")).await;
        open.push(wire);
    }
    until(|| site.enclave.arrived.load(Ordering::SeqCst) == 3).await;
    for _ in 0..5 {
        let refusal = site.connect().await.answer().await;
        assert!(refusal.is_none_or(|answer| answer.status == 503));
    }
    // those that were there are still served
    site.enclave.release();
    for wire in &mut open {
        assert_eq!(wire.answer().await.unwrap().status, 200);
    }
    // and give way now, the oldest first
    assert_eq!(site.get("/healthz").await.status, 200);
    assert!(open[0].answer().await.is_none());
    for wire in &mut open[1..] {
        wire.send(get("/healthz", "")).await;
        assert_eq!(wire.answer().await.unwrap().status, 200);
    }
    drop(open);
    served_at_last(&site, "127.0.0.1").await;
}

/// A place that was given back a moment ago.
async fn served_at_last(site: &Site, from: &str) {
    let asking = async {
        loop {
            let mut wire = site.connect_from(from).await;
            wire.send(get("/healthz", "")).await;
            let answer = wire.answer().await;
            if answer.is_some_and(|answer| answer.status == 200) {
                break;
            }
        }
    };
    within_patience(asking).await;
}

#[tokio::test]
async fn h1_an_oversize_body_is_refused_without_being_read() {
    let site = Site::new().await;
    let limit = crate::support::limits().body_bytes;
    for size in [limit + 1, 1 << 40] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let mut wire = site.connect().await;
            wire.send(format!(
                "POST /api/v1/enclaves/e1/request HTTP/1.1\r\nHost: {HOST}\r\n\
                 Content-Type: application/cbor\r\nContent-Length: {size}\r\n{expect}\r\n"
            ))
            .await;
            // not a byte of the body was sent
            let answers = wire.answers().await;
            assert_eq!(answers.len(), 1);
            assert_eq!(
                (answers[0].status, answers[0].code().as_str()),
                (413, "body_too_large")
            );
            assert_eq!(answers[0].header("connection"), Some("close"));
        }
    }
    assert!(site.enclave.bodies().is_empty());
}

#[tokio::test]
async fn h1_a_client_that_asks_to_go_on_is_told_so_when_it_may() {
    let site = Site::new().await;
    let request = post("request", b"hello", "Expect: 100-continue\r\n");
    let mut wire = site.connect().await;
    wire.send(&request[..request.len() - 5]).await;
    assert_eq!(wire.answer().await.unwrap().status, 100);
    wire.send(b"hello").await;
    assert_eq!(wire.answer().await.unwrap().body, b"Request:hello");
}

#[tokio::test]
async fn h1_evidence_waits_in_its_own_queue_and_signing_never_waits_for_it() {
    let site = Site::with(|config| {
        config.limits.evidence_in_flight = 1;
        config.limits.evidence_waiting = 2;
        config.limits.in_flight = 4;
    })
    .await;
    site.enclave.hold(Class::Evidence);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut wire = site.connect().await;
        wire.send(post("evidence", b"x", "")).await;
        waiting.push(wire);
    }
    until(|| site.enclave.arrived.load(Ordering::SeqCst) == 1).await;
    // the fourth finds the queue full, as soon as the other three are in it
    site.counts("openkey_enclave_in_flight{enclave=\"e1\"} 3")
        .await;
    let refused = site.post("evidence", b"x").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "busy"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    for _ in 0..10 {
        assert_eq!(site.post("request", b"sign").await.status, 200);
        assert_eq!(site.post("sign-up", b"new").await.status, 200);
    }
    assert_eq!(
        site.enclave.arrived.load(Ordering::SeqCst),
        21,
        "evidence is asked one by one"
    );
    site.enclave.release();
    for mut wire in waiting {
        assert_eq!(wire.answer().await.unwrap().body, b"Evidence:x");
    }
}

#[tokio::test]
async fn h1_too_many_at_once_are_refused_and_the_rest_is_served() {
    let site = Site::with(|config| config.limits.in_flight = 2).await;
    site.enclave.hold(Class::Request);
    let most = 200;
    let mut wires = Vec::new();
    for _ in 0..most {
        let mut wire = site.connect().await;
        wire.send(post("request", b"x", "")).await;
        wires.push(wire);
    }
    // evidence is still served, and so is everything that needs no enclave
    assert_eq!(site.post("evidence", b"x").await.status, 200);
    assert_eq!(site.get("/").await.status, 200);
    site.counts("openkey_enclave_failures_total{enclave=\"e1\",why=\"busy\"} 1")
        .await;
    site.enclave.release();
    let (mut served, mut busy) = (0, 0);
    for mut wire in wires {
        match wire.answer().await.unwrap().status {
            200 => served += 1,
            503 => busy += 1,
            status => panic!("{status}"),
        }
    }
    assert_eq!(served + busy, most);
    assert!(served > 0 && busy > 0, "{served} served, {busy} refused");
}

#[tokio::test]
async fn h1_a_client_that_takes_nothing_is_given_up() {
    let site = Site::with(|config| config.limits.write_timeout = Duration::from_millis(100)).await;
    site.enclave.padding.store(1_000_000, Ordering::SeqCst);
    let mut wire = site.connect().await;
    // more answers than the system's buffers hold
    for _ in 0..20 {
        wire.send(post("request", b"x", "")).await;
    }
    // none is left
    site.counts("openkey_http_connections 0\n").await;
    assert!(site.enclave.bodies().len() < 20);
}
