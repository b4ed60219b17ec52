//! H8: what many requests that do not end take of the memory.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::process::{Process, head, now, own};
use super::tokens::{did, raw, within};

pub(crate) const MIB: u64 = 1 << 20;
/// What `docs/node.md` promises with these connections: what requests may take, and 256 KiB for each connection.
pub(crate) const fn promised(connections: u64) -> u64 {
    256 * MIB + connections * 256 * 1024
}

/// Sends something on so many connections of so many addresses, as much of it as the node takes.
async fn send(node: &Process, connections: usize, what: impl Fn() -> Vec<u8>) -> Vec<TcpStream> {
    let mut sending = Vec::new();
    for at in 0..connections {
        let mut stream = node.connect_from(u8::try_from(2 + at % 28).unwrap()).await;
        let what = what();
        sending.push(tokio::spawn(async move {
            let all = stream.write_all(&what);
            let _ = tokio::time::timeout(Duration::from_secs(4), all).await;
            stream
        }));
    }
    let mut open = Vec::new();
    for sent in sending {
        open.push(sent.await.unwrap());
    }
    open
}

/// What the node takes more than before while it holds these, and whether others are served.
async fn taken(node: &Process, connections: usize, what: impl Fn() -> Vec<u8>) -> u64 {
    let before = node.memory("RssAnon:");
    let open = send(node, connections, what).await;
    let put = node.invoke(&own("kv/a", "tinycloud.kv/put"), "value").await;
    assert_eq!(put.status, 200, "{put:?}");
    let body = format!(
        "{{\"action\":\"query\",\"sql\":\"SELECT 1\",\"params\":[],\"pad\":\"{}\"}}",
        "x".repeat(100_000)
    );
    let sql = node
        .invoke(&own("sql/none", "tinycloud.sql/read"), &body)
        .await;
    assert_eq!(sql.status, 200, "{sql:?}");
    drop(open);
    let taken = node.memory("VmHWM:").saturating_sub(before);
    println!("{} MiB on {connections} connections", taken / MIB);
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_unfinished_bodies_take_no_more_memory_than_is_promised() {
    let node = Process::start(&[]).await;
    let large = || {
        let mut sent = head(
            "POST /invoke",
            &own("sql/a", "tinycloud.sql/write"),
            1 << 20,
            "",
        );
        sent += "{\"action\":\"query\",\"sql\":\"";
        sent += &"x".repeat((1 << 20) - 1000);
        sent.into_bytes()
    };
    let taken = taken(&node, 1500, large).await;
    assert!(taken < promised(1500), "{} MiB", taken / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_unfinished_heads_take_no_more_memory_than_is_promised() {
    let node = Process::start(&[]).await;
    let large = || {
        let token = "x".repeat(370_000);
        format!("POST /delegate HTTP/1.1\r\nhost: a\r\nauthorization: {token}").into_bytes()
    };
    let taken = taken(&node, 3500, large).await;
    assert!(taken < promised(3500), "{} MiB", taken / MIB);
}

/// Whole tokens, each as large as there are, whose bodies do not come: what is read of them is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_large_tokens_take_no_more_memory_than_is_promised() {
    let node = Process::start(&[]).await;
    let mut grant = openkey_capability::attenuation::Attenuation::new();
    let ability = openkey_capability::ability::Ability::parse("tinycloud.kv/put").unwrap();
    for at in 0..1000 {
        grant = grant.with(
            within(&format!("kv/{at}/{}", "k".repeat(160))),
            ability.clone(),
        );
    }
    let large = || {
        let token = raw(1, &did(1), now() + 200, &[], grant.clone());
        let more = "content-type: multipart/form-data; boundary=b\r\n";
        (head("POST /invoke", &token, 1000, more) + "--b\r\n").into_bytes()
    };
    assert!(large().len() > 340_000, "{}", large().len());
    let taken = taken(&node, 150, large).await;
    assert!(taken < promised(150), "{} MiB", taken / MIB);
}

/// A body of many small values takes many times its size once it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_many_values_in_one_body_count() {
    let node = Process::start(&["--max-request-memory-bytes", "134217728"]).await;
    let token = || own("sql/none", "tinycloud.sql/read");
    let body = |params: &str| {
        format!("{{\"action\":\"query\",\"sql\":\"SELECT 1\",\"params\":[{params}]}}")
    };
    let many = format!("{}1", "1,".repeat(500_000));
    let refused = node.invoke(&token(), &body(&many)).await;
    assert_eq!(refused.status, 413, "{refused:?}");
    assert!(
        refused.body.contains("33554432 for one address"),
        "{refused:?}"
    );
    // as large, and one value: no statement takes it
    let one = format!("\"{}\"", ",".repeat(1_000_000));
    let read = node.invoke(&token(), &body(&one)).await;
    assert_eq!(read.status, 400, "{read:?}");
}

/// A form whose parts' heads do not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_the_head_of_a_part_is_bounded() {
    let node = Process::start(&[]).await;
    let more = "content-type: multipart/form-data; boundary=b\r\n";
    for begin in ["--b\r\nx: ", ""] {
        let body = format!("{begin}{}", "y".repeat(30 << 20));
        let (_, token) = super::large::batch(2, "tinycloud.kv/put");
        let before = node.memory("VmHWM:");
        let head = head("POST /invoke", &token, body.len(), more);
        let answer = node.raw(format!("{head}{body}").as_bytes()).await;
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(answer.body.contains("32768"), "{answer:?}");
        let more = node.memory("VmHWM:") - before;
        assert!(more < 8 * MIB, "{} MiB", more / MIB);
    }
}

/// Headers of the parts of forms that do not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_headers_of_unfinished_forms_take_no_more_memory_than_is_promised() {
    let node = Process::start(&["--max-request-memory-bytes", "134217728"]).await;
    // which is twice as much as it is stored
    let header = format!("x-tinycloud-meta-a: {}\r\n", "\"".repeat(16_000));
    let keys: Vec<String> = (0..1000).map(|at| at.to_string()).collect();
    let put = openkey_capability::ability::Ability::parse("tinycloud.kv/put").unwrap();
    let grant = keys.iter().fold(
        openkey_capability::attenuation::Attenuation::new(),
        |all, key| all.with(within(&format!("kv/{key}")), put.clone()),
    );
    let form = || {
        let token = raw(1, &did(1), now() + 200, &[], grant.clone());
        let body = super::large::form(&keys, "v", &header);
        // all but its end
        let more = "content-type: multipart/form-data; boundary=b\r\n";
        let head = head("POST /invoke", &token, body.len(), more);
        let sent = head + &body;
        sent.as_bytes()[..sent.len() - 10].to_vec()
    };
    let before = node.memory("RssAnon:");
    let mut open = Vec::new();
    for at in 0..14 {
        let mut stream = node.connect_from(2 + at).await;
        let all = form();
        open.push(tokio::spawn(async move {
            // who is refused is cut off
            let _ = stream.write_all(&all).await;
            tokio::time::sleep(Duration::from_secs(12)).await;
            stream
        }));
    }
    let put = node.invoke(&own("kv/a", "tinycloud.kv/put"), "value").await;
    assert_eq!(put.status, 200, "{put:?}");
    for one in open {
        drop(one.await.unwrap());
    }
    let taken = node.memory("VmHWM:").saturating_sub(before);
    let most = 128 * MIB + 14 * 256 * 1024;
    println!("{} of {} MiB", taken / MIB, most / MIB);
    assert!(taken < most, "{} of {} MiB", taken / MIB, most / MIB);
}
