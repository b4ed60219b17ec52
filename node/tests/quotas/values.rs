//! What is kept beside the bytes of values.

use axum::http::HeaderValue;

use super::asking::{assert_whole, post};
use super::http::{own, start};
use super::tokens::{Says, space};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_keys_and_headers_of_empty_values_fill_a_space() {
    const QUOTA: u64 = 100_000;
    let node = start(|config| config.quota_bytes = Some(QUOTA)).await;
    let (mut kept, mut refused) = (0, 0);
    for place in 0..30 {
        let resource = format!("kv/{place}");
        let says = Says {
            resource: &resource,
            ..own()
        };
        let mut headers = says.headers();
        headers.insert(
            "x-tinycloud-meta-note",
            HeaderValue::from_str(&"n".repeat(16_000)).unwrap(),
        );
        match post(&node, "/invoke", &headers, b"").await.status {
            200 => kept += 1,
            402 | 413 => refused += 1,
            status => panic!("{status}"),
        }
    }
    let usage = node.beside.store.usage(&space()).await.unwrap();
    assert_eq!((kept, refused), (6, 24), "{usage:?}");
    assert!(usage.bytes > 96_000 && usage.bytes <= QUOTA, "{usage:?}");
    assert_whole(&node).await;
}
