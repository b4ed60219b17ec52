//! H10: exports that are under way, of which each is a copy on the disk.

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::resource::SpaceId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::{Process, head, now};
use super::tokens::{did, raw};

/// An invocation of something in a space of somebody's own.
fn token(of: u8, space: &str, resource: &str, ability: &str) -> String {
    let space = SpaceId::new(&did(of), space).unwrap();
    let ability = Ability::parse(ability).unwrap();
    let grant = Attenuation::new().with(format!("{space}/{resource}"), ability);
    raw(of, &did(of), now() + 200, &[], grant)
}

/// A space with a database that is larger than what systems keep of an answer.
async fn filled(node: &Process, of: u8, space: &str) {
    let create = token(
        of,
        space,
        &format!("space/{space}"),
        "tinycloud.space/create",
    );
    let created = node.invoke(&create, "").await;
    assert_eq!(created.status, 200, "{created:?}");
    let fill = "{\"action\":\"execute\",\"schema\":[\"CREATE TABLE t (a)\"],\"sql\":\
                \"INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 16) \
                 SELECT zeroblob(1000000) FROM n\"}";
    let write = token(of, space, "sql/main", "tinycloud.sql/*");
    let done = node.invoke(&write, fill).await;
    assert_eq!(done.status, 200, "{done:?}");
}

/// Asks for an export, and reads no more than how it begins.
async fn export(node: &Process, address: u8, of: u8, space: &str) -> (TcpStream, u16) {
    let mut stream = node.connect_from(address).await;
    let body = "{\"action\":\"export\"}";
    let token = token(of, space, "sql/main", "tinycloud.sql/*");
    let asked = head("POST /invoke", &token, body.len(), "") + body;
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    let status = String::from_utf8_lossy(&begin[9..]).parse().unwrap();
    (stream, status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h10_neither_an_owner_nor_an_address_has_all_exports() {
    let node = Process::start_empty(&[]).await;
    for space in ["a", "b", "c"] {
        filled(&node, 1, space).await;
    }
    filled(&node, 5, "a").await;
    filled(&node, 6, "a").await;
    let mut open = Vec::new();
    for (address, space) in [(2, "a"), (2, "a"), (2, "b"), (3, "b")] {
        let (stream, status) = export(&node, address, 1, space).await;
        assert_eq!(status, 200);
        open.push(stream);
    }
    // the owner has four, wherever it asks from
    assert_eq!(export(&node, 4, 1, "c").await.1, 503);
    // the address has three and one more, whoever asks
    let (stream, status) = export(&node, 2, 5, "a").await;
    assert_eq!(status, 200);
    open.push(stream);
    assert_eq!(export(&node, 2, 6, "a").await.1, 503);
    assert_eq!(export(&node, 5, 6, "a").await.1, 200);
    // what nobody reads any more makes room
    open.remove(0);
    let mut last = 0;
    for _ in 0..100 {
        last = export(&node, 4, 1, "c").await.1;
        if last == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(last, 200);
    drop(open);
}
