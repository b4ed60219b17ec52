//! Those to whom an owner's session has shared a database by a link.

use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cid::Cid;
use openkey_capability::resource::SpaceId;
use serde_json::{Value, json};

use super::process::{Owner, Process, ask, home};
use super::tokens::{did, raw};

const ENDLESS: &str =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

/// A principal that asks from an address, by what was delegated to it.
#[derive(Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) seed: u8,
    pub(crate) from: Ipv4Addr,
    pub(crate) proof: Cid,
}

/// When tokens end: all of them at once, the first ones of chains later.
fn until(is_first: bool) -> i64 {
    static NOW: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);
    let now = NOW.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + if is_first { 400 } else { 300 }
}

fn token(from: u8, to: u8, ability: &str, proofs: &[Cid]) -> String {
    let until = until(proofs.is_empty());
    let database = format!("{}/sql/main", SpaceId::new(&did(1), "s").unwrap());
    let grant = Attenuation::new().with(database, Ability::parse(ability).unwrap());
    raw(from, &did(to), until, proofs, grant)
}

/// Takes back what `did(1)` has delegated: status and text.
pub(crate) async fn revoke(node: &Process, target: &Cid) -> (u16, String) {
    let name = format!(
        "{}/delegation/{target}",
        SpaceId::new(&did(1), "s").unwrap()
    );
    let ability = Ability::parse("tinycloud.delegation/revoke").unwrap();
    let grant = Attenuation::new().with(name, ability);
    let token = raw(1, &did(1), until(false), &[], grant);
    ask(node.address, Ipv4Addr::LOCALHOST, "/revoke", &token, "").await
}

/// Delegates an ability to the database of `did(1)`.
pub(crate) async fn delegate(
    node: &Process,
    from: u8,
    to: u8,
    ability: &str,
    proofs: &[Cid],
) -> Cid {
    let token = token(from, to, ability, proofs);
    let (status, text) = ask(node.address, Ipv4Addr::LOCALHOST, "/delegate", &token, "").await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    Cid::parse(answer["cid"].as_str().unwrap()).unwrap()
}

impl Holder {
    pub(crate) async fn invoke(
        &self,
        node: &Process,
        ability: &str,
        action: &str,
        sql: &str,
    ) -> (u16, String) {
        let token = token(self.seed, self.seed, ability, &[self.proof]);
        let body = json!({"action": action, "sql": sql}).to_string();
        ask(node.address, self.from, "/invoke", &token, &body).await
    }
}

/// The holder of a link makes keys below it, asks with all of them, and from many addresses.
#[tokio::test(flavor = "multi_thread")]
async fn h8_the_holder_of_a_link_leaves_the_owner_its_places_and_its_workers() {
    for workers in ["2", "4"] {
        let (_dir, dir) = home();
        let node = Process::start(&dir, &["--sql-workers", workers]);
        let owner = Owner::new(node.address, 1, 2).await;
        assert_eq!(owner.execute("CREATE TABLE t (n)").await.0, 200);
        let session = Holder {
            seed: 2,
            from: Ipv4Addr::new(127, 0, 0, 2),
            proof: delegate(&node, 1, 2, "tinycloud.sql/*", &[]).await,
        };
        let link = delegate(&node, 2, 3, "tinycloud.sql/read", &[session.proof]).await;
        let mut holders = Vec::new();
        for seed in 10..20 {
            holders.push(Holder {
                seed,
                from: Ipv4Addr::new(127, 0, 1, seed),
                proof: delegate(&node, 3, seed, "tinycloud.sql/read", &[link]).await,
            });
        }
        let over = AtomicBool::new(false);
        let attack = (0..300).map(|n| {
            let holder = holders[n % holders.len()];
            let (node, over) = (&node, &over);
            async move {
                while !over.load(Ordering::SeqCst) {
                    let done = holder
                        .invoke(node, "tinycloud.sql/read", "query", ENDLESS)
                        .await;
                    assert!(matches!(done.0, 400 | 503), "{done:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        let owner = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let all = "tinycloud.sql/*";
            for n in 0..2 {
                let sql = format!("INSERT INTO t VALUES ({n})");
                let done = session.invoke(&node, all, "execute", &sql).await;
                assert_eq!(done.0, 200, "{n}: {}", done.1);
                let done = session
                    .invoke(&node, all, "query", "SELECT count(*) FROM t")
                    .await;
                assert_eq!(done.0, 200, "{n}: {}", done.1);
                // and the owner's own key
                assert_eq!(owner.value("SELECT count(*) FROM t").await, n + 1);
            }
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(futures_util::future::join_all(attack), owner);
    }
}
