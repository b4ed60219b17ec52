//! Many people at once, and what they were told.

// Tests say what they expect by failing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::process::Command;
use std::time::{Duration, Instant};

use openkey_simulator::load::{LoadOptions, Stop, read_back, run};
use openkey_simulator::load_node::{self, LoadNodeError, LoadNodeOptions, What};
use openkey_simulator::simulation::{Options, Simulation};

const BINARY: &str = env!("CARGO_BIN_EXE_openkey-sim");

/// What would be measured is the limit; the default of `up` has one.
#[test]
fn a_limit_of_host_proxy_ends_a_run_at_once_and_names_the_flag() {
    let limited = Simulation::start(Options::new(BINARY).rate_limits()).unwrap();
    let began = Instant::now();
    let output = Command::new(BINARY)
        .args(["load", "--accounts=200", "--seconds=1", "--dir"])
        .arg(limited.dir().path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("up --rate-limit off"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(30), "{said}");
}

#[test]
fn what_was_never_acknowledged_by_this_deployment_is_missing() {
    let one = Simulation::start(Options::new(BINARY)).unwrap();
    let acks = one.dir().path().join("acks");
    let options = LoadOptions {
        accounts: 2,
        connections: 2,
        duration: Duration::from_millis(200),
        stop: Stop::default(),
        acks: Some(acks.clone()),
    };
    run(&one.site().unwrap(), &options, &Vec::new).unwrap();
    let mut text = std::fs::read_to_string(&acks).unwrap();
    let account = text.split('"').nth(7).unwrap().to_owned();
    let forged = "00".repeat(32);
    text.push_str(&format!(
        "{{\"ack\":\"signature\",\"account\":\"{account}\",\"digest\":\"{forged}\",\"signature\":\"00\"}}\n"
    ));
    std::fs::write(&acks, text).unwrap();
    let found = read_back(&one.site().unwrap(), &acks, "localhost", 2).unwrap();
    assert_eq!(found.missing.len(), 1);
    assert!(found.missing[0].contains(&forged));
    // Another deployment knows nobody of them.
    let other = Simulation::start(Options::new(BINARY)).unwrap();
    let found = read_back(&other.site().unwrap(), &acks, "localhost", 2).unwrap();
    assert_eq!(found.missing.len(), 2);
}

/// What went wrong is said once, and of what.
#[test]
fn errors_of_a_node_name_it_and_its_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let acks = dir.path().join("acks");
    let options = LoadNodeOptions {
        pace: None,
        urls: vec![url.clone()],
        what: What::Put,
        connections: 1,
        duration: Duration::from_millis(200),
        stop: Stop::default(),
        keys: 1,
        pids: Vec::new(),
        acks: None,
        seed: "errors".to_owned(),
        patient: false,
    };
    let said = |error: LoadNodeError| format!("{:#}", anyhow::Error::new(error));
    let silent = said(load_node::run(&options).unwrap_err());
    let expected = format!("{url} does not answer: ");
    assert!(silent.starts_with(&expected), "{silent}");
    assert_eq!(silent.matches("refused").count(), 1, "{silent}");
    for content in [&b"\xff\n"[..], b"{}\n"] {
        std::fs::write(&acks, content).unwrap();
        let broken = said(load_node::read_back(&options, &acks).unwrap_err());
        let expected = format!("acknowledgements in {}: ", acks.display());
        assert!(broken.starts_with(&expected), "{broken}");
        let reason = &broken[expected.len()..];
        assert_eq!(broken.matches(reason).count(), 1, "{broken}");
        assert!(!reason.contains(": stream") && reason.matches("UTF-8").count() <= 1);
    }
}
