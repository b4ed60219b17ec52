//! Many people at once, and what they were told.

// Tests say what they expect by failing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::process::Command;
use std::time::{Duration, Instant};

use openkey_simulator::load::{LoadOptions, Stop, read_back, run};
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
