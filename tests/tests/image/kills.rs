//! H2 on virtual machines: kill -9 of QEMU, its vsock device or host-proxy loses nothing that was
//! acknowledged.

use std::time::Duration;

use openkey_simulator::dir::RootKind;
use openkey_simulator::load::{LoadOptions, Stop, read_back, run};
use openkey_tests::load::Acks;
use openkey_tests::provisioned;

/// Most acknowledgements between two kills.
const BETWEEN: u32 = 20;

#[test]
fn h2_kills_under_load_lose_nothing_acknowledged() {
    let simulation = provisioned(RootKind::Operators, |it| it);
    let site = simulation.site().unwrap();
    let acks = simulation.dir().path().join("acks");
    let options = LoadOptions {
        accounts: 10,
        connections: 4,
        duration: Duration::from_secs(600),
        stop: Stop::default(),
        acks: Some(acks.clone()),
    };
    let mut acknowledged = Acks::of(&acks);
    let report = std::thread::scope(|scope| {
        let load = scope.spawn(|| run(&site, &options, &Vec::new).unwrap());
        for name in ["enclave", "host-proxy", "vsock"] {
            acknowledged.wait_for_some(BETWEEN);
            let killed = simulation.kill(name).unwrap();
            simulation.wait_for_another(name, killed).unwrap();
        }
        // signatures too, however long signing up has taken
        acknowledged.wait_for(20);
        options.stop.stop();
        load.join().unwrap()
    });
    assert!(report.signatures > 0);
    let found = read_back(&site, &acks, "localhost", 4).unwrap();
    assert_eq!(found.missing, Vec::<String>::new());
    assert_eq!((found.accounts, found.signatures), (10, report.signatures));
}
