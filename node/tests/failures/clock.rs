//! H9: a clock that somebody sets.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::HeaderMap;
use openkey_edge::sqlite::Options;
use openkey_node::clock::Clock;
use openkey_node::config::Config;
use openkey_node::node::Node;
use openkey_node::server::{Server, Serving};
use tokio::sync::oneshot;

use super::process::ask;
use super::tokens::{NOW, Says, did};

/// What the machine's clocks say: the one that is set, and the one that is not.
pub(crate) struct Machine {
    wall: AtomicI64,
    steady: AtomicI64,
    boots: AtomicI64,
}

impl Clock for Machine {
    fn now_ms(&self) -> i64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn steady_ms(&self) -> Option<i64> {
        Some(self.steady.load(Ordering::Relaxed))
    }

    fn boot(&self) -> String {
        self.boots.load(Ordering::Relaxed).to_string()
    }
}

impl Machine {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            wall: AtomicI64::new(NOW * 1000),
            steady: AtomicI64::new(777_000),
            boots: AtomicI64::new(1),
        })
    }

    /// Starts again, some seconds later.
    pub(crate) fn boot(&self, seconds: i64) {
        self.wall.fetch_add(seconds * 1000, Ordering::Relaxed);
        self.steady.store(5000, Ordering::Relaxed);
        self.boots.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.wall.fetch_add(seconds * 1000, Ordering::Relaxed);
        self.steady.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, by_seconds: i64) {
        self.wall.fetch_add(by_seconds * 1000, Ordering::Relaxed);
    }
}

/// A node that listens, and another beside it that a test tells to forget.
pub(crate) struct Running {
    address: SocketAddr,
    pub(crate) beside: Node,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub(crate) fn start(dir: &Path, machine: &Arc<Machine>) -> Running {
    let (told, hear) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let (home, clock) = (dir.to_owned(), Arc::<Machine>::clone(machine));
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let serving = Serving::new("127.0.0.1:0".parse().unwrap());
            let server = Server::start(Config::new(home), serving, clock).unwrap();
            told.send(server.address()).unwrap();
            let stopped = async { drop(stopped.await) };
            server.serve(stopped).await;
        });
    });
    let address = hear.recv().unwrap();
    let clock = Arc::<Machine>::clone(machine);
    let beside = Node::open(Config::new(dir.to_owned()), clock, Options::default()).unwrap();
    Running {
        address,
        beside,
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Running {
    pub(crate) fn put(&self, headers: &HeaderMap, body: &[u8]) -> u16 {
        self.post("/invoke", headers, body)
    }

    pub(crate) fn post(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> u16 {
        let answer = ask(self.address, "POST", path, headers, body);
        answer.unwrap().status
    }

    pub(crate) fn host(&self) {
        let says = Says {
            resource: "space/s",
            abilities: &["tinycloud.space/create"],
            ..own()
        };
        assert_eq!(self.put(&says.headers(), b""), 200);
    }

    fn ready(&self) -> (u16, String) {
        let answer = ask(self.address, "GET", "/readyz", &HeaderMap::new(), b"").unwrap();
        (answer.status, answer.text())
    }

    pub(crate) fn tidy(&self) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(self.beside.tidy()).unwrap();
    }

    pub(crate) fn end(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

pub(crate) fn own<'a>() -> Says<'a> {
    Says {
        to: did(1),
        until: NOW + 60,
        resource: "kv/a",
        abilities: &["tinycloud.kv/put"],
        ..Says::default()
    }
}

#[test]
fn h9_a_clock_that_jumps_forgets_no_mark_and_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let node = start(dir.path(), &machine);
    node.host();
    let used = own().headers();
    assert_eq!(node.put(&used, b"a"), 200);
    assert_eq!(node.put(&used, b"a"), 409);
    assert_eq!(node.ready().0, 200);

    machine.set(600);
    node.tidy();
    assert_eq!(node.put(&used, b"a"), 409, "it is used, and remembered");
    assert_eq!(node.put(&own().headers(), b"a"), 200, "it goes on");
    let later = Says {
        since: Some(NOW + 300),
        until: NOW + 700,
        ..own()
    };
    assert_eq!(node.put(&later.headers(), b"a"), 401, "it has not begun");
    let (status, said) = node.ready();
    assert_eq!(status, 200);
    assert!(said.contains("600 s"), "{said}");

    machine.set(-1200);
    node.tidy();
    let ended = Says {
        until: NOW - 100,
        ..own()
    };
    assert_eq!(node.put(&ended.headers(), b"a"), 401, "it has ended");
    assert_eq!(node.put(&used, b"a"), 409);

    machine.set(600);
    machine.pass(2);
    assert_eq!(node.ready().0, 200);
    assert_eq!(node.put(&own().headers(), b"a"), 200);
    assert_eq!(node.put(&used, b"a"), 409);
}

#[test]
fn h9_one_start_with_a_wrong_clock_forgets_no_mark() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let node = start(dir.path(), &machine);
    node.host();
    let used = own().headers();
    assert_eq!(node.put(&used, b"a"), 200);
    node.tidy();
    node.end();
    machine.pass(5);
    machine.set(600);
    let node = start(dir.path(), &machine);
    node.tidy();
    assert_eq!(node.put(&used, b"a"), 409);
    node.end();
    machine.set(-600);
    let node = start(dir.path(), &machine);
    node.tidy();
    assert_eq!(node.put(&used, b"a"), 409);
    assert_eq!(node.put(&own().headers(), b"a"), 200);
}

#[test]
fn h9_a_clock_that_stays_is_followed_and_an_operator_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let node = start(dir.path(), &machine);
    node.host();
    machine.set(3600);
    let ahead = |seconds: i64| {
        Says {
            until: NOW + seconds + 60,
            ..own()
        }
        .headers()
    };
    assert_eq!(node.put(&ahead(3600), b"a"), 401, "it lives too long");
    machine.pass(601);
    assert_eq!(node.put(&ahead(3600 + 601), b"a"), 200);
    machine.set(3600);
    assert_eq!(node.put(&ahead(7200 + 601), b"a"), 401);
    let accept = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_openkey-node"))
            .args(["clock", "--dir", dir.path().to_str().unwrap()])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(accept(&[]).contains("--accept"));
    accept(&["--accept"]);
    // the one that listens tidies on its own every 20 s
    let began = std::time::Instant::now();
    while node.put(&ahead(7200 + 601), b"a") != 200 {
        assert!(began.elapsed().as_secs() < 40);
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
}
