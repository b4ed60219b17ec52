//! H8: lists of delegations have room before their tokens are read, and are no larger than the least memory.

use std::time::Duration;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use tokio::io::AsyncWriteExt as _;

use super::process::{Process, answer, head, now, own};
use super::tokens::{did, raw, within};

/// A token of about 100 kB.
fn large() -> String {
    let get = Ability::parse("tinycloud.kv/get").unwrap();
    let grant = (0..70).fold(Attenuation::new(), |all, it| {
        let path = format!("{it}{}", "a".repeat(1000));
        all.with(within(&format!("kv/{path}")), get.clone())
    });
    raw(1, &did(2), now() + 1000, &[], grant)
}

fn list() -> String {
    let token = own("capabilities/all", "tinycloud.capabilities/read");
    head("POST /invoke", &token, 0, "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_list_has_room_in_the_least_memory_and_takes_it() {
    // of which one address has a quarter
    let memory = (128_u64 << 20).to_string();
    let node = Process::start(&["--max-request-memory-bytes", &memory]).await;
    for _ in 0..50 {
        let head = head("POST /delegate", &large(), 0, "");
        let answer = node.raw(head.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let all = node.raw(list().as_bytes()).await;
    assert_eq!(all.status, 200);
    assert!(all.head.contains("x-tinycloud-truncated: true"));
    assert!(all.body.len() > 7_000_000, "{}", all.body.len());
    // an address that uses its memory for something else has none for that, and others have theirs
    let mut unfinished = Vec::new();
    for _ in 0..3 {
        let mut stream = node.connect().await;
        let token = own("sql/main", "tinycloud.sql/read");
        let head = head("POST /invoke", &token, 1 << 20, "");
        stream.write_all(head.as_bytes()).await.unwrap();
        unfinished.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let refused = node.raw(list().as_bytes()).await;
    assert_eq!(refused.status, 503, "{:?}", refused.head);
    assert!(refused.head.contains("retry-after"), "{:?}", refused.head);
    let other = answer(node.connect_from(7).await, list().as_bytes()).await;
    assert_eq!(other.status, 200);
    drop(unfinished);
}
