//! The genuine program with one changed value in its configuration gets the root key from nobody.

use std::fs;

use openkey_protocol::message::{RootSource, RootState, Status};
use openkey_simulator::dir::{Dir, RootKind};
use openkey_simulator::operators::StaffError;
use openkey_simulator::person::PersonError;
use openkey_simulator::simulation::{Options, Simulation, SimulationError};
use openkey_tests::{program, said, start, template, verify};
use serde_json::{Value, json};

use crate::explanations;

/// Lets the host hand enclave `number` the deployment's configuration with one changed member.
fn change(dir: &Dir, number: u8, member: &str, value: Value) {
    let kept = dir.kept().unwrap().unwrap();
    let mut configuration: Value = serde_json::from_slice(&kept.configuration_json()).unwrap();
    assert_ne!(configuration[member], value);
    configuration[member] = value;
    fs::write(dir.other_configuration(number), configuration.to_string()).unwrap();
}

/// Starts in a directory whose port is chosen before, since origins are measured.
fn options(dir: &Dir) -> Options {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    dir.keep(&dir.kept().unwrap().unwrap().at(port)).unwrap();
    Options::new(program("openkey-sim")).dir(dir.path())
}

/// What enclave `number` says once a source has refused it in these words.
fn tried(simulation: &Simulation, number: u8, source: RootSource, words: &str) -> Status {
    let failed = |status: &Status| {
        status
            .root
            .sources
            .iter()
            .any(|it| it.source == source && it.explanation.contains(words))
    };
    simulation.wait_for_status(number, failed).unwrap()
}

#[test]
fn e7_f10_operators_post_nothing_to_another_configuration() {
    let (_temporary, dir) = template::copy(RootKind::Operators);
    let options = options(&dir);
    change(&dir, 1, "upgrade_delay_seconds", json!(2));
    let simulation = start(options.no_operators()).unwrap();
    let policy = fs::read(simulation.policy()).unwrap();
    let status = simulation.status(1).unwrap();
    assert_eq!(status.root.state, RootState::Waiting { have: 0, need: 2 });
    match simulation.post_share(1, 0, &policy) {
        Err(SimulationError::Staff(StaffError::Person(PersonError::Evidence(error)))) => {
            assert!(error.to_string().contains("PCR16"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(simulation.status(1).unwrap().root, status.root);

    // and clients see it
    let policy = simulation.policy().to_str().unwrap();
    let output = verify(&["host", simulation.page(), "--policy", policy]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("PCR16"), "{}", said(&output));
}

#[test]
fn e7_f10_nothing_is_handed_over_to_another_configuration() {
    let (_temporary, dir) = template::copy(RootKind::Operators);
    let options = options(&dir);
    change(&dir, 2, "upgrade_delay_seconds", json!(2));
    let simulation = start(options.replicas(2).no_operators()).unwrap();
    let policy = fs::read(simulation.policy()).unwrap();
    simulation.status(1).unwrap();
    for operator in [0, 1] {
        simulation.post_share(1, operator, &policy).unwrap();
    }
    let is_ready = |status: &Status| status.root.state == RootState::Ready;
    simulation.wait_for_status(1, is_ready).unwrap();
    let status = tried(&simulation, 2, RootSource::HandOver, "differs in PCR16");
    assert_eq!(
        status.root.state,
        RootState::Waiting { have: 0, need: 2 },
        "{}",
        explanations(&status)
    );
}

#[test]
fn e7_f10_kms_gives_nothing_to_another_configuration() {
    let (_temporary, dir) = template::copy(RootKind::Kms);
    let options = options(&dir);
    change(&dir, 1, "upgrade_delay_seconds", json!(2));
    let simulation = start(options.no_operators()).unwrap();
    let status = tried(&simulation, 1, RootSource::Kms, "refuse");
    assert_ne!(
        status.root.state,
        RootState::Ready,
        "{}",
        explanations(&status)
    );
}

#[test]
fn p7_a_configuration_cannot_name_a_development_source() {
    let (_temporary, dir) = template::copy(RootKind::Operators);
    let options = options(&dir);
    change(&dir, 1, "root_sources", json!(["development"]));
    // it does not even boot, however often it is tried
    let refused = start(options.no_operators()).err().unwrap();
    let said = format!("{refused:?}");
    assert!(said.contains("enclave does not start"), "{said}");
}
