//! Bodies whose requests could not be carried out.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, IF_MATCH};

use super::http::{Length, MIB, Sending, own, start, start_empty};
use super::tokens::{Says, did};

/// What a refused body may leave for a moment: less than a piece.
const NOTHING: u64 = 1;

fn with(mut headers: HeaderMap, name: axum::http::HeaderName, value: &str) -> HeaderMap {
    headers.insert(name, value.parse().unwrap());
    headers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_stranger_fills_no_disk() {
    let node = start_empty(|config| config.owners = Some([did(9)].into())).await;
    for (length, bytes) in [
        (Length::Chunked, 100 * MIB),
        (Length::Known(20 * MIB), 20 * MIB),
    ] {
        let headers = own().headers();
        let put = node.ask("/invoke", &headers, length, bytes);
        let (status, peak) = node.peak(put).await;
        assert_eq!((status, peak < NOTHING), (404, true), "{length:?}: {peak}");
    }
    assert_eq!(node.garbage(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_stranger_fills_no_disk_with_a_form() {
    let node = start_empty(|config| config.owners = Some([did(9)].into())).await;
    let form = "multipart/form-data; boundary=x";
    let headers = with(own().headers(), CONTENT_TYPE, form);
    let sending = async {
        let address = node.address;
        let mut sending = Sending::begin(address, "/invoke", &headers, Length::Chunked).await;
        let part = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n";
        sending.send(part.as_bytes()).await;
        sending.all(&vec![0; 30 * MIB]).await
    };
    let (status, peak) = node.peak(sending).await;
    assert_eq!((status, peak < NOTHING), (404, true), "{peak}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_condition_that_fails_is_refused_before_the_body() {
    let node = start(|_| ()).await;
    let tag = format!("\"blake3-{}\"", "0".repeat(64));
    let headers = with(own().headers(), IF_MATCH, &tag);
    let length = Length::Known(100 * MIB);
    let sending = Sending::begin(node.address, "/invoke", &headers, length).await;
    assert_eq!(sending.answer().await, 412);
    let chunked = with(own().headers(), IF_MATCH, &tag);
    let put = node.ask("/invoke", &chunked, Length::Chunked, 20 * MIB);
    let (status, peak) = node.peak(put).await;
    assert_eq!((status, peak < NOTHING), (412, true), "{peak}");
    // it used its invocation up: nobody repeats it when the condition holds
    assert_eq!(
        node.ask("/invoke", &chunked, Length::Known(0), 0).await,
        409
    );
}

/// One is carried out; the others are refused while it is still on its way, their bodies unread.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_one_token_carries_one_body() {
    let node = start(|_| ()).await;
    let headers = own().headers();
    let length = Length::Known(8 * MIB);
    let begin = || Sending::begin(node.address, "/invoke", &headers, length);
    let work = async {
        let mut first = begin().await;
        first.send(&vec![0; MIB]).await;
        super::http::settle().await;
        for _ in 0..5 {
            assert_eq!(begin().await.answer().await, 409);
        }
        first.all(&vec![0; 7 * MIB]).await
    };
    let (status, peak) = node.peak(work).await;
    assert_eq!(status, 200);
    assert_eq!((node.on_disk(), peak), (8 << 20, 8 << 20));
    // also six at the same moment
    let headers = own().headers();
    let six = (0..6).map(|_| node.ask("/invoke", &headers, Length::Chunked, 8 * MIB));
    let (mut answers, peak) = node.peak(futures_util::future::join_all(six)).await;
    answers.sort_unstable();
    assert_eq!(answers, [200, 409, 409, 409, 409, 409]);
    assert_eq!(peak, 16 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_a_full_space_is_told_before_the_body() {
    let node = start(|config| config.quota_bytes = Some(1000)).await;
    for length in [Length::Known(100 * MIB), Length::Known(65_537)] {
        let headers = own().headers();
        let sending = Sending::begin(node.address, "/invoke", &headers, length).await;
        assert_eq!(sending.answer().await, 413, "{length:?}");
    }
    let headers = own().headers();
    let put = node.ask("/invoke", &headers, Length::Chunked, 50 * MIB);
    let (status, peak) = node.peak(put).await;
    assert_eq!((status, peak < NOTHING), (413, true), "{peak}");
    // what was refused has used its invocation up
    assert_eq!(
        node.ask("/invoke", &headers, Length::Known(0), 0).await,
        409
    );
    assert_eq!(node.put(&Says { ..own() }, 997).await, 200);
}
