//! H3: another process on the same directory makes no progress.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use openkey_edge::lock::WAIT;
use openkey_edge::turnstile::Turnstile;

use super::process::{Process, file_in, program, signal, start};

/// Set for a process that is to hold something: what, and where.
const HOLD: &str = "OPENKEY_NODE_TEST_HOLD";
/// The deadline, and what a busy machine adds.
const SOON: Duration = Duration::from_millis(2000 + 1500);

/// Not a test of its own: what the processes do that hold something until they hear the end of their input.
#[test]
fn child() {
    let Ok(hold) = std::env::var(HOLD) else {
        return;
    };
    let (what, path) = hold.split_once(':').unwrap();
    let until_the_end = || {
        writeln!(std::io::stdout(), "\nheld").unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        // nobody hears any more how a test ended
        std::process::exit(0)
    };
    match what {
        "turn" => {
            let mut turnstile = Turnstile::open(Path::new(path)).unwrap();
            let _turn = turnstile.enter(WAIT).unwrap();
            until_the_end();
        }
        "sqlite" => {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            until_the_end();
        }
        _ => {
            let file = std::fs::File::open(path).unwrap();
            file.lock().unwrap();
            until_the_end();
        }
    }
}

/// A process that holds something, and is stopped.
struct Holder {
    child: Child,
    input: Option<ChildStdin>,
}

fn stopped_with(what: &str, path: &Path) -> Holder {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locks::child", "--nocapture"])
        .env(HOLD, format!("{what}:{}", path.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = stdout.lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "held"));
    signal(child.id(), "STOP");
    Holder {
        input: child.stdin.take(),
        child,
    }
}

impl Holder {
    fn named(&self) -> String {
        format!("process {} (", self.child.id())
    }

    /// Lets it go on, and end.
    fn go_on(mut self) {
        signal(self.child.id(), "CONT");
        self.input = None;
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What needs no lock is answered as ever, and all else that it cannot be done now.
fn refuses_in_time(node: &Process) {
    // what was found is told for a second
    std::thread::sleep(Duration::from_millis(1100));
    std::thread::scope(|scope| {
        let asked = [
            scope.spawn(|| node.put("a", b"new")),
            scope.spawn(|| node.put("large", &[7; 100_000])),
            scope.spawn(|| node.get("a")),
            scope.spawn(|| node.delete("a")),
            scope.spawn(|| node.get_at("/readyz")),
        ];
        for answer in asked {
            let answer = answer.join().unwrap();
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.took < SOON, "{answer:?}");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            assert!(!answer.body.is_empty());
        }
        for path in ["/healthz", "/info", "/public/x/kv?prefix="] {
            let answer = node.get_at(path);
            assert!(answer.status < 500, "{answer:?}");
            assert!(answer.took < Duration::from_secs(1), "{answer:?}");
        }
    });
}

#[test]
fn h3_a_stopped_process_that_holds_the_store_hangs_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path());
    node.host();
    assert_eq!(node.put("a", b"old").status, 200);
    let store = dir.path().join("node.sqlite3");
    for what in ["turn", "sqlite"] {
        let holder = stopped_with(what, &store);
        refuses_in_time(&node);
        node.hear(&holder.named());
        assert!(node.said().contains("which is stopped"), "{}", node.said());
        holder.go_on();
        let got = node.get("a");
        assert_eq!((got.status, got.body), (200, b"old".to_vec()));
        assert_eq!(node.put("a", b"old").status, 200);
        // what was found is told for a second
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(node.get_at("/readyz").status, 200);
    }
    // nor whoever starts, or ends
    let holder = stopped_with("turn", &store);
    let began = Instant::now();
    let output = program(dir.path()).output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(15));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&holder.named()), "{said}");
    let began = Instant::now();
    node.end();
    assert!(began.elapsed() < Duration::from_secs(15));
    holder.go_on();
    let node = start(dir.path());
    assert_eq!(node.get("a").status, 200);
}

#[test]
fn h3_two_nodes_of_which_one_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (start(dir.path()), start(dir.path()));
    one.host();
    for round in 0..6 {
        std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                for n in 0..40 {
                    one.put(&format!("{round}/{n}"), &[1; 40_000]);
                }
            });
            std::thread::sleep(Duration::from_millis(13 + 7 * round));
            one.stop();
            for _ in 0..2 {
                let answer = other.put("b", b"new");
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                assert!(answer.took < SOON, "{answer:?}");
            }
            let ready = other.get_at("/readyz");
            assert!(ready.took < SOON, "{ready:?}");
            one.go_on();
            work.join().unwrap();
        });
        assert_eq!(other.put("b", b"new").status, 200);
    }
}

#[test]
fn h3_a_stopped_process_that_writes_a_database_hangs_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path());
    node.host();
    let sql = |text: &str| {
        let body = format!(r#"{{"action":"execute","sql":"{text}"}}"#);
        node.invoke("sql/main", "tinycloud.sql/*", body.as_bytes())
    };
    assert_eq!(sql("CREATE TABLE t (a)").status, 200);
    let turn = file_in(&dir.path().join("sql"), ".turn");
    let database = turn.to_str().unwrap().strip_suffix(".turn").unwrap();
    let holder = stopped_with("turn", Path::new(database));
    let answer = sql("INSERT INTO t VALUES (1)");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.took < SOON, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    node.hear(&holder.named());
    // others' go on
    assert_eq!(node.put("a", b"new").status, 200);
    holder.go_on();
    assert_eq!(sql("INSERT INTO t VALUES (1)").status, 200);
}

#[test]
fn h3_a_stopped_process_that_removes_blobs_hangs_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let node = start(&home);
    node.host();
    assert_eq!(node.put("large", &[7; 100_000]).status, 200);
    let lock = home.join("blobs.lock");
    std::fs::write(&lock, b"").unwrap();
    let holder = stopped_with("file", &lock);
    let to = dir.path().join("copy");
    let backup = || {
        Command::new(env!("CARGO_BIN_EXE_openkey-node"))
            .args(["backup", "--dir", home.to_str().unwrap()])
            .arg(&to)
            .output()
            .unwrap()
    };
    let began = Instant::now();
    let output = backup();
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&holder.named()), "{said}");
    // requests need none of it
    assert_eq!(node.get("large").status, 200);
    assert_eq!(node.delete("large").status, 200);
    holder.go_on();
    std::fs::remove_dir_all(&to).unwrap();
    assert!(backup().status.success());
}
