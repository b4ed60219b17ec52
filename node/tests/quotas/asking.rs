//! Requests whose answers a test reads, and rows that it counts.

use axum::http::HeaderMap;
use openkey_capability::cid::Cid;
use openkey_capability::ucan::Ucan;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http::Running;
use super::tokens::{NOW, Says, did, headers};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request, and reads the whole answer; later again, if there are too many of one address.
pub(crate) async fn post(node: &Running, path: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
    loop {
        let answer = post_once(node, path, headers, body).await;
        if answer.status != 429 || answer.text.contains("uota exceeded") {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn post_once(node: &Running, path: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"\r\n").await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    read(&answer)
}

fn read(answer: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let text = if head.contains("transfer-encoding: chunked") {
        let mut whole = String::new();
        let mut rest = body;
        while let Some((length, more)) = rest.split_once("\r\n") {
            let length = usize::from_str_radix(length, 16).unwrap();
            whole += &more[..length];
            rest = more[length..].strip_prefix("\r\n").unwrap_or_default();
        }
        whole
    } else {
        body.to_owned()
    };
    Answer { status, head, text }
}

/// Posts a delegation, whatever is answered.
pub(crate) async fn delegate(node: &Running, says: &Says<'_>) -> (Ucan, Answer) {
    let ucan = says.ucan();
    let answer = post(node, "/delegate", &headers(ucan.token()), &[]).await;
    (ucan, answer)
}

/// Posts a delegation that is accepted.
pub(crate) async fn delegated(node: &Running, says: &Says<'_>) -> Cid {
    let (ucan, answer) = delegate(node, says).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    ucan.cid()
}

/// Takes something back, by its name.
pub(crate) async fn revoke(node: &Running, by: u8, target: &Cid) -> u16 {
    revoke_for(node, by, NOW + 60, &[], target).await
}

/// The same until a time, in the name of whoever these delegations let it.
pub(crate) async fn revoke_for(
    node: &Running,
    by: u8,
    until: i64,
    proofs: &[Cid],
    target: &Cid,
) -> u16 {
    let path = format!("delegation/{target}");
    let says = Says {
        from: by,
        to: did(by),
        resource: &path,
        abilities: &["tinycloud.delegation/revoke"],
        until,
        proofs,
        ..Says::default()
    };
    post(node, "/revoke", &says.headers(), &[]).await.status
}

/// Reads a value, which is not there, as somebody who was let.
pub(crate) async fn get(node: &Running, by: u8, proof: &Cid) -> Answer {
    let says = Says {
        from: by,
        to: did(by),
        resource: "kv/a",
        abilities: &["tinycloud.kv/get"],
        until: NOW + 60,
        proofs: &[*proof],
        ..Says::default()
    };
    post(node, "/invoke", &says.headers(), &[]).await
}

/// Rows of a table of the store.
pub(crate) fn rows(node: &Running, table: &str) -> i64 {
    let store = rusqlite::Connection::open(node.dir().join("node.sqlite3")).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    store.query_row(&count, (), |row| row.get(0)).unwrap()
}

/// A check of everything finds nothing.
pub(crate) async fn assert_whole(node: &Running) {
    let checked = openkey_node::upkeep::check(node.dir(), &()).await.unwrap();
    assert_eq!(checked.findings, []);
}
