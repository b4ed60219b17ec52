//! H1: what one client takes, others do not lack.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use openkey_protocol::message::Class;

use crate::support::{HOST, Site, Wire, get, post, until};

const GREEDY: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

async fn send(site: &Site, from: &str, request: impl AsRef<[u8]>) -> Wire {
    let mut wire = site.connect_from(from).await;
    wire.send(request).await;
    wire
}

async fn status(mut wire: Wire) -> u16 {
    wire.answer().await.unwrap().status
}

#[tokio::test]
async fn h1_places_taken_by_silence_are_given_to_whoever_asks() {
    let site = Site::with(|config| {
        config.limits.connections = 9;
        config.limits.connections_per_address = 3;
    })
    .await;
    site.enclave.hold(Class::Request);
    let asking = send(&site, OTHER, post("request", b"x", "")).await;
    until(|| site.enclave.arrived.load(Ordering::SeqCst) == 1).await;
    let mut silent = Vec::new();
    let half_body = &post("request", &[0; 1000], "")[..500];
    for from in ["127.0.0.4", "127.0.0.5", "127.0.0.6"] {
        for half in [b"GET / HTTP/1.1\r\n", half_body, b""] {
            silent.push(send(&site, from, half).await);
        }
    }
    for n in 10..40 {
        let wire = send(&site, &format!("127.0.0.{n}"), get("/healthz", "")).await;
        assert_eq!(status(wire).await, 200, "{n}");
    }
    site.enclave.release();
    // who had asked before was not displaced
    assert_eq!(status(asking).await, 200);
}

#[tokio::test]
async fn h1_one_address_has_few_requests_at_the_enclave_and_few_that_wait() {
    let site = Site::with(|config| {
        config.limits.in_flight_per_address = 2;
        config.limits.waiting_per_address = 3;
    })
    .await;
    site.enclave.hold(Class::Request);
    let mut greedy = Vec::new();
    for _ in 0..40 {
        greedy.push(send(&site, GREEDY, post("request", b"g", "")).await);
    }
    site.counts("openkey_enclave_failures_total{enclave=\"e1\",why=\"busy\"} 35")
        .await;
    let other = send(&site, OTHER, post("request", b"o", "")).await;
    until(|| site.enclave.arrived.load(Ordering::SeqCst) >= 3).await;
    assert_eq!(site.enclave.arrived.load(Ordering::SeqCst), 3);
    site.enclave.release();
    assert_eq!(status(other).await, 200);
    let mut served = 0;
    for wire in greedy {
        served += usize::from(status(wire).await == 200);
    }
    assert_eq!(served, 5);
}

/// Whoever has a /48 has 65 536 clients, and sixteen shares.
#[tokio::test]
async fn h1_the_networks_of_one_site_take_few_places_at_the_enclave() {
    let site = Site::with(|config| {
        config.limits.in_flight_per_address = 1;
        config.limits.waiting_per_address = 1;
        config.trusted_proxy = Some("127.0.0.1/32".parse().unwrap());
    })
    .await;
    site.enclave.hold(Class::Request);
    let ask = async |client: &str| {
        let named = format!("X-Forwarded-For: {client}\r\n");
        send(&site, "127.0.0.1", post("request", b"x", &named)).await
    };
    let mut greedy = Vec::new();
    for n in 0..100 {
        greedy.push(ask(&format!("2001:db8:1:{:x}::1", n * 500)).await);
    }
    site.counts("openkey_enclave_failures_total{enclave=\"e1\",why=\"busy\"} 68")
        .await;
    let other = ask("2001:db8:2::1").await;
    until(|| site.enclave.arrived.load(Ordering::SeqCst) >= 17).await;
    assert_eq!(site.enclave.arrived.load(Ordering::SeqCst), 17);
    site.enclave.release();
    assert_eq!(status(other).await, 200);
    let mut served = 0;
    for wire in greedy {
        served += usize::from(status(wire).await == 200);
    }
    assert_eq!(served, 32);
}

#[tokio::test]
async fn h1_evidence_is_given_by_turns() {
    let site = Site::with(|config| {
        config.limits.evidence_in_flight = 1;
        config.limits.evidence_waiting_per_address = 4;
    })
    .await;
    site.enclave.hold(Class::Evidence);
    let mut wires = Vec::new();
    for _ in 0..30 {
        wires.push(send(&site, GREEDY, post("evidence", b"g", "")).await);
    }
    site.counts("openkey_enclave_failures_total{enclave=\"e1\",why=\"busy\"} 25")
        .await;
    wires.push(send(&site, OTHER, post("evidence", b"o", "")).await);
    site.counts("openkey_enclave_in_flight{enclave=\"e1\"} 6")
        .await;
    site.enclave.release();
    let mut served = 0;
    for wire in wires {
        served += usize::from(status(wire).await == 200);
    }
    assert_eq!(served, 6);
    // one that was there, one whose turn it was, then the other address
    let bodies = site.enclave.bodies();
    assert_eq!(bodies.iter().position(|body| body == b"o"), Some(2));
}

#[tokio::test]
async fn h1_bodies_that_are_only_declared_take_no_room_and_one_address_only_its_share() {
    let size = 256 * 1024;
    let site = Site::with(|config| {
        config.limits.large_bodies = 4 * size;
        config.limits.large_bodies_per_address = 2 * size;
    })
    .await;
    let head = format!(
        "POST /api/v1/enclaves/e1/request HTTP/1.1\r\nHost: {HOST}\r\n\
         Content-Type: application/cbor\r\nContent-Length: {size}\r\n\r\n"
    );
    let mut declared = Vec::new();
    for _ in 0..60 {
        declared.push(send(&site, GREEDY, &head).await);
    }
    site.counts("openkey_http_in_flight 60").await;
    let whole = post("request", &vec![0; size], "");
    assert_eq!(status(send(&site, OTHER, &whole).await).await, 200);
    // held by the enclave, so that their bytes stay
    site.enclave.hold(Class::Request);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(send(&site, GREEDY, &whole).await);
    }
    until(|| site.enclave.arrived.load(Ordering::SeqCst) == 3).await;
    assert_eq!(status(send(&site, GREEDY, &whole).await).await, 503);
    let other = send(&site, OTHER, &whole).await;
    until(|| site.enclave.arrived.load(Ordering::SeqCst) == 4).await;
    site.enclave.release();
    assert_eq!(status(other).await, 200);
    for wire in held {
        assert_eq!(status(wire).await, 200);
    }
}

/// At the shipped sizes: the share of an address counts for each client that the trusted proxy names, and not for
/// the proxy.
#[tokio::test]
async fn h1_a_client_behind_the_trusted_proxy_has_the_share_of_an_address() {
    let site =
        Site::with(|config| config.trusted_proxy = Some("127.0.0.2/32".parse().unwrap())).await;
    let named = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    let greedy = post("request", b"g", &named("192.0.2.1"));
    let share = crate::support::limits().connections_per_address;
    site.enclave.hold(Class::Request);
    let mut held = Vec::new();
    for _ in 0..share {
        held.push(send(&site, "127.0.0.2", &greedy).await);
    }
    site.counts(&format!("openkey_http_in_flight {share}\n"))
        .await;
    assert_eq!(status(send(&site, "127.0.0.2", &greedy).await).await, 503);
    let other = get("/healthz", &named("192.0.2.2"));
    assert_eq!(status(send(&site, "127.0.0.2", other).await).await, 200);
    site.enclave.release();
    assert_eq!(status(held.remove(0)).await, 200);
}

/// Sixteen addresses, at the shipped sizes.
#[tokio::test]
async fn h1_large_bodies_that_stop_give_way_to_those_that_come() {
    let site = Site::new().await;
    let size = crate::support::limits().body_bytes;
    let each = crate::support::limits().large_bodies_per_address / size;
    let whole = post("request", &vec![0; size], "");
    let mut held = Vec::new();
    for n in 0..16 {
        for _ in 0..each {
            let from = format!("127.5.0.{n}");
            held.push(send(&site, &from, &whole[..whole.len() - 1]).await);
        }
    }
    site.counts(&format!("openkey_http_in_flight {}\n", held.len()))
        .await;
    for n in 1..20 {
        let other = send(&site, &format!("127.0.0.{n}"), &whole).await;
        assert_eq!(status(other).await, 200, "{n}");
    }
    // They had the room of others.
    let mut displaced = 0;
    for wire in held {
        displaced += usize::from(status(wire).await == 503);
    }
    assert!(displaced > 0);
}

/// What it has sent already buys no time without end.
#[tokio::test]
async fn h1_a_body_that_stops_is_not_waited_for_as_long_as_one_that_comes() {
    let site = Site::with(|config| config.limits.body_timeout = Duration::from_secs(60)).await;
    let whole = post("request", &vec![0; 200_000], "");
    let (mut stops, mut drips) = (site.connect().await, site.connect().await);
    let began = Instant::now();
    stops.send(&whole[..whole.len() - 1]).await;
    drips.send(&whole[..whole.len() - 1000]).await;
    let slow = async {
        let refused = stops.answer().await.unwrap();
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "slow_body")
        );
    };
    let dripping = async {
        for byte in &whole[whole.len() - 1000..] {
            drips.send([*byte]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            if drips.stream.try_read(&mut [0]).is_ok() {
                return;
            }
        }
    };
    tokio::join!(slow, dripping);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}");
    // one that comes slowly is taken
    let mut steady = site.connect().await;
    for piece in whole.chunks(20_000) {
        steady.send(piece).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(steady.answer().await.unwrap().status, 200);
}
