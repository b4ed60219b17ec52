//! `--fork-store`: a host that keeps two histories.

use std::process::Command;

use openkey_protocol::message::ErrorCode;
use openkey_simulator::person::{Person, Site};
use openkey_simulator::simulation::{Options, Simulation, SimulationError};
use openkey_verifier::client::Host;
use rustix::process::Signal;

use super::{BINARY, pids, wait_until_gone};

/// The same person at the other enclave.
fn at(simulation: &Simulation, number: u8) -> std::sync::Arc<Site> {
    let policy = std::fs::read(simulation.policy()).unwrap();
    simulation.site_of(number, &policy).unwrap()
}

fn refusal<T>(ada: Result<T, openkey_simulator::person::PersonError>) -> Option<ErrorCode> {
    ada.err().unwrap().refusal()
}

fn copy_store(simulation: &Simulation, from: &str, to: &str) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .args(["copy-store", from, to, "--dir"])
        .arg(simulation.dir().path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn each_enclave_is_shown_a_store_of_its_own_which_begins_as_a_copy() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let mut first = Simulation::start(Options::new(BINARY).dir(&dir)).unwrap();
    let mut ada = first.person().unwrap();
    ada.sign_up("Ada").unwrap();
    assert_eq!(first.ready.hosts.len(), 1);
    let (status, said) = copy_store(&first, "e1", "e2");
    assert!(
        status == Some(1) && said.contains("choose of e1"),
        "{status:?} {said}"
    );
    first.end(Signal::INT).unwrap();

    let forked = || Options::new(BINARY).dir(&dir).replicas(2).fork_store();
    let mut second = Simulation::start(forked()).unwrap();
    let hosts = second.ready.hosts.clone();
    assert_eq!(hosts.len(), 2);
    assert_ne!(hosts[0].url, hosts[1].url);
    assert_ne!(hosts[0].store, hosts[1].store);
    assert_eq!(hosts[0].url, second.page());
    for (host, id) in hosts.iter().zip(["e1", "e2"]) {
        assert_eq!(host.enclaves, [id]);
        let listed = Host::new(&host.url).unwrap().enclaves().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].id, id);
    }
    // What was there before is at both; what happens now is at one.
    ada.use_site(at(&second, 2));
    ada.sign_text("at the second").unwrap();
    let mut bob = Person::new(at(&second, 1));
    bob.sign_up("Bob").unwrap();
    bob.forget_head();
    bob.use_site(at(&second, 2));
    assert_eq!(
        refusal(bob.sign_text("here")),
        Some(ErrorCode::UnknownAccount)
    );

    // A host-proxy that dies comes back to the same place.
    let killed = second.kill("host-proxy-2").unwrap();
    second.wait_for_another("host-proxy-2", killed).unwrap();
    ada.sign_text("again").unwrap();

    // The command gives one enclave the other's rows.
    let (status, said) = copy_store(&second, "e1", "e2");
    assert_eq!(status, Some(0), "{said}");
    bob.sign_text("here").unwrap();
    let (status, said) = copy_store(&second, "e1", "e1");
    assert!(
        status == Some(2) && said.contains("name two different ones"),
        "{status:?} {said}"
    );
    let (status, said) = copy_store(&second, "e1", "e3");
    assert!(
        status == Some(1) && said.contains("choose of e1, e2"),
        "{said}"
    );

    let before = pids(&second);
    second.end(Signal::INT).unwrap();
    wait_until_gone(&before);
    let third = Simulation::start(forked()).unwrap();
    assert_eq!(third.ready.hosts, hosts, "ports and stores are kept");
}

#[test]
fn what_does_not_go_with_forked_stores_is_said() {
    let refused = |options: Options| match Simulation::start(options) {
        Err(SimulationError::Start { stderr, .. }) => stderr,
        other => panic!("{other:?}"),
    };
    let said = refused(Options::new(BINARY).fork_store());
    assert!(said.contains("add --replicas 2"), "{said}");
    let kms = Options::new(BINARY).replicas(2).argument("--root=kms");
    let said = refused(kms.fork_store());
    assert!(said.contains("--root operators"), "{said}");
    // Two host-proxies cannot listen in one place.
    let channel = Options::new(BINARY)
        .replicas(2)
        .argument("--channel-listen=127.0.0.1:0");
    let said = refused(channel.fork_store());
    assert!(said.contains("leave --channel-listen away"), "{said}");
}
