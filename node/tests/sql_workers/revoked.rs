//! Writes that are under way when what they rest on is revoked.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::named::{Holder, delegate, revoke};
use super::process::{Owner, Process, home, is_whole};
use super::together::{stop, until_used, used};

const ALL: &str = "tinycloud.sql/*";

/// A session of the owner, by a delegation of its own.
async fn session(node: &Process) -> Holder {
    Holder {
        seed: 2,
        from: Ipv4Addr::new(127, 0, 0, 2),
        proof: delegate(node, 1, 2, ALL, &[]).await,
    }
}

async fn with_table(node: &Process) -> Owner {
    let owner = Owner::new(node.address, 1, 2).await;
    let made = owner.execute("CREATE TABLE t (n UNIQUE)").await;
    assert_eq!(made.0, 200, "{}", made.1);
    owner
}

async fn insert(by: &Holder, node: &Process, n: usize) -> (u16, String) {
    let sql = format!("INSERT INTO t VALUES ({n})");
    by.invoke(node, ALL, "execute", &sql).await
}

/// By itself, and together with others that rest on something else.
#[tokio::test(flavor = "multi_thread")]
async fn g5_a_write_that_runs_when_its_chain_is_revoked_commits_nothing() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let owner = with_table(&node).await;
    // all of them by one key, so that they share a transaction where they may
    let stays = session(&node).await;
    for count in [1, 12] {
        let goes = session(&node).await;
        let before = used(&dir);
        stop(&node, "-STOP");
        let asked = (0..count).map(|n| {
            let by = if n % 3 == 0 { goes } else { stays };
            let node = &node;
            async move {
                // while the first is done by itself, the others wait
                if n > 0 {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                // of two that say the same, the one that stays is done
                insert(&by, node, count * 100 + n - usize::from(n == 4)).await
            }
        });
        let revoked = async {
            until_used(&dir, before, count).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let answer = revoke(&node, &goes.proof).await;
            assert_eq!(answer.0, 200, "{}", answer.1);
            stop(&node, "-CONT");
        };
        let (done, ()) = tokio::join!(join_all(asked), revoked);
        for (n, (status, text)) in done.iter().enumerate() {
            let expected = if n % 3 == 0 { 401 } else { 200 };
            assert_eq!(*status, expected, "{n} of {count}: {text}");
            assert!(n % 3 != 0 || text.contains("evoked"), "{text}");
        }
        let those = done.iter().filter(|it| it.0 == 200).count();
        let found = format!("SELECT count(*) FROM t WHERE n >= {}", count * 100);
        assert_eq!(owner.value(&found).await, those);
    }
    node.kill();
    assert!(is_whole(&dir));
}

/// Whoever was told that something is revoked sees all that rests on it, also where another process writes.
#[tokio::test(flavor = "multi_thread")]
async fn g5_what_is_there_when_a_revocation_is_answered_is_all() {
    let (_dir, dir) = home();
    let nodes = [Process::start(&dir, &[]), Process::start(&dir, &[])];
    let owner = with_table(&nodes[0]).await;
    let mut written = 0;
    for round in 0..24 {
        let by = session(&nodes[0]).await;
        let over = AtomicBool::new(false);
        let writers = (0..6).map(|at: usize| {
            let (over, node) = (&over, &nodes[at % 2]);
            async move {
                let mut done = 0;
                while !over.load(Ordering::SeqCst) {
                    let n = (round * 6 + at) * 1000 + done;
                    match insert(&by, node, n).await {
                        (200, _) => done += 1,
                        (401, _) => break,
                        other => panic!("{other:?}"),
                    }
                }
                done
            }
        });
        let revoked = async {
            tokio::time::sleep(Duration::from_millis(50 + round as u64 * 7)).await;
            let answer = revoke(&nodes[1], &by.proof).await;
            assert_eq!(answer.0, 200, "{}", answer.1);
            let there = owner.value("SELECT count(*) FROM t").await;
            over.store(true, Ordering::SeqCst);
            there.as_u64().unwrap()
        };
        let (done, there) = tokio::join!(join_all(writers), revoked);
        written += done.iter().sum::<usize>();
        assert_eq!(there, written as u64, "round {round}");
        assert_eq!(owner.value("SELECT count(*) FROM t").await, written);
    }
    assert!(written > 24, "nobody wrote");
}

/// What keeps a write from ending keeps nobody waiting without an end, and nobody is told that it is over.
#[tokio::test(flavor = "multi_thread")]
async fn g5_a_revocation_is_not_answered_while_what_rests_on_it_becomes_durable() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    with_table(&node).await;
    let by = session(&node).await;
    assert_eq!(insert(&by, &node, 1).await.0, 200);
    // as a worker that asks, and then goes on very slowly
    let path = dir.join("sql").join("links.lock");
    let file = std::fs::File::open(&path).unwrap();
    let lock = |kind: i32| {
        let lock = libc::flock {
            l_type: kind as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    };
    lock(libc::F_RDLCK);
    let answer = revoke(&node, &by.proof).await;
    assert_eq!(answer.0, 503, "{}", answer.1);
    assert!(answer.1.contains("is revoked"), "{}", answer.1);
    // it is
    assert_eq!(insert(&by, &node, 2).await.0, 401);
    lock(libc::F_UNLCK);
    let answer = revoke(&node, &by.proof).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
}
