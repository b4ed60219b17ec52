//! What a worker has, and has not.

use std::collections::BTreeSet;

use super::process::{Owner, Process, home};

fn read(pid: u32, what: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap()
}

#[tokio::test]
async fn h4_a_worker_holds_nothing_of_the_node() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &[]);
    let one = Owner::new(node.address, 1, 2).await;
    assert_eq!(one.execute("CREATE TABLE t (a)").await.0, 200);
    assert_eq!(one.query("SELECT * FROM t").await.0, 200);
    let workers = node.workers();
    assert!(!workers.is_empty());
    let own = dir.join("sql").canonicalize().unwrap();
    let mut databases = 0;
    for pid in workers {
        assert_eq!(read(pid, "environ"), "");
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let open = open.map(|it| it.unwrap());
        let mut sockets = 0;
        for file in open {
            let to = std::fs::read_link(file.path()).unwrap();
            let name = file.file_name();
            if to.starts_with(&own) {
                databases += 1;
            } else if to.to_string_lossy().starts_with("socket:") {
                sockets += 1;
            } else {
                // standard output and error
                assert!(name == "1" || name == "2", "{name:?} {to:?}");
            }
        }
        // one end of one pair, twice: to the node and to nobody else
        assert!(sockets <= 3, "{sockets}");
        assert!(!read(pid, "net/unix").is_empty());
        let limits = read(pid, "limits");
        let limit = |name: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            let rest = line[name.len()..].split_whitespace().next().unwrap();
            rest.parse::<u64>().unwrap()
        };
        assert_eq!(limit("Max address space"), 512 << 20);
        assert_eq!(limit("Max core file size"), 0);
        assert!(limit("Max open files") <= 400);
        assert!(limit("Max file size") <= 3 << 30);
        let status = read(pid, "status");
        assert!(
            status.lines().any(|line| line == "NoNewPrivs:\t1"),
            "{status}"
        );
    }
    assert!(databases >= 2, "its databases are open there");
    // and not in the node
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap();
    let mut open = open.filter_map(|it| std::fs::read_link(it.ok()?.path()).ok());
    assert!(!open.any(|to| to.starts_with(&own)));
}

/// Databases that are open in a process, without what follows their names.
fn open_in(pid: u32) -> BTreeSet<String> {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open = open.filter_map(|it| std::fs::read_link(it.ok()?.path()).ok());
    let names = open.filter_map(|to| Some(to.file_name()?.to_str()?.to_owned()));
    let names = names.filter_map(|name| Some(name.split_once(".sqlite3")?.0.to_owned()));
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn h4_a_worker_holds_databases_of_one_owner() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &["--sql-workers", "2"]);
    let mut owners = Vec::new();
    for seed in 1..=8 {
        owners.push(Owner::new(node.address, seed, seed + 1).await);
    }
    let asked = owners.iter().map(|owner| async {
        for _ in 0..10 {
            let made = owner.execute("CREATE TABLE IF NOT EXISTS t (n)").await;
            assert_eq!(made.0, 200, "{}", made.1);
            assert_eq!(owner.query("SELECT * FROM t").await.0, 200);
        }
    });
    futures_util::future::join_all(asked).await;
    // all are kept, each with what is its owner's
    let workers = node.workers();
    assert!(workers.len() >= 8, "{workers:?}");
    let mut all = BTreeSet::new();
    for pid in workers {
        let open = open_in(pid);
        assert!(open.len() <= 1, "{open:?}");
        all.extend(open);
    }
    assert_eq!(all.len(), 8);
}

/// Workers that do nothing are bounded, and those that hold much end.
#[tokio::test(flavor = "multi_thread")]
async fn h8_workers_that_do_nothing_hold_little() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &["--sql-workers", "2"]);
    let one = Owner::new(node.address, 200, 2).await;
    let mut workers = BTreeSet::new();
    for n in 0..40 {
        // each connection keeps a MiB of pages
        for sql in [
            "CREATE TABLE t (n)",
            "INSERT INTO t VALUES (zeroblob(2000000))",
        ] {
            let done = one.query_in(&format!("db/{n}"), sql).await;
            assert_eq!(done.0, 200, "{}", done.1);
        }
        workers.extend(node.workers());
    }
    assert!(workers.len() > 1, "{workers:?}");
    assert_eq!(node.workers().len(), 1);
    for seed in 1..=80 {
        let owner = Owner::new(node.address, seed, seed + 1).await;
        assert_eq!(owner.query("SELECT 1").await.0, 200);
    }
    assert!(node.workers().len() <= 64 + 2);
}
