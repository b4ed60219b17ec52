//! Many people at once, and what they were told.

// Tests say what they expect by failing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use openkey_simulator::load::{LoadOptions, Stop, read_back, run};
use openkey_simulator::simulation::{Options, Simulation};

const BINARY: &str = env!("CARGO_BIN_EXE_openkey-sim");

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
