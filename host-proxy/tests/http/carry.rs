//! What is carried, and what is said when it cannot be.

use std::sync::atomic::Ordering;

use openkey_protocol::message::Class;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::support::{HOST, Site, post};

#[tokio::test]
async fn bytes_arrive_and_come_back_as_they_are_under_the_class_of_the_path() {
    let site = Site::new().await;
    for (path, class) in [
        ("evidence", Class::Evidence),
        ("sign-up", Class::SignUp),
        ("request", Class::Request),
    ] {
        let answer = site.post(path, b"\x00\xff").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/cbor"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let mut expected = format!("{class:?}:").into_bytes();
        expected.extend(b"\x00\xff");
        assert_eq!(answer.body, expected);
        let seen = site.enclave.seen.lock().unwrap().last().cloned();
        assert_eq!(seen, Some((class, b"\x00\xff".to_vec())));
    }
}

/// The host decodes no request: what is no CBOR at all is carried like everything else.
#[test]
fn any_bytes_are_carried_unread() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let site = runtime.block_on(Site::new());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let bodies = prop::collection::vec(any::<u8>(), 1..20_000);
    runner
        .run(&bodies, |body| {
            let answer = runtime.block_on(site.post("request", &body));
            prop_assert_eq!(answer.status, 200);
            prop_assert_eq!(&answer.body[b"Request:".len()..], &body[..]);
            let seen = site.enclave.bodies();
            prop_assert_eq!(seen.last(), Some(&body));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn h1_nested_and_huge_bodies_are_only_bytes() {
    let site = Site::new().await;
    let limit = crate::support::limits().body_bytes;
    // arrays in arrays; an array that claims 2^64 - 1 items; a string that claims as many bytes
    let mut claims = vec![0; limit];
    for claim in [
        b"\x81".as_slice(),
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        for (place, byte) in claims.iter_mut().zip(claim.iter().cycle()) {
            *place = *byte;
        }
        let answer = site.post("request", &claims).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.len(), "Request:".len() + limit);
        assert_eq!(site.enclave.bodies().last(), Some(&claims));
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let site = Site::new().await;
    let mut wire = site.connect().await;
    for n in 0..50_u8 {
        wire.send(post("request", &[n], "")).await;
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.body, [b"Request:".as_slice(), &[n]].concat());
    }
    // also when they come all at once
    let all: Vec<u8> = (0..50_u8).flat_map(|n| post("request", &[n], "")).collect();
    wire.send(all).await;
    for n in 0..50_u8 {
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.body, [b"Request:".as_slice(), &[n]].concat());
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_it_is_carried() {
    let site = Site::new().await;
    let request = String::from_utf8(post("request", b"x", "")).unwrap();
    let cbor = "Content-Type: application/cbor";
    for (from, to, status, code) in [
        ("POST", "GET", 405, "method_not_allowed"),
        ("POST", "PUT", 405, "method_not_allowed"),
        ("POST", "DELETE", 405, "method_not_allowed"),
        ("/e1/", "/e2/", 404, "unknown_enclave"),
        ("e1/request", "e1/signature", 404, "unknown_class"),
        (
            cbor,
            "Content-Type: application/json",
            415,
            "wrong_content_type",
        ),
        (
            cbor,
            "Content-Type: application/cbor; charset=utf-8",
            415,
            "wrong_content_type",
        ),
        (cbor, "Content-Type: text/plain", 415, "wrong_content_type"),
        (cbor, "X: y", 415, "wrong_content_type"),
        (
            cbor,
            "Content-Type: application/cbor\r\nContent-Type: application/cbor",
            415,
            "wrong_content_type",
        ),
        (
            cbor,
            "Content-Type: application/cbor\r\nContent-Encoding: gzip",
            415,
            "wrong_content_type",
        ),
        (
            "Content-Length: 1\r\n\r\nx",
            "Content-Length: 0\r\n\r\n",
            400,
            "empty_body",
        ),
        ("Content-Length: 1\r\n\r\nx", "\r\n", 400, "empty_body"),
    ] {
        let request = request.replacen(from, to, 1);
        // a GET with a body is refused for that first
        let request = if to == "GET" {
            request
                .replace("Content-Length: 1\r\n", "")
                .replace("\r\n\r\nx", "\r\n\r\n")
        } else {
            request
        };
        let answer = site.ask(&request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{to}"
        );
        if status == 405 {
            assert_eq!(answer.header("allow"), Some("POST"));
        }
    }
    assert!(site.enclave.bodies().is_empty());
}

#[tokio::test]
async fn a_reply_too_late_is_called_unknown_and_not_undone() {
    let site = Site::with(|config| {
        config.limits.request_deadline = std::time::Duration::from_millis(50);
    })
    .await;
    site.enclave.hold(Class::Request);
    let answer = site.post("request", b"x").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (504, "enclave_late")
    );
    assert_eq!(site.enclave.arrived.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_enclave_that_is_away_is_said_to_be_and_found_again() {
    let site = Site::with(|config| {
        config.limits.request_deadline = std::time::Duration::from_millis(100);
    })
    .await;
    site.enclave_task.abort();
    let answer = site.post("request", b"x").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "enclave_unreachable")
    );
    assert_eq!(answer.header("retry-after"), Some("2"));
    let socket = site.dir.path().join("e1.sock");
    let address = openkey_protocol::transport::Address::Unix(socket);
    let listener = address.listen().unwrap();
    struct Back;
    impl openkey_protocol::server::Handler for Back {
        async fn handle(
            &self,
            _: Class,
            _: Vec<u8>,
            _: openkey_protocol::server::Instant,
        ) -> Vec<u8> {
            b"back".to_vec()
        }
    }
    let options = openkey_protocol::server::ServerOptions::default();
    let back = openkey_protocol::server::serve(listener, Back, options, std::future::pending());
    tokio::spawn(back);
    let answer = site.post("request", b"x").await;
    assert_eq!((answer.status, answer.body), (200, b"back".to_vec()));
}

/// Whoever has seen those of one start knows none of another: the key is random.
#[tokio::test]
async fn request_ids_of_two_starts_have_nothing_in_common() {
    let mut ids = std::collections::HashSet::new();
    for _ in 0..2 {
        let site = Site::new().await;
        for _ in 0..3 {
            let answer = site.get("/healthz").await;
            let id = answer.header("x-request-id").unwrap().to_owned();
            assert!(ids.insert(id.clone()), "{id} was given before");
        }
    }
}

#[tokio::test]
async fn request_ids_are_the_servers_own() {
    let site = Site::new().await;
    let mut ids = std::collections::HashSet::new();
    for _ in 0..3 {
        let answer = site
            .ask(post("request", b"x", "X-Request-Id: mine\r\n"))
            .await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(ids.insert(id));
    }
    let head = format!("HEAD /healthz HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    let mut wire = site.connect().await;
    wire.send(head).await;
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut wire.stream, &mut text)
        .await
        .unwrap();
    assert!(text.contains("x-request-id: "));
    assert!(text.ends_with("\r\n\r\n"), "a HEAD has no body");
}
