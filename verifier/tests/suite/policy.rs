//! Which image, with which configuration, over which root key, not older than what.

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::{
    cbor,
    message::{Bare, Call, Evidence, Hash32, Key32, Reply, Request},
};
use openkey_verifier::{
    configuration::{self, Configuration},
    release::{ReleaseFile, ReleaseKeys, Text},
};
use serde_json::{Value, json};

use crate::{
    enclaves::PCRS,
    harness::{Answer, Files, Live, Ran, Server, verify},
};

const CONFIGURATION: &str = r#"{"rp_id":"localhost","rp_name":"Here","origins":["http://localhost:7100"],
    "operators":{"threshold":1,"keys":[{"name":"ada","encryption":"KEY","signing":"KEY","proof":"KEYKEY"}]}}"#;

fn configuration() -> String {
    CONFIGURATION.replace("KEY", &"01".repeat(32))
}

/// A host with this one enclave.
fn host(live: Live) -> Server {
    Server::new(move |asked| match asked.path.as_str() {
        "/api/v1/enclaves" => Answer::json(&json!({
            "enclaves": [{ "id": "e1", "member": "m1", "ready": true }],
        })),
        _ => {
            let Ok(Call {
                request: Request::Evidence { nonce },
                ..
            }) = cbor::decode(&asked.body)
            else {
                return Answer::new(400, "text/plain", "no");
            };
            let document = live.document(nonce.as_slice()).into();
            let reply = Reply::Bare(Bare::Evidence(Evidence { document }));
            Answer::cbor(cbor::encode(&reply).unwrap())
        }
    })
}

pub(crate) fn live(change: impl FnOnce(&mut Live)) -> Live {
    let mut live = Live::new();
    live.root_id = Some(Hash32([0x17; 32]));
    live.epoch = 5;
    change(&mut live);
    live
}

pub(crate) struct Case {
    pub(crate) files: Files,
    pub(crate) server: Server,
    pub(crate) root: String,
    pub(crate) policy: Value,
}

impl Case {
    pub(crate) fn new(live: Live) -> Self {
        let files = Files::new();
        let root = files.write("root.der", &live.enclave.bundle[0]);
        let policy = serde_json::from_str(&live.policy()).unwrap();
        Self {
            files,
            root,
            policy,
            server: host(live),
        }
    }

    /// Judges with the policy after a change to it.
    pub(crate) fn judge(&self, change: impl FnOnce(&mut Value), more: &[&str]) -> Ran {
        let mut policy = self.policy.clone();
        change(&mut policy);
        let policy = self.files.write("policy.json", policy.to_string());
        let args = ["host", &self.server.url, "--policy", &policy];
        verify(args.iter().chain(more))
    }

    pub(crate) fn with(&self, more: &[&str]) -> Ran {
        self.judge(|_| (), more)
    }
}

fn keys() -> (Vec<SigningKey>, String) {
    let signers: Vec<_> = (1..=3)
        .map(|seed| SigningKey::from_bytes(&[seed; 32]))
        .collect();
    let public = signers
        .iter()
        .map(|key| Key32(key.verifying_key().to_bytes()));
    let keys = ReleaseKeys::new(2, public.collect()).unwrap().to_json();
    (signers, keys)
}

/// A manifest of this image, signed by these keys.
fn release(epoch: u32, pcr0: &[u8; 48], not_after: &str, signers: &[SigningKey]) -> String {
    release_of("openkey-enclave", epoch, pcr0, not_after, signers)
}

fn release_of(
    name: &str,
    epoch: u32,
    pcr0: &[u8; 48],
    not_after: &str,
    signers: &[SigningKey],
) -> String {
    let text: Text = serde_json::from_value(json!({
        "version": 1,
        "name": name,
        "release": format!("1.0.{epoch}"),
        "epoch": epoch,
        "source_commit": "0".repeat(40),
        "cargo_lock_sha256": "0".repeat(64),
        "toolchain": {},
        "measurements": {
            "0": hex::encode(pcr0),
            "1": hex::encode(PCRS[1]),
            "2": hex::encode(PCRS[2]),
        },
        "configuration": null,
        "page": null,
        "not_before": "2020-01-01T00:00:00Z",
        "not_after": not_after,
    }))
    .unwrap();
    let mut file = ReleaseFile::unsigned(text).unwrap();
    let input = file.input().unwrap();
    for key in signers {
        let public = Key32(key.verifying_key().to_bytes());
        file.add(public, key.sign(&input).to_bytes()).unwrap();
    }
    file.to_json().unwrap()
}

#[test]
fn p5_an_image_without_its_configuration_is_no_policy() {
    let case = Case::new(live(|_| ()));
    let without = |policy: &mut Value| {
        policy["measurements"][0]
            .as_object_mut()
            .unwrap()
            .remove("16");
    };
    case.judge(without, &[]).not_judged("configuration_missing");
    case.judge(without, &["--any-configuration"]).accepted();
    let right = "cf".repeat(32);
    case.judge(without, &["--configuration", &right]).accepted();
    let pcr = format!("0={}", hex::encode(PCRS[0]));
    let args = [
        "host",
        &case.server.url,
        "--pcr",
        &pcr,
        "--root",
        &case.root,
    ];
    verify(args).not_judged("configuration_missing");
    // One of two sets is enough to let another configuration in.
    let one_of_two = |policy: &mut Value| {
        let mut second = policy["measurements"][0].clone();
        second.as_object_mut().unwrap().remove("16");
        policy["measurements"].as_array_mut().unwrap().push(second);
    };
    case.judge(one_of_two, &[])
        .not_judged("configuration_missing");
}

#[test]
fn p6_a_role_or_an_instance_is_no_program() {
    let case = Case::new(live(|_| ()));
    for index in ["3", "4", "16"] {
        let only = |policy: &mut Value| {
            let value = policy["measurements"][0]["0"].clone();
            policy["measurements"] = json!([{ index: value }]);
        };
        case.judge(only, &["--any-configuration"])
            .not_judged("code_missing");
    }
}

#[test]
fn p6_one_of_two_sets_without_a_program_lets_any_program_in() {
    let case = Case::new(live(|_| ()));
    for first in [true, false] {
        let one_of_two = |policy: &mut Value| {
            let sets = policy["measurements"].as_array_mut().unwrap();
            let only = json!({ "16": sets[0]["16"] });
            sets.insert(usize::from(!first), only);
        };
        case.judge(one_of_two, &[]).not_judged("code_missing");
    }
}

#[test]
fn f10_the_genuine_image_with_another_configuration_is_refused() {
    let genuine = Case::new(live(|_| ()));
    genuine.with(&[]).accepted();
    let other = live(|live| live.configuration = Hash32([0xce; 32]));
    let mut case = Case::new(other);
    case.policy["measurements"] = genuine.policy["measurements"].clone();
    let ran = case.with(&[]).refused("measurement_mismatch");
    assert!(ran.stderr.contains("PCR16"), "{ran:?}");
    // A policy and a flag that disagree are nobody's policy.
    let other = "ce".repeat(32);
    case.with(&["--configuration", &other])
        .not_judged("configuration_mismatch");
}

#[test]
fn f10_a_configuration_file_is_hashed_as_enclaves_hash_it() {
    let text = configuration();
    let hash = Configuration::from_json(text.as_bytes()).unwrap().hash();
    let case = Case::new(live(|live| live.configuration = hash));
    let without = |policy: &mut Value| {
        policy["measurements"][0]
            .as_object_mut()
            .unwrap()
            .remove("16");
    };
    let file = case.files.write("configuration.json", &text);
    case.judge(without, &["--configuration", &file]).accepted();
    let changed = text.replace("ada", "ben");
    let file = case.files.write("configuration.json", changed);
    case.judge(without, &["--configuration", &file])
        .refused("measurement_mismatch");
    let file = case.files.write("configuration.json", "{}");
    case.judge(without, &["--configuration", &file])
        .not_judged("configuration");
    // In the policy file itself.
    let named = |policy: &mut Value| {
        without(policy);
        policy["configuration"] = json!(hash.to_string());
    };
    case.judge(named, &[]).accepted();
}

#[test]
fn f10_a_genuine_image_over_another_root_key_is_refused() {
    let case = Case::new(live(|_| ()));
    let right = "17".repeat(32);
    let wrong = "18".repeat(32);
    case.with(&["--root-id", &right]).accepted();
    let ran = case.with(&["--root-id", &wrong]).refused("root_id");
    assert!(ran.stderr.contains(&right), "{ran:?}");
    let pinned = |policy: &mut Value| policy["root_id"] = json!(wrong);
    case.judge(pinned, &[]).refused("root_id");
    case.judge(pinned, &["--root-id", &right])
        .not_judged("root_id_conflict");
    // Before any genesis there is none.
    let case = Case::new(live(|live| live.root_id = None));
    case.with(&["--root-id", &right]).refused("root_id");
}

#[test]
fn p2_an_older_epoch_than_asked_is_refused() {
    let case = Case::new(live(|_| ()));
    case.with(&["--min-epoch", "5"]).accepted();
    case.with(&["--min-epoch", "6"]).refused("epoch_too_old");
    case.judge(|policy| policy["min_epoch"] = json!(6), &[])
        .refused("epoch_too_old");
    // A flag never lowers what the file asks.
    case.judge(
        |policy| policy["min_epoch"] = json!(6),
        &["--min-epoch", "1"],
    )
    .refused("epoch_too_old");
}

#[test]
fn p2_an_older_epoch_than_seen_before_is_refused() {
    let files = Files::new();
    let state = files.path("epochs.json");
    let state = ["--state", state.to_str().unwrap()];
    Case::new(live(|live| live.epoch = 7))
        .with(&state)
        .accepted();
    let older = Case::new(live(|live| live.epoch = 6));
    let ran = older.with(&state).refused("epoch_too_old");
    assert!(ran.stderr.contains("enclave e1"), "{ran:?}");
    // Without the memory it is a genuine, accepted image.
    older.with(&[]).accepted();
    // Another deployment has other epochs; and what was refused was not remembered.
    Case::new(live(|live| live.root_id = Some(Hash32([1; 32]))))
        .with(&state)
        .accepted();
    Case::new(live(|live| live.epoch = 7))
        .with(&state)
        .accepted();
    // A damaged memory is no empty one.
    files.write("epochs.json", "{}");
    older.with(&state).not_judged("epochs_file");
}

#[test]
fn p2_a_memory_that_cannot_be_read_is_no_empty_one() {
    let case = Case::new(live(|_| ()));
    case.files.write("file", "");
    let inside = case.files.path("file").join("epochs.json");
    let inside = inside.to_str().unwrap();
    case.with(&["--state", inside]).not_judged("cannot_open");
}

#[test]
fn p2_documents_are_held_to_the_epochs_that_were_seen() {
    let files = Files::new();
    let state = files.path("epochs.json");
    let judge = |epoch: u32| {
        let live = live(|live| live.epoch = epoch);
        let policy = files.write("policy.json", live.policy());
        let document = files.write("document", live.document(&[9; 32]));
        let nonce = "09".repeat(32);
        let state = state.to_str().unwrap();
        verify([
            "document", &document, "--policy", &policy, "--nonce", &nonce, "--state", state,
        ])
    };
    judge(7).accepted();
    judge(6).refused("epoch_too_old");
    judge(7).accepted();
    judge(8).accepted();
    judge(7).refused("epoch_too_old");
}

#[test]
fn p2_the_releases_of_the_flags_set_the_lowest_epoch() {
    let (signers, keys) = keys();
    // Flags know no simulator: hardware's certificates, under a root of our own.
    let case = Case::new(live(|live| live.enclave = Live::hardware().enclave));
    let keys = case.files.write("keys.json", keys);
    let configuration = "cf".repeat(32);
    let judge = |epoch: u32| {
        let text = release(epoch, &PCRS[0], "2999-01-01T00:00:00Z", &signers);
        let file = case.files.write("release.json", text);
        verify([
            "host",
            &case.server.url,
            "--release",
            &file,
            "--keys",
            &keys,
            "--configuration",
            &configuration,
            "--root",
            &case.root,
        ])
    };
    judge(5).accepted();
    // The same image under an older epoch than its release has: not that release.
    judge(6).refused("epoch_too_old");
}

#[test]
fn p1_a_policy_may_name_signed_releases() {
    let (signers, keys) = keys();
    let case = Case::new(live(|_| ()));
    let keys_file = case.files.write("keys.json", &keys);
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let configuration = "cf".repeat(32);
    let write = |name: &str, text: String| case.files.write(name, text);
    let future = "2999-01-01T00:00:00Z";
    let old = write("old.json", release(4, &[0xee; 48], future, &signers[..2]));
    let new = write("new.json", release(5, &PCRS[0], future, &signers[1..]));
    let flags = |files: &[&str]| {
        let mut args = vec!["host", &case.server.url];
        // The root of these enclaves is not AWS's, and a simulator needs a policy file.
        for file in files {
            args.extend(["--release", file]);
        }
        args.extend(["--keys", &keys_file, "--configuration", &configuration]);
        args.extend(["--root", &case.root]);
        verify(args)
    };
    flags(&[&new]).refused("simulator_document");
    // The maintainers sign other programs with the same keys.
    let node = release_of("openkey-node", 5, &PCRS[0], future, &signers);
    let node = write("node.json", node);
    flags(&[&node]).not_judged("release_program");
    flags(&[&new, &node]).not_judged("release_program");

    let names = |releases: &[&str]| {
        let (keys, releases) = (keys.clone(), json!(releases));
        let configuration = configuration.clone();
        move |policy: &mut Value| {
            policy.as_object_mut().unwrap().remove("measurements");
            policy["releases"] = releases;
            policy["release_keys"] = keys;
            policy["configuration"] = json!(configuration);
        }
    };
    let ran = case.judge(names(&["new.json"]), &[]).accepted();
    assert!(ran.stdout.contains("release 1.0.5"), "{ran:?}");
    // While one release follows another, either is accepted.
    case.judge(names(&["old.json", "new.json"]), &[]).accepted();
    case.judge(names(&["old.json"]), &[])
        .refused("measurement_mismatch");
    // The lowest epoch of the releases is the lowest that is accepted.
    let next = write("next.json", release(6, &PCRS[0], future, &signers));
    case.judge(names(&["next.json"]), &[])
        .refused("epoch_too_old");
    // One that is over is not accepted, and keeps no other from being.
    write(
        "over.json",
        release(5, &PCRS[0], "2021-01-01T00:00:00Z", &signers),
    );
    case.judge(names(&["over.json"]), &[])
        .not_judged("release_expired");
    case.judge(names(&["old.json", "over.json"]), &[])
        .refused("measurement_mismatch");
    let unnamed = |policy: &mut Value| {
        names(&["new.json"])(policy);
        policy.as_object_mut().unwrap().remove("configuration");
    };
    case.judge(unnamed, &[]).not_judged("configuration_missing");
    let keyless = |policy: &mut Value| {
        names(&["new.json"])(policy);
        policy.as_object_mut().unwrap().remove("release_keys");
    };
    case.judge(keyless, &[]).not_judged("policy_release_keys");
    assert!(old.ends_with("old.json") && next.ends_with("next.json"));
}

#[test]
fn e8_an_upgrade_that_too_few_maintainers_signed_is_refused() {
    let (signers, keys) = keys();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let case = Case::new(live(|_| ()));
    let named = |policy: &mut Value| {
        policy.as_object_mut().unwrap().remove("measurements");
        policy["releases"] = json!(["release.json"]);
        policy["release_keys"] = keys.clone();
        policy["configuration"] = json!("cf".repeat(32));
    };
    let future = "2999-01-01T00:00:00Z";
    let judge = |text: String| {
        case.files.write("release.json", text);
        case.judge(named, &[])
    };
    judge(release(5, &PCRS[0], future, &signers[..2])).accepted();
    // The running image is named, by one maintainer, or by one and somebody else.
    judge(release(5, &PCRS[0], future, &signers[..1])).not_judged("release_signatures");
    let stranger = SigningKey::from_bytes(&[9; 32]);
    let two = [signers[0].clone(), stranger];
    judge(release(5, &PCRS[0], future, &two)).not_judged("release_signatures");
    // Two maintainers signed another image.
    judge(release(5, &[0xee; 48], future, &signers[..2])).refused("measurement_mismatch");
    // Their signatures were for another manifest.
    let mut moved: Value =
        serde_json::from_str(&release(5, &[0xee; 48], future, &signers[..2])).unwrap();
    moved["manifest"]["measurements"]["0"] = json!(hex::encode(PCRS[0]));
    judge(moved.to_string()).not_judged("release_signature");
}

#[test]
fn register_16_is_extended_once_from_zeros() {
    use sha2::{Digest, Sha384};
    let expected = Sha384::digest([&[0; 48][..], &[7; 32]].concat());
    assert_eq!(configuration::pcr(Hash32([7; 32])).0[..], expected[..]);
}
