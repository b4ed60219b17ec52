//! F2, F8 on the running system; the other lines of F are attacks on documents, in the
//! attestation and verifier crates.

use std::sync::{Arc, Mutex};

use openkey_protocol::cbor;
use openkey_protocol::message::{Bare, Reply};
use openkey_tests::relay::{self, Relay};
use openkey_tests::{said, simulation, verify};

#[test]
fn f2_a_recorded_document_does_not_answer_another_nonce() {
    let simulation = simulation(|it| it);
    let policy = simulation.policy().to_str().unwrap();
    let recorded: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let relay = Relay::start(
        simulation.page(),
        relay::honestly(),
        Box::new(move |_, body| match cbor::decode::<Reply>(&body) {
            Ok(Reply::Bare(Bare::Evidence(_))) => {
                recorded.lock().unwrap().get_or_insert(body).clone()
            }
            _ => body,
        }),
    );
    let first = verify(&["host", &relay.origin(), "--policy", policy]);
    assert!(first.status.success(), "{}", said(&first));
    let second = verify(&["host", &relay.origin(), "--policy", policy]);
    assert_eq!(second.status.code(), Some(1));
    assert!(said(&second).contains("nonce"), "{}", said(&second));
    assert!(said(&second).starts_with("error: "));
}

#[test]
fn f8_simulator_evidence_never_passes_a_policy_that_does_not_say_simulator() {
    let simulation = simulation(|it| it);
    let root = simulation.ready.root_certificate.to_str().unwrap();
    let refused = |arguments: &[&str]| {
        let output = verify(arguments);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?}: {}",
            said(&output)
        );
        said(&output)
    };
    // by default, and with its own root pinned by hand
    let by_default = refused(&["host", simulation.page(), "--any-measurement"]);
    assert!(by_default.contains("simulator"), "{by_default}");
    let with_root = refused(&[
        "host",
        simulation.page(),
        "--any-measurement",
        "--root",
        root,
    ]);
    assert!(with_root.contains("simulator"), "{with_root}");
    // with the measurements in a policy for hardware
    let text = std::fs::read_to_string(simulation.policy()).unwrap();
    let mut policy: serde_json::Value = serde_json::from_str(&text).unwrap();
    policy["simulator"] = false.into();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let hardware = refused(&[
        "host",
        simulation.page(),
        "--policy",
        file.to_str().unwrap(),
    ]);
    assert!(hardware.contains("simulator"), "{hardware}");
    // and with its own
    let own = verify(&[
        "host",
        simulation.page(),
        "--policy",
        simulation.policy().to_str().unwrap(),
    ]);
    assert!(own.status.success(), "{}", said(&own));
}
