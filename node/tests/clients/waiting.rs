//! H8: what requests hold while they wait for memory, and whom they keep from theirs.

use std::time::Duration;

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cid::Cid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::memory::MIB;
use super::process::{Process, answer, head, now, own};
use super::tokens::{did, raw, within};
use super::{large, process::Answer};

/// The least memory for requests: 96 MiB for what is not an answer that waits, 32 MiB for one address.
const LEAST: [&str; 2] = ["--max-request-memory-bytes", "134217728"];

/// Takes all but 4 MiB of what one address has, by answers that nobody reads.
async fn fill(node: &Process, address: u8) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for columns in [2, 2, 2, 1] {
        let columns = ["hex(zeroblob(2090000))"; 2][..columns].join(", ");
        let body = format!("{{\"action\":\"query\",\"sql\":\"SELECT {columns}\",\"params\":[]}}");
        let mut stream = node.connect_from(address).await;
        let token = own("sql/none", "tinycloud.sql/read");
        let asked = head("POST /invoke", &token, body.len(), "") + &body;
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin[9..], b"200");
        open.push(stream);
    }
    open
}

/// Delegations to `did(2)` that have nearly a MiB together.
async fn large_parents(node: &Process) -> Vec<Cid> {
    let get = || Ability::parse("tinycloud.kv/get").unwrap();
    let mut parents = Vec::new();
    for by in 0..3 {
        let grant = (0..780).fold(Attenuation::new().with(within("kv"), get()), |all, at| {
            let name = within(&format!("kv/{by}/{at}/{}", "x".repeat(200)));
            all.with(name, get())
        });
        let token = raw(1, &did(2), now() + 1000, &[], grant);
        assert!((300_000..349_000).contains(&token.len()), "{}", token.len());
        let asked = head("POST /delegate", &token, 0, "");
        let posted = node.raw(asked.as_bytes()).await;
        assert_eq!(posted.status, 200, "{posted:?}");
        let posted: serde_json::Value = serde_json::from_str(&posted.body).unwrap();
        parents.push(Cid::parse(posted["cid"].as_str().unwrap()).unwrap());
    }
    parents
}

/// Asks so often at once, from one address.
async fn ask(node: &Process, address: u8, count: usize, what: impl Fn() -> String) -> Vec<Answer> {
    let mut asked = Vec::new();
    for _ in 0..count {
        let (stream, what) = (node.connect_from(address).await, what());
        asked.push(tokio::spawn(async move {
            answer(stream, what.as_bytes()).await
        }));
    }
    let mut answers = Vec::new();
    for one in asked {
        answers.push(one.await.unwrap());
    }
    answers
}

/// None of these finds room, and what they take together is what their connections may.
async fn assert_nothing_is_held(node: &Process, count: usize, what: impl Fn() -> String) {
    let open = fill(node, 2).await;
    let before = node.memory("VmHWM:");
    let answers = ask(node, 2, count, what).await;
    for answer in &answers {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    drop(open);
    let taken = node.memory("VmHWM:").saturating_sub(before);
    println!("{} MiB on {count} connections", taken / MIB);
    // and what is left to the address
    let most = 5 * MIB + count as u64 * 256 * 1024;
    assert!(taken < most, "{} of {} MiB", taken / MIB, most / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_delegations_are_not_read_before_there_is_room_for_them() {
    let node = Process::start(&LEAST).await;
    let parents = large_parents(&node).await;
    let get = Ability::parse("tinycloud.kv/get").unwrap();
    let asked = || {
        let grant = Attenuation::new().with(within("kv/none"), get.clone());
        let token = raw(2, &did(1), now() + 200, &parents, grant);
        head("POST /invoke", &token, 0, "")
    };
    assert_nothing_is_held(&node, 120, asked).await;
    // and they are read where there is room
    let stream = node.connect_from(3).await;
    let read = answer(stream, asked().as_bytes()).await;
    assert_eq!(read.status, 404, "{read:?}");
}

/// What one has read is in memory for others, too, but not for long: whoever holds it has room for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_delegations_that_others_have_read_count_for_who_holds_them() {
    let node = Process::start(&LEAST).await;
    let parents = large_parents(&node).await;
    let get = Ability::parse("tinycloud.kv/get").unwrap();
    let ask = async |address: u8| {
        let grant = Attenuation::new().with(within("kv/none"), get.clone());
        let token = raw(2, &did(1), now() + 200, &parents, grant);
        let asked = head("POST /invoke", &token, 0, "");
        answer(node.connect_from(address).await, asked.as_bytes()).await
    };
    assert_eq!(ask(3).await.status, 404);
    let open = fill(&node, 2).await;
    let refused = ask(2).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(ask(3).await.status, 404);
    drop(open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_values_of_a_batch_are_not_read_before_there_is_room_for_them() {
    let node = Process::start(&LEAST).await;
    let keys: Vec<String> = (0..50).map(|at| at.to_string()).collect();
    let token = |ability: &str| {
        let ability = Ability::parse(ability).unwrap();
        let grant = keys.iter().fold(Attenuation::new(), |all, key| {
            all.with(within(&format!("kv/{key}")), ability.clone())
        });
        raw(1, &did(1), now() + 200, &[], grant)
    };
    let value = "v".repeat(64 * 1024);
    let put = large::put(&node, &keys, &token("tinycloud.kv/put"), &value).await;
    assert_eq!(put.status, 200, "{put:?}");
    let asked = || head("POST /invoke", &token("tinycloud.kv/get"), 0, "");
    assert_nothing_is_held(&node, 30, asked).await;
    let stream = node.connect_from(3).await;
    let read = answer(stream, asked().as_bytes()).await;
    assert_eq!(read.status, 200);
    assert!(read.body.len() > 50 * 64 * 1024);
}

/// A key's list by pages, and a list for anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_page_of_long_keys_has_room_before_it_is_read() {
    let node = Process::start(&LEAST).await;
    super::slow::put_long_keys(&node, &super::tokens::space(), 1000).await;
    let asked = || {
        let token = own("kv/", "tinycloud.kv/list");
        head("POST /invoke", &token, 0, "x-tinycloud-limit: 1000\r\n")
    };
    assert_nothing_is_held(&node, 60, asked).await;
    let stream = node.connect_from(3).await;
    let read = answer(stream, asked().as_bytes()).await;
    assert_eq!(read.status, 200);
    assert!(read.body.len() > 3_700_000);
}

/// Whoever waits for memory has no turn meanwhile that others wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_who_waits_for_memory_keeps_nobody_from_checks() {
    let node = Process::start(&LEAST).await;
    let parents = large_parents(&node).await;
    let (keys, put) = large::batch(200, "tinycloud.kv/put");
    let written = large::put(&node, &keys, &put, "v").await;
    assert_eq!(written.status, 200, "{written:?}");
    let mut open = Vec::new();
    for address in [2, 3] {
        open.extend(fill(&node, address).await);
    }
    for address in [2, 3] {
        let get = Ability::parse("tinycloud.kv/get").unwrap();
        // a token that is checked in its turn, and rests on more than there is room for
        let grant = (0..80).fold(Attenuation::new(), |all, at| {
            let name = within(&format!("kv/{at}/{}", "y".repeat(200)));
            all.with(name, get.clone())
        });
        let token = raw(2, &did(1), now() + 200, &parents, grant);
        assert!(token.len() > 20_000, "{}", token.len());
        let asked = head("POST /invoke", &token, 0, "");
        let mut stream = node.connect_from(address).await;
        stream.write_all(asked.as_bytes()).await.unwrap();
        open.push(stream);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (_, get) = large::batch(200, "tinycloud.kv/get");
    assert!(get.len() > 30_000, "{}", get.len());
    let asked = head("POST /invoke", &get, 0, "");
    let read = answer(node.connect_from(4).await, asked.as_bytes()).await;
    assert_eq!(read.status, 200, "{read:?}");
    drop(open);
}
