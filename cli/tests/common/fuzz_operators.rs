//! Any bytes as a file that operators, maintainers and clients read: the fuzz target's body, also
//! run on its corpus by the tests.

use openkey_cli::{Approval, Backup, Consents, GenesisFile, OperatorKey, ReleaseKey};
use openkey_protocol::message::{Hash32, Key32};
use openkey_verifier::anchor::{Anchor, Known, Published};
use openkey_verifier::attestation::{PolicyDraft, json};
use openkey_verifier::configuration::Configuration;
use openkey_verifier::epochs::Epochs;
use openkey_verifier::page::config::Config;
use openkey_verifier::policy;
use openkey_verifier::release::{ReleaseFile, ReleaseKeys};

/// Which of the readers took it.
pub(crate) fn run(input: &[u8]) -> Vec<&'static str> {
    let mut took = Vec::new();
    let mut note = |name, taken| {
        if taken {
            took.push(name);
        }
    };
    if let Ok(genesis) = GenesisFile::read(input) {
        let text = GenesisFile::new(&genesis).to_json();
        assert!(GenesisFile::read(text.as_bytes()).is_ok_and(|again| again == genesis));
        note("genesis", true);
    }
    let backup = Backup::from_json(input, &Hash32([0; 32]), &Key32([0; 32]));
    note("backup", backup.is_ok());
    // The neutral point is nobody's key: no approval is taken, and every one is read.
    note(
        "approval",
        Approval::from_json(input, &Key32([0; 32])).is_ok(),
    );
    if let Ok(consents) = Consents::from_json(input) {
        assert!(Consents::from_json(consents.to_json().as_bytes()) == Ok(consents));
        note("consents", true);
    }
    if let Ok(epochs) = Epochs::from_json(input) {
        assert!(Epochs::from_json(epochs.to_json().as_bytes()) == Ok(epochs));
        note("epochs", true);
    }
    if let Ok(key) = OperatorKey::from_json(input) {
        let again = OperatorKey::from_json(key.to_json().as_bytes());
        assert!(again.is_ok_and(|again| again.public() == key.public()));
        note("operator key", true);
    }
    if let Ok(key) = ReleaseKey::from_json(input) {
        let again = ReleaseKey::from_json(key.to_json().as_bytes());
        assert!(again.is_ok_and(|again| again.public() == key.public()));
        note("release key", true);
    }
    if let Ok(keys) = ReleaseKeys::from_json(input) {
        assert!(ReleaseKeys::from_json(keys.to_json().as_bytes()) == Ok(keys));
        note("release keys", true);
    }
    if let Ok(file) = ReleaseFile::from_json(input) {
        let text = file.to_json();
        assert!(text.is_ok_and(|text| ReleaseFile::from_json(text.as_bytes()) == Ok(file)));
        note("manifest", true);
    }
    note("anchor", Anchor::from_json(input).is_ok());
    if let Ok(known) = Known::from_json(input) {
        assert!(Known::from_json(known.to_json().as_bytes()) == Ok(known));
        note("known", true);
    }
    if let Ok(list) = Published::from_json(input) {
        let text = list.to_json();
        assert!(text.is_ok_and(|text| Published::from_json(text.as_bytes()) == Ok(list)));
        note("releases", true);
    }
    // The client accepts every configuration that the enclave accepts, and gives it the same hash.
    let enclave = openkey_enclave::Configuration::from_json(input);
    let client = Configuration::from_json(input);
    if let Ok(enclave) = &enclave {
        let client = client.as_ref().map(Configuration::hash);
        assert_eq!(client, Ok(enclave.hash()));
    }
    note("configuration", enclave.is_ok() && client.is_ok());
    note("page configuration", Config::from_json(input, None).is_ok());
    if let Ok(draft) = PolicyDraft::parse(input) {
        note("policy", policy::complete(draft, &[]).is_ok());
    }
    // The strict reader accepts some of JSON, and reads in it what everybody does.
    if let Ok(strict) = json::read::<serde_json::Value>(input) {
        let plain = serde_json::from_slice::<serde_json::Value>(input);
        assert!(plain.is_ok_and(|plain| plain == strict));
    }
    took
}
