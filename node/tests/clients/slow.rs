//! H8: clients that ask for much and read nothing.

use std::time::Duration;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::resource::SpaceId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::large;
use super::memory::{MIB, promised};
use super::process::{Process, answer, head, now, own};
use super::tokens::{Says, did, raw, space};

/// Of these many addresses.
const ADDRESSES: usize = 28;

/// Asks on so many connections, of many addresses, so many at once, and reads of each answer no more than its
/// beginning. Answers the connections with the beginnings.
async fn ask(
    node: &Process,
    connections: usize,
    at_once: usize,
    what: impl Fn() -> String,
) -> Vec<(TcpStream, String)> {
    let mut open = Vec::new();
    for first in (0..connections).step_by(at_once) {
        let mut asked = Vec::new();
        for at in first..connections.min(first + at_once) {
            let address = u8::try_from(2 + at % ADDRESSES).unwrap();
            let mut stream = node.connect_from(address).await;
            stream.write_all(what().as_bytes()).await.unwrap();
            asked.push(stream);
        }
        for mut stream in asked {
            let mut begin = [0; 12];
            let read = stream.read_exact(&mut begin);
            let read = tokio::time::timeout(Duration::from_secs(12), read).await;
            let begin = match read {
                Ok(Ok(_)) => String::from_utf8_lossy(&begin).into_owned(),
                _ => String::new(),
            };
            open.push((stream, begin));
        }
    }
    open
}

/// Others are served while they are held, and what the node takes more than before is what is promised.
async fn assert_promised(node: &Process, before: u64, open: Vec<(TcpStream, String)>) {
    let served = open.iter().filter(|it| it.1.ends_with(" 200")).count();
    assert!(served > 10, "{served} of {}", open.len());
    let put = node.invoke(&own("kv/b", "tinycloud.kv/put"), "value").await;
    assert_eq!(put.status, 200, "{put:?}");
    let body = format!(
        "{{\"action\":\"query\",\"sql\":\"SELECT 1\",\"params\":[],\"pad\":\"{}\"}}",
        "x".repeat(100_000)
    );
    let token = own("sql/none", "tinycloud.sql/read");
    let sql = node.invoke(&token, &body).await;
    assert_eq!(sql.status, 200, "{sql:?}");
    let taken = node.memory("VmHWM:").saturating_sub(before);
    let most = promised(open.len() as u64);
    println!("{} MiB on {} connections", taken / MIB, open.len());
    assert!(taken < most, "{} of {} MiB", taken / MIB, most / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_slow_readers_of_databases_take_no_more_memory_than_is_promised() {
    let node = Process::start(&[]).await;
    let before = node.memory("RssAnon:");
    let body = "{\"action\":\"query\",\"sql\":\
                \"SELECT hex(zeroblob(2000000)), hex(zeroblob(2000000))\",\"params\":[]}";
    let what = || {
        let token = own("sql/none", "tinycloud.sql/read");
        head("POST /invoke", &token, body.len(), "") + body
    };
    let open = ask(&node, 90, 3, what).await;
    assert_promised(&node, before, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_slow_readers_of_large_values_take_no_more_memory_than_is_promised() {
    let node = Process::start(&[]).await;
    let value = "v".repeat(4 << 20);
    let put = node.invoke(&own("kv/a", "tinycloud.kv/put"), &value).await;
    assert_eq!(put.status, 200, "{put:?}");
    let before = node.memory("RssAnon:");
    let what = || head("POST /invoke", &own("kv/a", "tinycloud.kv/get"), 0, "");
    let open = ask(&node, 1000, 100, what).await;
    assert!(open.iter().all(|it| it.1.ends_with(" 200")));
    assert_promised(&node, before, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_headers_of_many_values_take_no_more_memory_than_is_promised() {
    let node = Process::start(&[]).await;
    let (keys, token) = large::batch(1000, "tinycloud.kv/put");
    let headers = format!("x-tinycloud-meta-a: {}\r\n", "h".repeat(8_000));
    let put = large::put_with(&node, &keys, &token, "", &headers).await;
    assert_eq!(put.status, 200, "{put:?}");
    let before = node.memory("RssAnon:");
    let what = || {
        let (_, token) = large::batch(1000, "tinycloud.kv/metadata");
        head("POST /invoke", &token, 0, "")
    };
    let open = ask(&node, 30, 3, what).await;
    assert_promised(&node, before, open).await;
}

/// Puts so many values under keys of nearly 4000 bytes.
pub(super) async fn put_long_keys(node: &Process, space: &SpaceId, count: usize) {
    for first in (0..count).step_by(50) {
        let name = |at: usize| format!("{at:05}{}", "k".repeat(3700));
        let keys: Vec<String> = (first..first + 50).map(name).collect();
        let ability = Ability::parse("tinycloud.kv/put").unwrap();
        let grant = keys.iter().fold(Attenuation::new(), |all, key| {
            all.with(format!("{space}/kv/{key}"), ability.clone())
        });
        let token = raw(1, &did(1), now() + 200, &[], grant);
        let put = large::put(node, &keys, &token, "v").await;
        assert_eq!(put.status, 200, "{put:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_slow_readers_of_lists_take_no_more_memory_than_is_promised() {
    let node = Process::start(&["--public-rate", "off", "--public-quota-bytes", "100000000"]).await;
    let public = SpaceId::new(&did(1), "public").unwrap();
    let ability = Ability::parse("tinycloud.space/create").unwrap();
    let grant = Attenuation::new().with(format!("{public}/space/public"), ability);
    let token = raw(1, &did(1), now() + 200, &[], grant);
    let created = node.invoke(&token, "").await;
    assert_eq!(created.status, 200, "{created:?}");
    put_long_keys(&node, &public, 2500).await;
    let before = node.memory("RssAnon:");
    let listed = || {
        let ability = Ability::parse("tinycloud.kv/list").unwrap();
        let grant = Attenuation::new().with(format!("{public}/kv/"), ability);
        let token = raw(1, &did(1), now() + 200, &[], grant);
        head("POST /invoke", &token, 0, "")
    };
    let open = ask(&node, 80, 4, listed).await;
    assert_promised(&node, before, open).await;
    let path = format!("GET /public/{public}/kv?prefix=0");
    let open = ask(&node, 80, 4, || head(&path, "", 0, "")).await;
    assert_promised(&node, before, open).await;
    // and who reads gets all of it
    let all = node.raw(head(&path, "", 0, "").as_bytes()).await;
    let keys: Vec<String> = serde_json::from_str(&all.body).unwrap();
    assert_eq!(keys.len(), 2500);
}

/// A list that is read for long shows nothing that came after its delegation was revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_a_list_ends_when_what_it_rests_on_is_revoked() {
    let node = Process::start(&[]).await;
    put_long_keys(&node, &space(), 4000).await;
    let grant = Says {
        until: now() + 3600,
        resource: "kv",
        abilities: &["tinycloud.kv/list"],
        ..Says::default()
    };
    let grant = grant.ucan();
    let posted = node
        .raw(head("POST /delegate", grant.token(), 0, "").as_bytes())
        .await;
    assert_eq!(posted.status, 200, "{posted:?}");
    let listed = || {
        let says = Says {
            from: 2,
            to: did(1),
            until: now() + 100,
            resource: "kv/",
            abilities: &["tinycloud.kv/list"],
            proofs: &[grant.cid()],
            ..Says::default()
        };
        head("POST /invoke", &says.text(), 0, "")
    };
    // the whole of it, as long as it stands
    let all = node.raw(listed().as_bytes()).await;
    assert!(all.body.len() > 4000 * 3700);
    assert!(all.body.ends_with("]\r\n0\r\n\r\n"));
    let mut slow = ask(&node, 1, 1, listed).await.remove(0).0;
    let target = format!("delegation/{}", grant.cid());
    let token = own(&target, "tinycloud.delegation/revoke");
    let revoked = node
        .raw(head("POST /revoke", &token, 0, "").as_bytes())
        .await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    let later = node.invoke(&own("kv/z", "tinycloud.kv/put"), "later").await;
    assert_eq!(later.status, 200, "{later:?}");
    let mut rest = Vec::new();
    // it is cut off, in whatever way
    let _ = slow.read_to_end(&mut rest).await;
    let rest = String::from_utf8_lossy(&rest);
    assert!(!rest.contains("\"z\""), "it shows what came later");
    assert!(rest.len() < 4000 * 3700, "{} bytes were read", rest.len());
    assert!(!rest.trim_end().ends_with("0\r\n\r\n"), "it looks whole");
}

/// What finds no room to wait in is refused at once, and what was carried out is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_an_answer_without_room_is_refused_and_says_what_was_done() {
    let node = Process::start(&["--max-request-memory-bytes", "134217728"]).await;
    let asked = |sql: &str| {
        let body = format!("{{\"action\":\"query\",\"sql\":\"{sql}\",\"params\":[]}}");
        head(
            "POST /invoke",
            &own("sql/a", "tinycloud.sql/*"),
            body.len(),
            "",
        ) + &body
    };
    let made = answer(node.connect().await, asked("CREATE TABLE t (a)").as_bytes()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let large = ["hex(zeroblob(1500000))"; 3].join(", ");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = node.connect_from(2).await;
        let asked = asked(&format!("SELECT {large}"));
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin[9..], b"200");
        open.push(stream);
    }
    let ask = async |address: u8, sql: String| {
        let stream = node.connect_from(address).await;
        answer(stream, asked(&sql).as_bytes()).await
    };
    let refused = ask(2, format!("SELECT {large}")).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    let write = "INSERT INTO t VALUES (1), (2), (3) RETURNING hex(zeroblob(1500000))";
    let done = ask(2, write.to_owned()).await;
    assert_eq!(done.status, 500, "{done:?}");
    assert!(done.body.contains("was carried out"), "{done:?}");
    let count = ask(2, "SELECT count(*) FROM t".to_owned()).await;
    assert!(count.body.contains("[[3]]"), "{count:?}");
    // others have room
    assert_eq!(ask(3, format!("SELECT {large}")).await.status, 200);
    drop(open);
}

/// Room and turn of a token are of those who are asked for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_token_that_nobody_asked_for_takes_nothing() {
    let node = Process::start(&["--public-rate", "off"]).await;
    let public = SpaceId::new(&did(1), "public").unwrap();
    let grant = |resource: &str, ability: &str| {
        let ability = Ability::parse(ability).unwrap();
        let grant = Attenuation::new().with(format!("{public}/{resource}"), ability);
        raw(1, &did(1), now() + 200, &[], grant)
    };
    let created = node
        .invoke(&grant("space/public", "tinycloud.space/create"), "")
        .await;
    assert_eq!(created.status, 200, "{created:?}");
    let value = "v".repeat(4 << 20);
    let put = node
        .invoke(&grant("kv/large", "tinycloud.kv/put"), &value)
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    // eight have more than the share of their address, and each a turn
    let junk = "x".repeat(300_000);
    let mut open = Vec::new();
    for at in 0..8 {
        let line = match at % 2 {
            0 => format!("GET /public/{public}/kv/large"),
            _ => "GET /hooks/events".to_owned(),
        };
        let mut stream = node.connect_from(2).await;
        let asked = head(&line, &junk, 0, "");
        stream.write_all(asked.as_bytes()).await.unwrap();
        open.push(stream);
    }
    let (_, token) = large::batch(1000, "tinycloud.kv/get");
    let asked = head("POST /invoke", &token, 0, "");
    let read = answer(node.connect_from(2).await, asked.as_bytes()).await;
    assert_eq!(read.status, 200, "{read:?}");
    drop(open);
}
