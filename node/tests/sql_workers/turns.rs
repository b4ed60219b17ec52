//! Who writes a database that several want to write.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::named::{Holder, delegate};
use super::process::{Owner, Process, home, signal};

const WRITE: &str = "tinycloud.sql/write";

/// Holders of a link that may write: each with a key of its own below it, and an address.
async fn holders(node: &Process, count: u8) -> Vec<Holder> {
    let session = delegate(node, 1, 2, WRITE, &[]).await;
    let link = delegate(node, 2, 3, WRITE, &[session]).await;
    let mut holders = Vec::new();
    for seed in 10..10 + count {
        holders.push(Holder {
            seed,
            from: Ipv4Addr::new(127, 0, 1, seed),
            proof: delegate(node, 3, seed, WRITE, &[link]).await,
        });
    }
    holders
}

/// Whoever is kept from a worker keeps nobody from writing.
#[tokio::test(flavor = "multi_thread")]
async fn h8_who_has_no_worker_keeps_no_turn_to_write() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &["--sql-workers", "2"]);
    let owner = Owner::new(node.address, 1, 2).await;
    assert_eq!(owner.execute("CREATE TABLE t (n)").await.0, 200);
    let holder = holders(&node, 1).await[0];
    let own = node.workers();
    // its address has one worker at the most, and that makes an export that does not end
    let other = Owner::new(node.address, 9, holder.from.octets()[3]).await;
    let other = other.from(holder.from);
    assert_eq!(other.execute("CREATE TABLE t (n)").await.0, 200);
    for worker in node.workers() {
        if !own.contains(&worker) {
            signal(worker, "-STOP");
        }
    }
    let over = AtomicBool::new(false);
    let export = async {
        let export = other.invoke("sql/main", "tinycloud.sql/*", r#"{"action":"export"}"#);
        tokio::select! {
            done = export => panic!("{done:?}"),
            () = async {
                while !over.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            } => {}
        }
    };
    let attack = (0..8).map(|n| {
        let (over, node) = (&over, &node);
        async move {
            tokio::time::sleep(Duration::from_millis(300 + n * 250)).await;
            while !over.load(Ordering::SeqCst) {
                let sql = "INSERT INTO t VALUES (0)";
                let done = holder.invoke(node, WRITE, "execute", sql).await;
                assert_eq!(done.0, 503, "{}", done.1);
            }
        }
    });
    let writes = async {
        tokio::time::sleep(Duration::from_millis(1000)).await;
        for n in 0..5 {
            let done = owner.execute("INSERT INTO t VALUES (1)").await;
            assert_eq!(done.0, 200, "{n}: {}", done.1);
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(export, join_all(attack), writes);
    assert_eq!(owner.value("SELECT sum(n) FROM t").await, 5);
}

/// Each of its statements takes as long as one may, and others of its own wait already.
#[tokio::test(flavor = "multi_thread")]
async fn h8_the_holder_of_a_link_that_may_write_lets_the_owner_write() {
    const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO t SELECT max(x) FROM c";
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let owner = Owner::new(node.address, 1, 2).await;
    assert_eq!(owner.execute("CREATE TABLE t (n)").await.0, 200);
    let session = Holder {
        seed: 4,
        from: Ipv4Addr::new(127, 0, 0, 4),
        proof: delegate(&node, 1, 4, WRITE, &[]).await,
    };
    let holders = holders(&node, 10).await;
    let over = AtomicBool::new(false);
    let attack = (0..40).map(|n: usize| {
        let (holder, node, over) = (holders[n % holders.len()], &node, &over);
        async move {
            while !over.load(Ordering::SeqCst) {
                let done = holder.invoke(node, WRITE, "execute", ENDLESS).await;
                assert!(matches!(done.0, 400 | 503), "{done:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let writes = async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        for n in 0..4 {
            let sql = "INSERT INTO t VALUES (1)";
            let done = owner.execute(sql).await;
            assert_eq!(done.0, 200, "{n}: {}", done.1);
            let done = session.invoke(&node, WRITE, "execute", sql).await;
            assert_eq!(done.0, 200, "{n}: {}", done.1);
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(join_all(attack), writes);
    assert_eq!(owner.value("SELECT sum(n) FROM t").await, 8);
}
