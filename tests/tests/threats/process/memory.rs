//! E9: keys left in memory.

use std::collections::HashSet;

use openkey_protocol::message::{Action, KeyId, Payload};
use openkey_tests::{memory, simulation};

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
    let found = memory::find_keys(std::process::id(), &HashSet::from([address]));
    assert!(!found.is_empty());
    drop(planted);

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
