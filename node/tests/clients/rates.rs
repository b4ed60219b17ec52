//! H1, H8: how many connections and requests one address may have, and what those too many are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::process::{Answer, Process, head, own};

/// Which answers there were, and how often.
fn counted(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counted = BTreeMap::new();
    for answer in answers {
        *counted.entry(answer.status).or_default() += 1;
    }
    counted
}

/// So many gets of one value, all at once, each on a connection of its own.
async fn gets(node: &Arc<Process>, count: usize) -> Vec<Answer> {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let node = Arc::clone(node);
            let token = own("kv/a", "tinycloud.kv/get");
            tokio::spawn(async move { node.invoke(&token, "").await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_fifteen_hundred_gets_at_once_are_all_answered_at_the_defaults() {
    let node = Arc::new(Process::start(&[]).await);
    let put = node.invoke(&own("kv/a", "tinycloud.kv/put"), "value").await;
    assert_eq!(put.status, 200);
    let answers = gets(&node, 1500).await;
    assert_eq!(counted(&answers), BTreeMap::from([(200, 1500)]));
    assert!(answers.iter().all(|answer| answer.body == "value"));
}

/// Connections that are kept and idle give way to those of the same address that ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_connections_too_many_wait_until_others_have_ended() {
    let node = Process::start(&["--max-connections-per-address", "4"]).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = node.connect().await;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        silent.push(stream);
    }
    let answer = node.invoke(&own("kv/a", "tinycloud.kv/put"), "value").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // while others wait, nobody's connection is kept
    let mut large = Vec::new();
    for _ in 0..4 {
        let token = own("kv/b", "tinycloud.kv/put");
        let mut stream = node.connect().await;
        let kept = head("POST /invoke", &token, 10, "").replace("connection: close\r\n", "");
        stream.write_all(kept.as_bytes()).await.unwrap();
        large.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let token = own("kv/a", "tinycloud.kv/get");
    let waiting = node.invoke(&token, "");
    let ending = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut stream: TcpStream = large.pop().unwrap();
        stream.write_all(b"0123456789").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let ended = timeout(Duration::from_secs(10), async {
        tokio::join!(waiting, ending)
    });
    let (waited, ended) = ended.await.unwrap();
    assert!(ended.contains("connection: close"), "{ended}");
    assert_eq!((waited.status, waited.body.as_str()), (200, "value"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_who_is_refused_reads_why_and_when_to_come_back() {
    let flags = ["--rate", "3/m", "--max-connections-per-address", "2"];
    let node = Arc::new(Process::start(&flags).await);
    // the body is thrown away, and the answer arrives
    let body = "x".repeat(3 << 20);
    for expected in [404, 404, 429, 429] {
        let asked = head("POST /nothing", "none", body.len(), "");
        let answer = node.raw(format!("{asked}{body}").as_bytes()).await;
        assert_eq!(answer.status, expected);
        if expected == 429 {
            assert!(answer.head.contains("\r\nretry-after: "), "{answer:?}");
            assert_eq!(
                answer.body,
                "Rate limit exceeded: one address may send 3/m requests"
            );
        }
    }
    // 1024 wait; who comes then is told so
    let mut held = Vec::new();
    for _ in 0..2 + 1024 {
        held.push(node.connect().await);
    }
    let answer = node
        .raw(head("POST /invoke", "x", body.len(), "").as_bytes())
        .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("\r\nretry-after: 1"), "{answer:?}");
    assert!(
        answer.body.starts_with("Too many connections"),
        "{answer:?}"
    );
}

/// Checking a token costs more than counting a request; a large one costs more than a small one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_requests_that_fail_have_a_rate_of_their_own() {
    let node = Process::start(&["--failure-rate", "20/h"]).await;
    let good = || own("kv/a", "tinycloud.kv/put");
    let bad = || good().replace('.', "x.");
    for _ in 0..3 {
        assert_eq!(node.invoke(&bad(), "").await.status, 401);
        assert_eq!(node.invoke(&good(), "value").await.status, 200);
    }
    // a missing value is none of its client's failures
    for _ in 0..30 {
        let answer = node.invoke(&own("kv/none", "tinycloud.kv/get"), "").await;
        assert_eq!(answer.status, 404);
    }
    let large = "x".repeat(48 * 1024);
    let refused = async |token: &str| {
        let mut before = 0;
        while node.invoke(token, "").await.status != 429 {
            before += 1;
            assert!(before < 100);
        }
        before
    };
    assert_eq!(refused(&large).await, 3, "17 are left: 7 + 7 + 3");
    let answer = node.invoke(&good(), "value").await;
    assert!(answer.body.contains("requests that fail"), "{answer:?}");
    // others are served
    let health = node
        .raw(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(health.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_questions_after_the_health_have_a_rate_of_their_own() {
    let node = Process::start(&["--health-rate", "5/h", "--rate", "off"]).await;
    for path in ["healthz", "readyz"] {
        for _ in 0..5 {
            let text = format!("GET /{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            node.raw(text.as_bytes()).await;
        }
    }
    let text = b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = node.raw(text).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.head.contains("\r\nretry-after: "));
    let put = node.invoke(&own("kv/a", "tinycloud.kv/put"), "value").await;
    assert_eq!(put.status, 200);
}
