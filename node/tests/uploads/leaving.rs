//! Bodies that do not become values leave nothing.

use super::http::{Length, MIB, Sending, own, start, until};
use super::tokens::stating;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_client_that_goes_away_leaves_nothing() {
    let node = start(|_| ()).await;
    for length in [Length::Known(10 * MIB), Length::Chunked] {
        let headers = own().headers();
        let mut sending = Sending::begin(node.address, "/invoke", &headers, length).await;
        sending.send(&vec![0; 3 * MIB]).await;
        until("it arrives", || node.on_disk() > 2 << 20).await;
        drop(sending);
        until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
    }
    // wherever it is when its client goes
    for sent in (0..40).map(|place| 60_000 + place * 5_000) {
        let headers = own().headers();
        let mut sending =
            Sending::begin(node.address, "/invoke", &headers, Length::Known(MIB)).await;
        sending.send(&vec![0; sent]).await;
        drop(sending);
    }
    until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_body_that_is_not_the_named_one_leaves_nothing() {
    let node = start(|_| ()).await;
    let other = serde_json::json!({ "bodyHash": "0".repeat(64) });
    let headers = stating("kv/a", "tinycloud.kv/put", other);
    let put = node.ask("/invoke", &headers, Length::Known(2 * MIB), 2 * MIB);
    assert_eq!(put.await, 400);
    until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
    // and nobody tries another body with it
    let again = node.ask("/invoke", &headers, Length::Known(2 * MIB), 2 * MIB);
    assert_eq!(again.await, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_body_over_its_bound_leaves_nothing() {
    let node = start(|config| config.max_value_bytes = 3 << 20).await;
    let headers = own().headers();
    let put = node.ask("/invoke", &headers, Length::Chunked, 4 * MIB);
    assert_eq!(put.await, 413);
    until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
    let node = start(|config| config.quota_bytes = Some(3 << 20)).await;
    let headers = own().headers();
    let put = node.ask("/invoke", &headers, Length::Chunked, 4 * MIB);
    let (status, peak) = node.peak(put).await;
    assert_eq!(status, 413);
    assert!(peak <= 3 << 20, "{peak}");
    until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
    // a key of one byte and headers of two count as well
    assert_eq!(node.put(&own(), 3 * MIB - 2).await, 413);
    assert_eq!(node.put(&own(), 3 * MIB - 3).await, 200);
}

/// A condition that held when the body began, and does not when it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_condition_that_fails_at_the_end_leaves_nothing() {
    let node = start(|_| ()).await;
    let mut headers = own().headers();
    headers.insert("if-none-match", "*".parse().unwrap());
    let length = Length::Known(2 * MIB);
    let mut sending = Sending::begin(node.address, "/invoke", &headers, length).await;
    sending.send(&vec![0; MIB]).await;
    super::http::settle().await;
    assert_eq!(node.put(&own(), 5).await, 200);
    assert_eq!(sending.all(&vec![0; MIB]).await, 412);
    assert_eq!(node.value("a").await, Some(5));
    until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
}
