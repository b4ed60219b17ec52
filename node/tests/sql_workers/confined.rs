//! What a worker has, and has not.

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

#[tokio::test]
async fn there_are_as_many_workers_as_was_said() {
    let (_dir, dir) = home();
    let node = Process::start(&dir, &["--sql-workers", "2"]);
    let mut owners = Vec::new();
    for seed in 1..=8 {
        owners.push(Owner::new(node.address, seed, seed + 1).await);
    }
    let asked = owners.iter().map(|owner| async {
        for _ in 0..20 {
            assert_eq!(owner.query("SELECT 1").await.0, 200);
        }
    });
    futures_util::future::join_all(asked).await;
    assert_eq!(node.workers().len(), 2);
}
