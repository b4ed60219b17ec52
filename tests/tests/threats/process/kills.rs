//! H2: kill -9 of any process at any moment loses nothing that was acknowledged.

use std::process::{Command, Stdio};
use std::time::Duration;

use openkey_tests::{program, simulation};

#[test]
fn h2_ten_kills_under_load_lose_nothing_acknowledged() {
    let simulation = simulation(|it| it);
    let dir = simulation.dir().path().to_str().unwrap().to_owned();
    let acks = tempfile::NamedTempFile::new().unwrap();
    let acks = acks.path().to_str().unwrap();
    let mut load = Command::new(program("openkey-sim"))
        .args([
            "load",
            "--dir",
            &dir,
            "--accounts",
            "30",
            "--connections",
            "8",
        ])
        .args(["--seconds", "40", "--acks", acks, "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let mut random = [0; 10];
    getrandom::fill(&mut random).unwrap();
    std::thread::sleep(Duration::from_secs(4));
    for (i, byte) in random.into_iter().enumerate() {
        std::thread::sleep(Duration::from_millis(500 + u64::from(byte) * 8));
        let name = ["enclave", "host-proxy"][i % 2];
        if let Ok(before) = simulation.kill(name) {
            simulation.wait_for_another(name, before).unwrap();
        }
    }
    assert!(load.wait().unwrap().success());

    let lines = std::fs::read_to_string(acks).unwrap().lines().count();
    assert!(lines > 100, "{lines} acknowledgements");
    let verified = Command::new(program("openkey-sim"))
        .args(["load", "--dir", &dir, "--verify", acks, "--json"])
        .output()
        .unwrap();
    assert!(
        verified.status.success(),
        "{}{}",
        String::from_utf8_lossy(&verified.stdout),
        String::from_utf8_lossy(&verified.stderr)
    );
    let after = std::fs::read_to_string(acks).unwrap().lines().count();
    assert_eq!(after, lines);
}
