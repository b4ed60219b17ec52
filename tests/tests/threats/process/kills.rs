//! H2: kill -9 of any process at any moment loses nothing that was acknowledged.

use std::process::Command;
use std::time::Duration;

use openkey_simulator::load::{LoadOptions, Stop, run};
use openkey_tests::load::Acks;
use openkey_tests::{program, said, simulation};

/// Most acknowledgements between two kills.
const BETWEEN: u32 = 60;

#[test]
fn h2_ten_kills_under_load_lose_nothing_acknowledged() {
    let simulation = simulation(|it| it);
    let site = simulation.site().unwrap();
    let acks = simulation.dir().path().join("acks");
    let options = LoadOptions {
        accounts: 30,
        connections: 8,
        duration: Duration::from_secs(600),
        stop: Stop::default(),
        acks: Some(acks.clone()),
    };
    let mut acknowledged = Acks::of(&acks);
    let report = std::thread::scope(|scope| {
        let load = scope.spawn(|| run(&site, &options, &Vec::new).unwrap());
        for kill in 0..10 {
            acknowledged.wait_for_some(BETWEEN);
            let name = ["enclave", "host-proxy"][kill % 2];
            let killed = simulation.kill(name).unwrap();
            simulation.wait_for_another(name, killed).unwrap();
        }
        // signatures too, however long signing up has taken
        acknowledged.wait_for(60);
        options.stop.stop();
        load.join().unwrap()
    });
    assert_eq!(report.accounts, 30);
    assert!(report.signatures > 0);

    let dir = simulation.dir().path().to_str().unwrap().to_owned();
    let verified = Command::new(program("openkey-sim"))
        .args(["load", "--dir", &dir, "--json", "--verify"])
        .arg(&acks)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
    let found: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(found["accounts"], 30);
    assert_eq!(found["signatures"], report.signatures);
}
