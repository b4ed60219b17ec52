//! What is under way counts, and what was replaced counts until it is gone.

use super::http::{Length, MIB, Sending, own, start, until};
use super::tokens::{NOW, Says};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_uploads_at_once_share_one_quota() {
    for length in [Length::Known(2 * MIB), Length::Chunked] {
        let node = start(|config| config.quota_bytes = Some(3 << 20)).await;
        let keys: Vec<String> = (0..8).map(|place| format!("kv/{place}")).collect();
        let puts = keys.iter().map(|key| {
            let says = Says {
                resource: key,
                ..own()
            };
            let headers = says.headers();
            let node = &node;
            async move { node.ask("/invoke", &headers, length, 2 * MIB).await }
        });
        let (answers, peak) = node.peak(futures_util::future::join_all(puts)).await;
        let done = answers.iter().filter(|it| **it == 200).count();
        assert!(
            answers.iter().all(|it| matches!(it, 200 | 402 | 413)),
            "{answers:?}"
        );
        assert!(done <= 1 && peak <= 3 << 20, "{answers:?}: {peak}");
        until("the rest is gone", || node.garbage() == 0).await;
        assert_eq!(node.on_disk(), done as u64 * (2 << 20));
        // when the others are gone there is room
        let left = (3 - 2 * done) * MIB - 100;
        assert_eq!(node.put(&own(), left).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_replaced_values_count_until_they_are_gone() {
    let node = start(|config| config.quota_bytes = Some(1_000_000)).await;
    let work = async {
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(node.put(&own(), 999_000).await);
        }
        answers
    };
    let (answers, peak) = node.peak(work).await;
    assert_eq!(answers[..2], [200, 200]);
    assert!(
        answers[2..].iter().all(|it| matches!(it, 402 | 413)),
        "{answers:?}"
    );
    assert!(peak <= 2_000_000, "{peak}");
    // deleting is no way around it
    let delete = Says {
        abilities: &["tinycloud.kv/del"],
        ..own()
    };
    assert_eq!(node.put(&delete, 0).await, 200);
    assert_eq!(node.put(&own(), 999_000).await, 402);
    // within five minutes they are gone
    node.clock.set(NOW + 300);
    node.beside.tidy().await.unwrap();
    assert_eq!((node.on_disk(), node.garbage()), (0, 0));
    let later = Says {
        until: NOW + 360,
        ..own()
    };
    assert_eq!(node.put(&later, 999_000).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_all_uploads_share_one_bound() {
    let node = start(|config| config.max_staged_bytes = 2 << 20).await;
    for length in [Length::Known(3 * MIB), Length::Chunked] {
        let headers = own().headers();
        let put = node.ask("/invoke", &headers, length, 3 * MIB);
        let (status, peak) = node.peak(put).await;
        assert_eq!((status, peak <= 2 << 20), (503, true), "{length:?}: {peak}");
        until("nothing is left", || node.on_disk() + node.garbage() == 0).await;
    }
    assert_eq!(node.put(&own(), 2 * MIB).await, 200);
    assert_eq!(node.put(&own(), 2 * MIB).await, 200);
}

/// A form has more bytes than its values: only these need room.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_form_is_counted_by_its_values() {
    let node = start(|config| config.quota_bytes = Some(100_000)).await;
    let put = |bytes: usize| {
        let node = &node;
        async move {
            let mut headers = own().headers();
            let form = "multipart/form-data; boundary=x";
            headers.insert("content-type", form.parse().unwrap());
            // what is before the first part is no value
            let mut body = vec![b'.'; 30_000];
            body.extend_from_slice(
                b"\r\n--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n",
            );
            body.resize(body.len() + bytes, b'a');
            body.extend_from_slice(b"\r\n--x--\r\n");
            let length = Length::Known(body.len());
            let sending = Sending::begin(node.address, "/invoke", &headers, length).await;
            sending.all(&body).await
        }
    };
    assert_eq!(put(60_000).await, 200);
    assert_eq!(put(90_000).await, 200);
    assert_eq!(node.value("a").await, Some(90_000));
    assert_eq!(put(190_000).await, 413);
    until("nothing is left", || node.garbage() == 0).await;
}
