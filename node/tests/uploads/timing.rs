//! Bodies that are slower than what carries them.

use axum::http::HeaderMap;

use super::http::{Length, MIB, Running, Sending, own, settle, start, until};
use super::tokens::{NOW, Says, did, headers};

/// Behind everything that an invocation of four seconds is remembered for.
const LATE: i64 = NOW + 4 + 61;

fn brief<'a>() -> Says<'a> {
    Says {
        until: NOW + 4,
        ..own()
    }
}

/// Uses a token, begins to use it again in its time, and ends after the mark of it was forgotten.
async fn again(node: &Running, headers: &HeaderMap, length: Length, body: &[u8]) -> u16 {
    let first = Sending::begin(node.address, "/invoke", headers, length).await;
    assert_eq!(first.all(body).await, 200);
    let mut second = Sending::begin(node.address, "/invoke", headers, length).await;
    let (begin, end) = body.split_at(body.len() / 2);
    second.send(begin).await;
    settle().await;
    node.clock.set(LATE);
    node.beside.tidy().await.unwrap();
    let status = second.all(end).await;
    node.clock.set(NOW);
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h9_a_slow_body_does_not_use_a_token_again() {
    for (length, bytes) in [
        (Length::Known(1000), 1000),
        (Length::Chunked, 1000),
        (Length::Known(MIB), MIB),
        (Length::Chunked, MIB),
    ] {
        let node = start(|_| ()).await;
        let status = again(&node, &brief().headers(), length, &vec![0; bytes]).await;
        assert!(matches!(status, 401 | 409), "{length:?}: {status}");
        until("nothing is left", || node.garbage() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h9_a_slow_statement_does_not_use_a_token_again() {
    let node = start(|_| ()).await;
    let sql = |text: &str| format!(r#"{{"action":"execute","sql":"{text}"}}"#);
    let token = || Says {
        resource: "sql/main",
        abilities: &["tinycloud.sql/*"],
        ..brief()
    };
    let create = sql("CREATE TABLE t (a)");
    let length = Length::Known(create.len());
    let made = Sending::begin(node.address, "/invoke", &token().headers(), length).await;
    assert_eq!(made.all(create.as_bytes()).await, 200);
    let insert = sql("INSERT INTO t VALUES (1)");
    let length = Length::Known(insert.len());
    let status = again(&node, &token().headers(), length, insert.as_bytes()).await;
    assert!(matches!(status, 401 | 409), "{status}");
}

/// A mark that a wrong clock made the node forget is not made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h9_a_clock_that_was_wrong_frees_no_token() {
    let node = start(|_| ()).await;
    let headers = own().headers();
    assert_eq!(
        node.ask("/invoke", &headers, Length::Known(5), 5).await,
        200
    );
    node.clock.set(NOW + 600);
    node.beside.tidy().await.unwrap();
    node.clock.set(NOW);
    let status = node.ask("/invoke", &headers, Length::Known(6), 6).await;
    assert!((400..=503).contains(&status), "{status}");
    assert_eq!(node.value("a").await, Some(5));
    // what ends later than everything that was forgotten is carried out
    let later = Says {
        until: NOW + 61,
        ..own()
    };
    assert_eq!(node.put(&later, 7).await, 200);
}

/// A body of some size is carried out though its invocation has ended meanwhile: it was begun in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_body_outlives_its_invocation() {
    let node = start(|_| ()).await;
    let length = Length::Known(2 * MIB);
    let mut sending = Sending::begin(node.address, "/invoke", &brief().headers(), length).await;
    sending.send(&vec![0; MIB]).await;
    settle().await;
    node.clock.set(LATE);
    node.beside.tidy().await.unwrap();
    assert_eq!(sending.all(&vec![0; MIB]).await, 200);
    assert_eq!(node.value("a").await, Some(2 << 20));
}

/// A grant of `did(1)` to `did(2)`, and the header of a put that rests on it.
async fn granted(node: &Running, until: i64) -> (openkey_capability::ucan::Ucan, HeaderMap) {
    let grant = Says {
        until,
        ..Says::default()
    }
    .ucan();
    let delegating = headers(grant.token());
    let delegated = node.ask("/delegate", &delegating, Length::Known(0), 0);
    assert_eq!(delegated.await, 200);
    let put = Says {
        from: 2,
        proofs: &[grant.cid()],
        ..own()
    };
    let headers = put.headers();
    (grant, headers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g5_a_link_that_is_revoked_under_way_ends_the_body() {
    let node = start(|_| ()).await;
    let (grant, put) = granted(&node, NOW + 3600).await;
    let length = Length::Known(2 * MIB);
    let mut sending = Sending::begin(node.address, "/invoke", &put, length).await;
    sending.send(&vec![0; MIB]).await;
    settle().await;
    let path = format!("delegation/{}", grant.cid());
    let revoking = Says {
        resource: &path,
        abilities: &["tinycloud.delegation/revoke"],
        to: did(1),
        ..own()
    };
    let revoking = revoking.headers();
    let revoked = node.ask("/revoke", &revoking, Length::Known(0), 0);
    assert_eq!(revoked.await, 200);
    assert_eq!(sending.all(&vec![0; MIB]).await, 401);
    assert_eq!(node.value("a").await, None);
    until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g5_a_link_that_ends_under_way_ends_the_body() {
    let node = start(|_| ()).await;
    for (bytes, sent) in [(2 * MIB, MIB), (1000, 500), (2 * MIB, 2 * MIB - 1)] {
        node.clock.set(NOW);
        let (_, put) = granted(&node, NOW + 30).await;
        let length = Length::Known(bytes);
        let mut sending = Sending::begin(node.address, "/invoke", &put, length).await;
        sending.send(&vec![0; sent]).await;
        settle().await;
        node.clock.set(NOW + 31);
        assert_eq!(
            sending.all(&vec![0; bytes - sent]).await,
            401,
            "{sent} of {bytes}"
        );
        assert_eq!(node.value("a").await, None);
        until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h9_a_body_ends_within_six_hours() {
    let node = start(|_| ()).await;
    let length = Length::Known(2 * MIB);
    let mut sending = Sending::begin(node.address, "/invoke", &own().headers(), length).await;
    sending.send(&vec![0; MIB]).await;
    settle().await;
    node.clock.set(NOW + 6 * 3600 + 1);
    assert_eq!(sending.all(&vec![0; MIB]).await, 408);
    until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
}
