//! Nodes that are killed while many clients write.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use openkey_simulator::load::Stop;
use openkey_simulator::load_node::{Kind, LoadNodeOptions, What, read_back, run};
use openkey_tests::load::Acks;

/// Kills of a run.
const KILLS: usize = 20;
/// Most acknowledgements between two of them.
const BETWEEN: u32 = 600;

struct Node {
    process: Child,
    url: String,
}

impl Node {
    /// On a port of its own, or on that of a node that was killed.
    fn start(dir: &Path, listen: &str) -> Self {
        let mut process = Command::new(openkey_tests::program("openkey-node"))
            .args(["--dir", dir.to_str().unwrap(), "--listen", listen])
            .args(["--rate", "off", "--json", "--log", "warn"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let ready: serde_json::Value =
            serde_json::from_str(&line).expect("a node that starts says where");
        Self {
            process,
            url: ready["url"].as_str().unwrap().to_owned(),
        }
    }

    /// By SIGKILL; answers where it listened.
    fn kill(self) -> String {
        self.url.strip_prefix("http://").unwrap().to_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // it may have ended by itself, which the test notices
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn options(nodes: &[Node], dir: &Path) -> LoadNodeOptions {
    LoadNodeOptions {
        urls: nodes.iter().map(|node| node.url.clone()).collect(),
        what: What::Mixed,
        connections: 8,
        duration: Duration::from_secs(600),
        stop: Stop::default(),
        keys: 100,
        pids: Vec::new(),
        acks: Some(dir.join("acks")),
        seed: "kills".to_owned(),
        pace: None,
        patient: true,
    }
}

/// Two processes on one directory, one of them killed twenty times: what clients were told is done, is
/// done, in full, and the store counts what it holds.
#[test]
fn h2_kill_9_under_load_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("node");
    let mut nodes = vec![
        Node::start(&data, "127.0.0.1:0"),
        Node::start(&data, "127.0.0.1:0"),
    ];
    let options = options(&nodes, dir.path());
    let acks = dir.path().join("acks");
    let mut acknowledged = Acks::of(&acks);
    let report = std::thread::scope(|scope| {
        let load = scope.spawn(|| run(&options));
        for kill in 0..KILLS {
            acknowledged.wait_for_some(BETWEEN);
            // in turns: each process is the one that recovers, and the one that goes on
            let address = nodes.remove(kill % 2).kill();
            nodes.insert(kill % 2, Node::start(&data, &address));
        }
        acknowledged.wait_for_some(BETWEEN);
        options.stop.stop();
        load.join().unwrap().unwrap()
    });
    for kind in [Kind::Put, Kind::Insert, Kind::Delegate, Kind::Revoke] {
        assert!(report.requests[&kind] > 50, "{report}");
    }
    assert!(report.errors.contains_key("unreachable"), "{report}");
    assert!(
        report.errors.keys().all(|error| error == "unreachable"),
        "{report}"
    );
    let found = read_back(&options, &acks).unwrap();
    assert_eq!(found.missing, Vec::<String>::new());
    assert_eq!(found.there[&Kind::Put], report.requests[&Kind::Put]);
    let check = Command::new(openkey_tests::program("openkey-node"))
        .args(["check", "--json", "--dir", data.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{said}");
    drop(nodes);
}
