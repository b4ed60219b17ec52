//! Tenants who take as much as they can, and others who are answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::process::{BOUND, Owner, Process, home};

const ENDLESS: &str =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

/// Asks as another, again and again until it is over, and answers how often.
async fn goes_on(owner: &Owner, over: &AtomicBool) -> u32 {
    let mut asked = 0;
    while !over.load(Ordering::SeqCst) {
        let key = format!("kv/{asked}");
        let put = owner.invoke(&key, "tinycloud.kv/put", "value").await;
        assert_eq!(put.0, 200, "{}", put.1);
        let got = owner.invoke(&key, "tinycloud.kv/get", "").await;
        assert_eq!(got, (200, "value".to_owned()));
        let selected = owner.query("SELECT count(*) FROM t").await;
        assert_eq!(selected.0, 200, "{}", selected.1);
        let inserted = owner.execute("INSERT INTO t VALUES (1)").await;
        assert_eq!(inserted.0, 200, "{}", inserted.1);
        asked += 1;
    }
    asked
}

async fn with_table(node: &Process, seed: u8, last: u8) -> Owner {
    let owner = Owner::new(node.address, seed, last).await;
    assert_eq!(owner.execute("CREATE TABLE t (n)").await.0, 200);
    owner
}

#[tokio::test(flavor = "multi_thread")]
async fn h8_giant_statements_leave_the_store_and_others_alone() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let attacker = Owner::new(node.address, 1, 2).await;
    let other = with_table(&node, 2, 3).await;
    let before = node.mebibytes();
    let over = AtomicBool::new(false);
    let numbers = |count: u32| {
        let numbers: Vec<_> = (100_000..100_000 + count).map(|n| n.to_string()).collect();
        numbers.join(",")
    };
    let attack = async {
        for (count, times) in [(140_000, 56), (14_000, 40), (1_400, 20)] {
            let numbers = numbers(count);
            let asked = (0..times).map(|n: u32| {
                let sql = format!("SELECT {n} WHERE 1 IN ({numbers})");
                async move { attacker.query_in(&format!("db/{}", n % 18), &sql).await }
            });
            for (status, text) in futures_util::future::join_all(asked).await {
                assert!(matches!(status, 200 | 400 | 503), "{status} {text}");
            }
        }
        over.store(true, Ordering::SeqCst);
    };
    let ((), asked) = tokio::join!(attack, goes_on(&other, &over));
    assert!(asked > 0);
    let after = node.mebibytes();
    assert!(after < before + 200, "{before} MiB, then {after} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn h8_a_hundred_fresh_owners_of_one_address_leave_a_worker_to_others() {
    let (_dir, dir) = home();
    let mut node = Process::start(&dir, &[]);
    let other = with_table(&node, 2, 3).await;
    let mut owners = Vec::new();
    for seed in 100..200 {
        owners.push(Owner::new(node.address, seed, 2).await);
    }
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let attack = async {
        let all = owners.iter().map(|owner| async {
            while began.elapsed() < Duration::from_secs(7) {
                let (status, text) = owner.query(ENDLESS).await;
                assert!(matches!(status, 400 | 503), "{status} {text}");
            }
        });
        futures_util::future::join_all(all).await;
        over.store(true, Ordering::SeqCst);
    };
    let ((), asked) = tokio::join!(attack, goes_on(&other, &over));
    assert!(asked > 0 && began.elapsed() < BOUND);
    assert!(node.is_alive());
}

/// Each has an address of its own, so nothing is kept back from them; but none keeps what it has for long
/// while another waits who has used less.
#[tokio::test(flavor = "multi_thread")]
async fn h8_whoever_has_used_less_gets_the_worker_of_whoever_has_used_more() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &["--sql-workers", "2"]);
    let other = with_table(&node, 50, 50).await;
    let mut owners = Vec::new();
    for seed in 100..104 {
        owners.push(Owner::new(node.address, seed, seed).await);
    }
    let (over, preempted) = (AtomicBool::new(false), AtomicBool::new(false));
    let began = Instant::now();
    let attack = async {
        let all = owners.iter().map(|owner| async {
            while began.elapsed() < Duration::from_secs(8) {
                let (status, text) = owner.query(ENDLESS).await;
                assert!(matches!(status, 400 | 503), "{status} {text}");
                // and is told why
                if text.contains("others wait who have used less") {
                    assert_eq!(status, 503);
                    preempted.store(true, Ordering::SeqCst);
                }
            }
        });
        futures_util::future::join_all(all).await;
        over.store(true, Ordering::SeqCst);
    };
    let ((), asked) = tokio::join!(attack, goes_on(&other, &over));
    assert!(asked > 0 && preempted.load(Ordering::SeqCst));
}

/// The same address, as behind a proxy that nobody named.
#[tokio::test(flavor = "multi_thread")]
async fn h8_an_owner_who_has_used_little_is_answered_beside_one_who_has_used_much() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let other = with_table(&node, 2, 2).await;
    let attacker = Owner::new(node.address, 1, 2).await;
    let over = AtomicBool::new(false);
    let attack = async {
        for _ in 0..2 {
            let all = (0..16)
                .map(|n| async move { attacker.query_in(&format!("db/{n}"), ENDLESS).await });
            for (status, text) in futures_util::future::join_all(all).await {
                assert!(matches!(status, 400 | 503), "{status} {text}");
            }
        }
        over.store(true, Ordering::SeqCst);
    };
    let ((), asked) = tokio::join!(attack, goes_on(&other, &over));
    assert!(asked > 0);
}
