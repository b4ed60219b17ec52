//! E15, F13: evidence under an anchor, whatever its host serves beside it.

use ed25519_dalek::{Signer, SigningKey};
use openkey_attestation::{Nonce, UnixMillis};
use openkey_protocol::message::{Hash32, Key32};
use openkey_verifier::{
    anchor::{Anchor, AnchorError, History, Judged, Known, Published, Question, judge},
    release::{ReleaseFile, ReleaseKeys, Text, rfc3339},
};
use serde_json::{Value, json};

use crate::{
    enclaves::PCRS,
    harness::{Live, now},
};

const NONCE: &[u8] = b"a nonce of this browser's choice";
const DAY: u64 = 24 * 60 * 60 * 1000;
const ROOT_ID: Hash32 = Hash32([7; 32]);

fn maintainer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn keys(seed: u8) -> ReleaseKeys {
    ReleaseKeys::new(1, vec![Key32(maintainer(seed).verifying_key().to_bytes())]).unwrap()
}

/// The release that an enclave runs, changed by `bend` and signed by one maintainer.
fn release(live: &Live, seed: u8, bend: impl FnOnce(&mut Value)) -> Vec<u8> {
    let pcr = |index: usize| hex::encode(PCRS[index]);
    let mut manifest = json!({
        "version": 1, "name": "openkey-enclave", "release": "1.2.3", "epoch": live.epoch,
        "source_commit": "0".repeat(40), "cargo_lock_sha256": "1".repeat(64), "toolchain": {},
        "measurements": { "0": pcr(0), "1": pcr(1), "2": pcr(2) },
        "configuration": live.configuration.to_string(), "page": null,
        "not_before": rfc3339(UnixMillis(now().0 - DAY)),
        "not_after": rfc3339(UnixMillis(now().0 + DAY)),
    });
    bend(&mut manifest);
    let text: Text = serde_json::from_value(manifest).unwrap();
    let mut file = ReleaseFile::unsigned(text).unwrap();
    let signature = maintainer(seed).sign(&file.input().unwrap()).to_bytes();
    file.add(keys(seed).keys()[0], signature).unwrap();
    file.to_json().unwrap().into_bytes()
}

/// Everything that is asked about one enclave.
struct Case {
    live: Live,
    anchor: Anchor,
    published: Published,
    known: Option<Known>,
    policy: Option<Value>,
}

impl Case {
    /// A simulated enclave that is all right: hardware's root key is nobody's here.
    fn simulated() -> Self {
        let mut live = Live::new();
        live.root_id = Some(ROOT_ID);
        live.epoch = 3;
        let roots = live.enclave.roots();
        let text = Anchor::simulator_text(&keys(1), Some(ROOT_ID), "localhost", 2, &roots);
        Self::of(live, &text.unwrap())
    }

    /// A host's own "hardware" under a deployment's anchor: the shape is right, the root is not.
    fn forged() -> Self {
        let mut live = Live::hardware();
        live.root_id = Some(ROOT_ID);
        live.epoch = 3;
        let anchor = json!({
            "version": 1, "root_id": ROOT_ID.to_string(), "rp_id": "localhost", "min_epoch": 1,
            "release_keys": { "threshold": 1, "keys": [keys(1).keys()[0].to_string()] },
        });
        Self::of(live, &anchor.to_string())
    }

    fn of(live: Live, anchor: &str) -> Self {
        let mut published = Published::default();
        published.add_release(&release(&live, 1, |_| ())).unwrap();
        Self {
            anchor: Anchor::from_json(anchor.as_bytes()).unwrap(),
            live,
            published,
            known: None,
            policy: None,
        }
    }

    fn only(&mut self, release: &[u8]) {
        self.published = Published::default();
        self.published.add_release(release).unwrap();
    }

    fn judge(&self) -> Result<Judged, AnchorError> {
        let policy = self.policy.as_ref().map(Value::to_string);
        judge(&Question {
            document: &self.live.document(NONCE),
            nonce: &Nonce::new(NONCE).unwrap(),
            now: now(),
            anchor: &self.anchor,
            published: &self.published,
            known: self.known.as_ref(),
            host_policy: policy.as_deref().map(str::as_bytes),
        })
    }

    #[track_caller]
    fn refused(&self, rule: &str) {
        let error = self.judge().map(|judged| judged.release).unwrap_err();
        assert_eq!(error.rule(), rule, "{error}");
    }
}

/// What a host would say to have its own enclave accepted.
fn widest(live: &Live) -> Value {
    json!({
        "version": 1, "measurements": [{ "0": hex::encode(PCRS[0]) }],
        "roots": live.enclave.roots().to_pem(), "simulator": false, "allow_debug": true,
    })
}

#[test]
fn a_release_of_the_anchor_is_accepted_and_remembered() {
    let mut case = Case::simulated();
    let first = case.judge().unwrap();
    assert_eq!((first.history, first.known.epoch()), (History::First, 3));
    assert_eq!(first.release.manifest().release, "1.2.3");
    case.known = Some(first.known);
    assert_eq!(case.judge().unwrap().history, History::Same);
    // Policies and releases beside it change nothing, as long as they are right.
    case.policy = Some(json!({ "version": 1, "measurements": [{ "0": hex::encode(PCRS[0]) }] }));
    case.published
        .add_release(&release(&case.live, 9, |_| ()))
        .unwrap();
    assert!(case.judge().is_ok());
}

#[test]
fn e15_a_host_with_a_root_and_policy_of_its_own_is_refused() {
    let mut case = Case::forged();
    case.refused("unknown_root");
    case.policy = Some(widest(&case.live));
    case.refused("unknown_root");
    // Without a manifest of the release keys there is nothing to compare with.
    case.published = Published::default();
    case.refused("no_release");
}

#[test]
fn e15_a_simulator_is_accepted_under_its_own_anchor_only() {
    // Simulated evidence under a deployment's anchor, with the simulator's policy served beside.
    let mut case = Case::forged();
    case.live = Case::simulated().live;
    case.only(&release(&case.live, 1, |_| ()));
    case.policy = Some(serde_json::from_str(&case.live.policy()).unwrap());
    case.refused("simulator_document");
    // Hardware's shape under a simulator's anchor that names its root.
    let mut case = Case::forged();
    let roots = case.live.enclave.roots();
    let text = Anchor::simulator_text(&keys(1), Some(ROOT_ID), "localhost", 1, &roots).unwrap();
    case.anchor = Anchor::from_json(text.as_bytes()).unwrap();
    case.refused("not_a_simulator_document");
}

#[test]
fn e15_a_browser_that_knows_hardware_takes_no_simulator_in_its_place() {
    let mut case = Case::simulated();
    let as_hardware = case.judge().unwrap().known.to_json();
    let as_hardware = as_hardware.replace("\"simulator\":true", "\"simulator\":false");
    // The same release keys and the same root id, told by software.
    case.known = Some(Known::from_json(as_hardware.as_bytes()).unwrap());
    case.refused("deployment_changed");
}

#[test]
fn e15_another_anchor_than_the_remembered_one_is_refused() {
    let mut case = Case::simulated();
    case.known = Some(case.judge().unwrap().known);
    let roots = case.live.enclave.roots();
    let text = Anchor::simulator_text(&keys(9), Some(ROOT_ID), "localhost", 2, &roots).unwrap();
    case.anchor = Anchor::from_json(text.as_bytes()).unwrap();
    case.only(&release(&case.live, 9, |_| ()));
    case.refused("deployment_changed");
    // Whoever never was here cannot tell: the words of the page promise no more.
    case.known = None;
    assert_eq!(case.judge().unwrap().history, History::First);
}

#[test]
fn e15_manifests_signed_by_others_count_for_nothing() {
    let mut case = Case::simulated();
    case.only(&release(&case.live, 9, |_| ()));
    case.refused("release_signatures");
    let ours = release(&case.live, 1, |_| ());
    let changed = String::from_utf8(ours).unwrap().replace("1.2.3", "1.2.4");
    case.only(changed.as_bytes());
    case.refused("release_signature");
    case.only(&release(&case.live, 1, |it| {
        it["name"] = json!("another-program")
    }));
    case.refused("no_release");
    let other = "e".repeat(96);
    case.only(&release(&case.live, 1, |it| {
        it["measurements"]["0"] = json!(other)
    }));
    case.refused("measurement_mismatch");
}

#[test]
fn e15_a_release_has_its_time() {
    let mut case = Case::simulated();
    let ended = rfc3339(UnixMillis(now().0 - 3_600_000));
    case.only(&release(&case.live, 1, |it| it["not_after"] = json!(ended)));
    case.refused("release_expired");
}

#[test]
fn f10_a_release_without_a_configuration_or_over_another_root_key_is_refused() {
    let mut case = Case::simulated();
    case.only(&release(&case.live, 1, |it| {
        it["configuration"] = Value::Null
    }));
    case.refused("configuration_missing");
    let mut case = Case::simulated();
    case.live.configuration = Hash32([0xee; 32]);
    case.refused("measurement_mismatch");
    let mut case = Case::simulated();
    case.live.root_id = Some(Hash32([8; 32]));
    case.refused("root_id");
    case.live.root_id = None;
    case.refused("root_id");
}

#[test]
fn p2_e15_a_lower_epoch_than_remembered_or_than_the_anchor_names_is_refused() {
    let mut case = Case::simulated();
    case.known = Some(case.judge().unwrap().known);
    case.live.epoch = 2;
    case.only(&release(&case.live, 1, |_| ()));
    case.refused("epoch_too_old");
    // An old program under a manifest that calls it new.
    case.only(&release(&case.live, 1, |it| it["epoch"] = json!(3)));
    case.refused("epoch_too_old");
    case.known = None;
    assert!(case.judge().is_ok());
    case.live.epoch = 1;
    case.only(&release(&case.live, 1, |_| ()));
    case.refused("epoch_too_old");
}

#[test]
fn f13_policies_of_the_host_that_name_no_code_widen_nothing() {
    let configuration = openkey_verifier::configuration::pcr(Live::new().configuration);
    for set in [
        json!({ "8": "0".repeat(96) }),
        json!({ "1": hex::encode(PCRS[1]) }),
        json!({ "16": configuration.to_string() }),
    ] {
        let policy = json!({ "version": 1, "measurements": [set] });
        let mut case = Case::forged();
        case.policy = Some(policy.clone());
        case.published = Published::default();
        case.refused("no_release");
        // Another program, in a simulator that is accepted otherwise.
        let mut case = Case::simulated();
        case.policy = Some(policy);
        let other = "e".repeat(96);
        case.only(&release(&case.live, 1, |it| {
            it["measurements"]["0"] = json!(other)
        }));
        case.refused("measurement_mismatch");
    }
}

#[test]
fn e15_an_enclave_against_its_own_host_s_policy_is_refused() {
    let mut case = Case::simulated();
    for policy in [
        json!({ "version": 1, "measurements": [{ "0": "e".repeat(96) }] }),
        json!({ "version": 1, "measurements": [{ "0": hex::encode(PCRS[0]) }], "min_epoch": 4 }),
        json!({ "version": 1, "measurements": [{ "0": hex::encode(PCRS[0]) }], "root_id": "0".repeat(64) }),
        json!({
            "version": 1, "releases": ["r.json"], "min_epoch": 4,
            "release_keys": { "threshold": 1, "keys": [keys(9).keys()[0].to_string()] },
        }),
    ] {
        case.policy = Some(policy);
        case.refused("host_policy");
    }
    case.policy = Some(json!({ "version": 1 }));
    case.refused("host_policy_file");
}
