//! Workers that end, and what is left of what they did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::process::{BOUND, Owner, Process, children, home, is_whole, signal};

/// A statement that computes for long between two looks at the clock: nothing but calls of functions.
fn straight_line() -> String {
    let mut sql = String::from("SELECT 0");
    for column in 0..60 {
        let paths: Vec<_> = (1..=14)
            .map(|n| format!("'$[#-{}]'", column * 14 + n))
            .collect();
        sql += &format!(", length(json_extract(j, {}))", paths.join(", "));
    }
    sql.replace("length(", "(") + " FROM long"
}

#[tokio::test(flavor = "multi_thread")]
async fn h4_a_statement_that_never_yields_ends_with_its_worker() {
    let (_dir, dir) = home();
    let mut node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    let two = Owner::new(node.address, 2, 3).await;
    for sql in [
        "CREATE TABLE long (j)",
        "INSERT INTO long SELECT '[' || replace(hex(zeroblob(650000)), '0', '1,') || '1]'",
    ] {
        let done = one.execute(sql).await;
        assert_eq!(done.0, 200, "{}", done.1);
    }
    // its worker is that which has its database open
    let before = node.workers();
    assert_eq!(before.len(), 1);
    assert_eq!(two.execute("CREATE TABLE t (n)").await.0, 200);
    let ended = AtomicBool::new(false);
    let sql = straight_line();
    let attack = async {
        let began = Instant::now();
        let done = one.query(&sql).await;
        ended.store(true, Ordering::SeqCst);
        (done, began.elapsed())
    };
    let others = async {
        let mut acknowledged = 0;
        while !ended.load(Ordering::SeqCst) {
            let done = two.execute("INSERT INTO t VALUES (1)").await;
            assert_eq!(done.0, 200, "{}", done.1);
            acknowledged += 1;
            assert_eq!(two.value("SELECT count(*) FROM t").await, acknowledged);
        }
        acknowledged
    };
    let ((done, took), acknowledged) = tokio::join!(attack, others);
    assert_eq!(done.0, 400, "{}", done.1);
    assert!(done.1.contains("interrupted"), "{}", done.1);
    // not before its time, and long before it would have ended by itself
    assert!(took > Duration::from_secs(5) && took < BOUND, "{took:?}");
    let after = node.workers();
    assert!(!after.contains(&before[0]), "{before:?} {after:?}");
    assert!(node.is_alive());
    // the same owner goes on with another
    assert_eq!(one.value("SELECT count(*) FROM long").await, 1);
    assert_eq!(one.execute("INSERT INTO long VALUES (1)").await.0, 200);
    assert_eq!(two.value("SELECT count(*) FROM t").await, acknowledged);
    node.kill();
    assert!(is_whole(&dir));
    let node = Process::start(&dir, &[]);
    let two = two.at(node.address);
    assert_eq!(two.value("SELECT count(*) FROM t").await, acknowledged);
}

/// Bytes of the files of all databases.
fn bytes(dir: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(dir.join("sql")).unwrap();
    let sizes = files.map(|file| file.unwrap().metadata().map_or(0, |it| it.len()));
    sizes.sum()
}

/// What was undone, and what a killed worker leaves, is given back: it counts towards no quota.
#[tokio::test(flavor = "multi_thread")]
async fn h10_what_was_undone_leaves_no_log() {
    const MIB: u64 = 1 << 20;
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    for sql in ["CREATE TABLE long (j)", "CREATE TABLE t (b)"] {
        assert_eq!(one.execute(sql).await.0, 200);
    }
    let fill = "INSERT INTO long SELECT '[' || replace(hex(zeroblob(650000)), '0', '1,') || '1]'";
    let large =
        "INSERT INTO t VALUES (randomblob(4000000)), (randomblob(4000000)), (randomblob(4000000))";
    let undone = [large, "INSERT INTO missing VALUES (1)"].map(str::to_owned);
    let done = one.batch(&undone).await;
    assert!(done.1.contains("no such table"), "{}", done.1);
    assert!(bytes(&dir) < 5 * MIB, "{} bytes", bytes(&dir));
    let straight = straight_line().replace(", (json_extract", " || (json_extract");
    let straight = format!("INSERT INTO long {straight}");
    let killed = [large, fill, &straight].map(str::to_owned);
    let before = node.workers();
    let done = one.batch(&killed).await;
    assert!(done.1.contains("interrupted"), "{}", done.1);
    assert_ne!(node.workers(), before);
    let began = Instant::now();
    while bytes(&dir) >= 5 * MIB {
        assert!(began.elapsed() < BOUND, "{} bytes", bytes(&dir));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(one.value("SELECT count(*) FROM long").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_a_batch_whose_worker_is_killed_is_done_whole_or_not_at_all() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    assert_eq!(one.execute("CREATE TABLE t (batch, n)").await.0, 200);
    let mut acknowledged = Vec::new();
    let mut killed = 0;
    for round in 0..12_u64 {
        let write = async |batch: u64| {
            let statements: Vec<_> = (0..40)
                .map(|n| format!("INSERT INTO t VALUES ({batch}, {n})"))
                .collect();
            (batch, one.batch(&statements).await.0)
        };
        let batches = (0..8).map(|n| write(round * 8 + n));
        let kill = async {
            tokio::time::sleep(Duration::from_millis(3 + round * 4)).await;
            for worker in node.workers() {
                signal(worker, "-KILL");
            }
        };
        let (done, ()) = tokio::join!(futures_util::future::join_all(batches), kill);
        for (batch, status) in done {
            assert!(matches!(status, 200 | 500 | 503), "{status}");
            killed += u32::from(status == 500);
            acknowledged.extend((status == 200).then_some(batch));
        }
    }
    assert!(killed > 0, "nobody was hit");
    let halves = "SELECT count(*) FROM (SELECT 1 FROM t GROUP BY batch HAVING count(*) <> 40)";
    assert_eq!(one.value(halves).await, 0);
    for batch in &acknowledged {
        let count = format!("SELECT count(*) FROM t WHERE batch = {batch}");
        assert_eq!(one.value(&count).await, 40);
    }
    node.kill();
    assert!(is_whole(&dir));
}

#[tokio::test]
async fn h8_workers_end_with_their_node() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    assert_eq!(one.query("SELECT 1").await.0, 200);
    let pid = node.pid();
    let workers = node.workers();
    assert!(!workers.is_empty());
    let endless =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
    let asking = tokio::spawn(async move { one.query(endless).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    node.kill();
    let _ = asking.await;
    let began = Instant::now();
    let lives = |worker: &u32| {
        std::fs::read_to_string(format!("/proc/{worker}/cmdline"))
            .is_ok_and(|it| it.contains("sql-worker"))
    };
    while workers.iter().any(lives) {
        assert!(began.elapsed() < Duration::from_secs(3), "{workers:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(children(pid), Vec::<u32>::new());
}

/// A worker that does not go on, as in a frozen container, keeps others from writing for no longer than
/// they would wait anyway.
#[tokio::test(flavor = "multi_thread")]
async fn h3_a_stopped_worker_of_another_process_holds_up_nobody_for_ever() {
    let (_dir, dir) = home();
    let (first, second) = (Process::start(&dir, &[]), Process::start(&dir, &[]));
    let one = Owner::new(first.address, 1, 2).await;
    assert_eq!(one.execute("CREATE TABLE t (n)").await.0, 200);
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO t SELECT x FROM c";
    let stopped = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for worker in first.workers() {
            signal(worker, "-STOP");
        }
        let there = one.at(second.address);
        // reading waits for nobody
        assert_eq!(there.value("SELECT count(*) FROM t").await, 0);
        let waited = there.execute("INSERT INTO t VALUES (1)").await;
        assert_eq!(waited.0, 503, "{}", waited.1);
        // until its node has ended it
        let began = Instant::now();
        while there.execute("INSERT INTO t VALUES (2)").await.0 != 200 {
            assert!(began.elapsed() < BOUND);
        }
    };
    let (endless, ()) = tokio::join!(one.execute(endless), stopped);
    assert_eq!(endless.0, 400, "{}", endless.1);
    assert_eq!(one.value("SELECT sum(n) FROM t").await, 2);
}
