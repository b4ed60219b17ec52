//! E9: keys left in memory.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use openkey_cli::{Ceremony, GenesisFile, OperatorKey};
use openkey_protocol::message::{Action, KeyId, Payload, RootSource, RootState, Status};
use openkey_simulator::dir::RootKind;
use openkey_simulator::simulation::{Options, Simulation};
use openkey_tests::{memory, program, provisioned, said, simulation, start};
use serde_json::Value;
use vsss_rs::Gf256;

#[test]
fn e9_no_owner_key_lies_in_memory_after_signing() {
    // the search finds a key that is there, whichever way round
    let known = k256::ecdsa::SigningKey::from_slice(&{
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        bytes[0] = 1;
        bytes
    })
    .unwrap();
    let planted: Vec<u8> = known.to_bytes().iter().rev().copied().collect();
    let point = known.verifying_key().to_sec1_point(false);
    let hash = <sha3::Keccak256 as sha3::Digest>::digest(&point.as_bytes()[1..]);
    let address: [u8; 20] = hash[12..].try_into().unwrap();
    // in a process that has read it and nothing else: in this one there is what all other tests have
    let mut holder = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = holder.stdin.take().unwrap();
    input.write_all(&planted).unwrap();
    let looked = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(50));
        !memory::find_keys(holder.id(), &HashSet::from([address])).is_empty()
    });
    drop(input);
    holder.wait().unwrap();
    assert!(looked, "the search does not find a key that is there");

    let simulation = simulation(|it| it.no_restart());
    let enclave = simulation.pid("enclave").unwrap();
    // making a key leaves nothing behind, before it is confirmed or has signed
    let mut visitor = simulation.person().unwrap();
    let receipt = visitor.register("Visitor").unwrap();
    let made = HashSet::from([receipt.receipt.keys[0].address.0]);
    let found = memory::find_keys(enclave, &made);
    assert!(found.is_empty(), "a new private key lies at {found:x?}");

    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    for i in 0..10 {
        ada.sign_text(&format!("text {i}")).unwrap();
    }
    ada.perform(Action::CreateKey {
        label: "second".into(),
    })
    .unwrap();
    ada.sign(KeyId(1), Payload::Text("with the second".into()))
        .unwrap();
    let addresses: HashSet<[u8; 20]> = ada.keys().iter().map(|key| key.address.0).collect();
    assert_eq!(addresses.len(), 2);
    let found = memory::find_keys(enclave, &addresses);
    assert!(found.is_empty(), "a private key lies at {found:x?}");
}

/// What a genesis made: the operators can open it, and no enclave is to keep more of it than it needs.
struct Secrets {
    root: [u8; 32],
    shares: Vec<[u8; 32]>,
}

impl Secrets {
    /// Those of the simulation in this directory, by its operators' keys.
    fn of(dir: &Path, genesis: &Path) -> Self {
        let genesis = GenesisFile::read(&fs::read(genesis).unwrap()).unwrap();
        let root_id = genesis.transcript.unverified().unwrap().root_id;
        let ceremony = Ceremony::pinned(&genesis, &root_id).unwrap();
        let mut shares = Vec::new();
        for file in fs::read_dir(dir.join("operators")).unwrap() {
            let file = fs::read(file.unwrap().path()).unwrap();
            // the maintainers' keys lie there, too
            if let Ok(key) = OperatorKey::from_json(&file) {
                let opened = ceremony.share(&key).unwrap();
                let share: [u8; 32] = opened.share.as_slice().try_into().unwrap();
                shares.push((u8::try_from(opened.place + 1).unwrap(), share));
            }
        }
        assert!(shares.len() >= 2, "{}", shares.len());
        let indexed = shares.iter();
        let indexed: Vec<Vec<u8>> = indexed
            .map(|(index, share)| [&[*index], &share[..]].concat())
            .collect();
        let root = Gf256::combine_bytes(&indexed).unwrap();
        Self {
            root: root.try_into().unwrap(),
            shares: shares.into_iter().map(|(_, share)| share).collect(),
        }
    }

    /// That no share lies in an enclave's memory, and the root key in so many places.
    fn check(&self, simulation: &Simulation, enclave: &str, places: usize) {
        let pid = simulation.pid(enclave).unwrap();
        for share in &self.shares {
            let found = memory::find_secret(pid, share);
            assert!(found.is_empty(), "{enclave}: a share lies at {found:x?}");
        }
        let found = memory::find_secret(pid, &self.root);
        assert_eq!(
            found.len(),
            places,
            "{enclave}: the root key lies at {found:x?}"
        );
    }
}

fn is_ready(status: &Status) -> bool {
    status.root.state == RootState::Ready
}

fn openkey(arguments: &[&str]) {
    let output = Command::new(program("openkey"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn e9_after_a_genesis_neither_root_key_nor_shares_lie_in_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().canonicalize().unwrap();
    let text = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    fs::create_dir_all(dir.join("operators")).unwrap();
    for name in ["anna", "ben", "cleo"] {
        let file = text(&format!("operators/{name}.json"));
        openkey(&["operator", "keygen", "--name", name, "--out", &file]);
    }
    for number in 1..=3 {
        let file = text(&format!("operators/maintainer-{number}.json"));
        openkey(&["release", "keygen", "--out", &file]);
    }
    let options = Options::new(program("openkey-sim"))
        .dir(&dir)
        .root(RootKind::Operators)
        .no_operators();
    let simulation = start(options).unwrap();
    simulation.status(1).unwrap();
    let policy = fs::read(simulation.policy()).unwrap();
    let mut policy: Value = serde_json::from_slice(&policy).unwrap();
    let set = policy["measurements"][0].as_object_mut().unwrap();
    set.remove("16");
    fs::write(dir.join("image-policy.json"), policy.to_string()).unwrap();
    let (policy, configuration) = (text("image-policy.json"), text("configuration.json"));
    let out = text("genesis");
    openkey(&[
        "operator",
        "genesis",
        "--host",
        simulation.page(),
        "--policy",
        &policy,
        "--configuration",
        &configuration,
        "--out",
        &out,
    ]);
    let secrets = Secrets::of(&dir, &dir.join("genesis/genesis.json"));
    secrets.check(&simulation, "enclave", 0);
}

#[test]
fn e9_after_a_hand_over_the_root_key_lies_in_one_place_of_each_enclave() {
    let simulation = provisioned(RootKind::Operators, |it| it.replicas(2).no_restart());
    let sources = [1, 2].map(|number| {
        let status = simulation.wait_for_status(number, is_ready).unwrap();
        status.root_source
    });
    // one enclave made the root key of shares, the other one got it from there
    assert!(sources.contains(&Some(RootSource::Operators)));
    assert!(sources.contains(&Some(RootSource::HandOver)));
    let dir = simulation.policy().parent().unwrap();
    let secrets = Secrets::of(dir, &dir.join("genesis/genesis.json"));
    for enclave in ["enclave", "enclave-2"] {
        secrets.check(&simulation, enclave, 1);
    }
}
