//! Many people at once, and processes that die under them.

// Tests say what they expect by failing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use openkey_simulator::load::{LoadOptions, read_back, run};
use openkey_simulator::simulation::{Options, Simulation};

const BINARY: &str = env!("CARGO_BIN_EXE_openkey-sim");

#[test]
fn h2_nothing_acknowledged_is_lost_when_processes_are_killed() {
    let simulation = Simulation::start(Options::new(BINARY)).unwrap();
    let site = simulation.site().unwrap();
    let acks = simulation.dir().path().join("acks");
    let options = LoadOptions {
        accounts: 20,
        connections: 4,
        duration: Duration::from_secs(4),
        acks: Some(acks.clone()),
    };
    let report = std::thread::scope(|scope| {
        let load = scope.spawn(|| run(&site, &options, &Vec::new).unwrap());
        for name in ["enclave", "host-proxy", "enclave"] {
            std::thread::sleep(Duration::from_millis(700));
            let killed = simulation.kill(name).unwrap();
            simulation.wait_for_another(name, killed).unwrap();
        }
        load.join().unwrap()
    });
    assert_eq!(report.accounts, 20);
    assert!(report.signatures > 0);
    let found = read_back(&site, &acks, "localhost", 4).unwrap();
    assert_eq!(found.missing, Vec::<String>::new());
    assert_eq!((found.accounts, found.signatures), (20, report.signatures));
}

#[test]
fn what_was_never_acknowledged_by_this_deployment_is_missing() {
    let one = Simulation::start(Options::new(BINARY)).unwrap();
    let acks = one.dir().path().join("acks");
    let options = LoadOptions {
        accounts: 2,
        connections: 2,
        duration: Duration::from_millis(200),
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
