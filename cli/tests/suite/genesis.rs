//! `openkey operator genesis` and `check-genesis`.

use openkey_protocol::message::{Hash32, Key32, OperatorRequest};
use serde_json::json;

use crate::{
    deployment::{Deployment, Play, hash, pcr},
    harness::{Ran, verify},
    support::done,
};

/// Holds a genesis with this play; nothing may be left of one that is refused.
pub(crate) fn hold(deployment: &Deployment, play: Play) -> Ran {
    let running = deployment.run(play);
    let (out, ada) = (deployment.path("g"), deployment.path("ada.key"));
    let ran = deployment.operator(&running, "genesis", &["--out", &out, "--key", &ada]);
    if ran.code != 0 {
        assert!(
            !deployment.files.path("g").join("genesis.json").exists(),
            "{ran:?}"
        );
    }
    ran
}

/// Nothing is kept of what was answered, and the one genesis of that boot is spent.
#[track_caller]
fn refused(play: Play, rule: &str) {
    let ran = hold(&Deployment::new(), play).unproven(rule);
    assert!(ran.stderr.contains("enclave e1 at http://"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("this boot of the enclave holds no other one"),
        "{ran:?}"
    );
}

#[test]
fn k9_a_genesis_is_checked_and_kept() {
    let deployment = Deployment::new();
    let before = hash(&deployment.configuration);
    let ran = hold(&deployment, Play::default()).accepted();
    let mut production = deployment.configuration.clone();
    let written = std::fs::read(deployment.files.path("g").join("configuration.json")).unwrap();
    let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
    production["root_id"] = written["root_id"].clone();
    assert_eq!(written, production);
    assert_ne!(hash(&production), before);
    for part in [
        production["root_id"].as_str().unwrap(),
        &pcr(&production),
        "post-share",
    ] {
        assert!(ran.stdout.contains(part), "{part} in {ran:?}");
    }
    // The others check it without the enclave.
    let [genesis, policy, configuration, ben] = [
        "g/genesis.json",
        "policy.json",
        "configuration.json",
        "ben.key",
    ]
    .map(|name| deployment.path(name));
    let check = |configuration: &str, key: &str| {
        verify([
            "operator",
            "check-genesis",
            "--genesis",
            &genesis,
            "--policy",
            &policy,
            "--configuration",
            configuration,
            "--key",
            key,
            "--json",
        ])
    };
    let json = done(check(&configuration, &ben)).json();
    assert_eq!(json["root_id"], production["root_id"]);
    assert_eq!(json["own_share"], 1);
    assert_eq!(json["configuration"], hash(&production).to_string());
    let mut other = deployment.configuration.clone();
    other["operators"]["threshold"] = json!(3);
    let other = deployment.files.write("other.json", other.to_string());
    check(&other, &ben).refused("measurement_mismatch");
    let eve = deployment.path("eve.key");
    verify(["operator", "keygen", "--name", "ben", "--out", &eve]).accepted();
    check(&configuration, &eve).refused("not_an_operator");
}

#[test]
fn k9_a_substituted_operator_set_is_refused() {
    let swapped = |bend| Play {
        bend,
        ..Play::default()
    };
    refused(
        swapped(|_, descriptor| {
            descriptor.operators[1].encryption = Key32([9; 32]);
        }),
        "operators",
    );
    refused(
        swapped(|_, descriptor| descriptor.operators.swap(0, 1)),
        "operators",
    );
    refused(
        swapped(|_, descriptor| descriptor.threshold = 1),
        "operators",
    );
    refused(
        swapped(|_, descriptor| {
            descriptor.operators.pop();
            descriptor.shares.pop();
        }),
        "operators",
    );
    refused(
        swapped(|_, descriptor| descriptor.threshold = 4),
        "descriptor",
    );
}

#[test]
fn k9_a_descriptor_of_another_version_epoch_or_number_of_shares_is_refused() {
    let bent = |bend, rule| {
        let play = Play {
            bend,
            ..Play::default()
        };
        refused(play, rule);
    };
    bent(|_, descriptor| descriptor.version += 1, "descriptor");
    bent(|_, descriptor| descriptor.epoch += 1, "epoch");
    bent(|_, descriptor| descriptor.shares.truncate(2), "descriptor");
    bent(
        |_, descriptor| descriptor.shares.push(Hash32([1; 32])),
        "descriptor",
    );
}

#[test]
fn k9_one_boot_answers_all_of_a_genesis() {
    let another_boot = Play {
        swap: |genesis, live| {
            use sha2::{Digest, Sha256};
            let mut other = live.clone();
            other.identity = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
            let transcript = genesis.transcript.unverified().unwrap();
            genesis.transcript = other.sign(&transcript);
            let over = Sha256::digest(genesis.transcript.body.as_slice());
            genesis.document = other.document(&over).into();
        },
        ..Play::default()
    };
    refused(another_boot, "identity_key");
    let gone_after = Play {
        reboots: true,
        ..Play::default()
    };
    refused(gone_after, "identity_key");
}

#[test]
fn k9_a_genesis_whose_answer_was_changed_may_have_taken_place() {
    let play = Play {
        bends_answers: true,
        ..Play::default()
    };
    refused(play, "statement_signature");
    let deployment = Deployment::new();
    let running = deployment.run(play);
    let out = deployment.path("g");
    let args = ["--out", out.as_str(), "--json"];
    let ran = deployment.operator(&running, "genesis", &args);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("error: statement_signature: "),
        "{ran:?}"
    );
    assert_eq!(ran.json()["verdict"], "unproven");
    // The files have no place any more when they are to be written.
    let running = deployment.run(Play::default());
    let file = deployment.files.write("full", "no directory");
    let ran = deployment.operator(&running, "genesis", &["--out", &file]);
    ran.not_judged("cannot_write");
    assert!(
        running.orders.lock().unwrap().is_empty(),
        "found out before"
    );
}

#[test]
fn k9_an_enclave_that_has_a_root_key_is_asked_for_no_genesis() {
    let mut deployment = Deployment::new();
    deployment.live.root_id = Some(Hash32([6; 32]));
    let running = deployment.run(Play::default());
    let out = deployment.path("g");
    deployment
        .operator(&running, "genesis", &["--out", &out])
        .refused("root_id");
    assert!(running.orders.lock().unwrap().is_empty());
}

/// The root id that it prints is what people pin: an image by any signer, or in debug mode, could have
/// made a root key that somebody else knows.
#[test]
fn p5_no_genesis_is_believed_under_a_lax_policy() {
    let deployment = Deployment::new();
    hold(&deployment, Play::default()).accepted();
    let [genesis, policy, configuration] =
        ["g/genesis.json", "policy.json", "configuration.json"].map(|name| deployment.path(name));
    let base = ["operator", "check-genesis", "--genesis", &genesis];
    let with = |more: &[&str]| verify(base.iter().chain(more));
    let named = ["--policy", &policy, "--configuration", &configuration];
    with(&named).accepted();
    let text = std::fs::read_to_string(&policy).unwrap();
    let strict: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut debug = strict.clone();
    debug["allow_debug"] = json!(true);
    let mut signer = strict;
    signer["measurements"] = json!([{ "8": "11".repeat(48) }]);
    signer["min_epoch"] = json!(1);
    for (rule, policy) in [("debug_allowed", debug), ("code_missing", signer)] {
        let file = deployment.files.write("lax.json", policy.to_string());
        with(&["--policy", &file, "--configuration", &configuration]).not_judged(rule);
    }
}

#[test]
fn k9_who_checks_a_genesis_later_sees_what_was_substituted() {
    let deployment = Deployment::new();
    hold(&deployment, Play::default()).accepted();
    let [policy, configuration] =
        ["policy.json", "configuration.json"].map(|name| deployment.path(name));
    let check = |genesis: &openkey_protocol::message::Genesis| {
        let text = openkey_cli::GenesisFile::new(genesis).to_json();
        let file = deployment.files.write("bent.json", text);
        verify([
            "operator",
            "check-genesis",
            "--genesis",
            &file,
            "--policy",
            &policy,
            "--configuration",
            &configuration,
        ])
    };
    let mut genesis = deployment.bent_genesis(|_, _| ());
    check(&genesis).accepted();
    // Evidence of the same enclave, made for something else.
    genesis.document = deployment.live.document(&[5; 32]).into();
    check(&genesis).refused("nonce_mismatch");
    let operators = |_: &mut _, descriptor: &mut openkey_protocol::message::RootDescriptor| {
        descriptor.operators[1].encryption = Key32([9; 32]);
    };
    check(&deployment.bent_genesis(operators)).refused("operators");
}

#[test]
fn k9_a_host_cannot_answer_with_a_genesis_of_its_own() {
    let swapped = |swap| Play {
        swap,
        ..Play::default()
    };
    // A transcript that the enclave did not sign.
    refused(
        swapped(|genesis, live| {
            let mut other = live.clone();
            other.identity = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
            let transcript = genesis.transcript.unverified().unwrap();
            genesis.transcript = other.sign(&transcript);
        }),
        "transcript_signature",
    );
    // Evidence that is not over the transcript.
    refused(
        swapped(|genesis, live| genesis.document = live.document(&[5; 32]).into()),
        "nonce_mismatch",
    );
    // A root id that is not the descriptor's hash, though the enclave signed it.
    refused(
        swapped(|genesis, live| {
            use sha2::{Digest, Sha256};
            let mut transcript = genesis.transcript.unverified().unwrap();
            transcript.root_id = Hash32([1; 32]);
            genesis.transcript = live.sign(&transcript);
            let over = Sha256::digest(genesis.transcript.body.as_slice());
            genesis.document = live.document(&over).into();
        }),
        "root_id",
    );
}

#[test]
fn k9_a_genesis_of_another_ceremony_is_refused() {
    let bend = |transcript: &mut openkey_protocol::message::GenesisTranscript,
                _: &mut openkey_protocol::message::RootDescriptor| {
        transcript.nonce = vec![4; 32].into();
    };
    let play = Play {
        bend,
        ..Play::default()
    };
    refused(play, "transcript_nonce");
}

#[test]
fn k9_a_share_that_is_not_the_committed_one_is_noticed() {
    let play = Play {
        bend: |_, descriptor| descriptor.shares[0] = Hash32([8; 32]),
        ..Play::default()
    };
    refused(play, "share_commitment");
}

#[test]
fn k9_a_wrapped_key_belongs_to_a_kms_key_and_the_reverse() {
    let play = Play {
        bend: |transcript, _| {
            transcript.wrapped = Some(openkey_protocol::message::WrappedRoot {
                blob: vec![1].into(),
                nonce: vec![2; 24].into(),
                sealed: vec![3; 48].into(),
            });
        },
        ..Play::default()
    };
    refused(play, "wrapped_root");
    let mut deployment = Deployment::new();
    deployment.configuration["kms"] = json!({
        "key_arn": "arn:aws:kms:eu-central-1:123456789012:key/ours",
        "region": "eu-central-1",
    });
    deployment.live.configuration = hash(&deployment.configuration);
    deployment.write_policy();
    let play = Play {
        bend: |transcript, _| transcript.wrapped = None,
        ..Play::default()
    };
    hold(&deployment, play).unproven("wrapped_root");
}

#[test]
fn e4_an_enclave_with_another_kms_key_holds_no_genesis() {
    let mut deployment = Deployment::new();
    let with = |key: &str| {
        let arn = format!("arn:aws:kms:eu-central-1:123456789012:key/{key}");
        json!({ "key_arn": arn, "region": "eu-central-1" })
    };
    deployment.configuration["kms"] = with("ours");
    deployment.write_policy();
    // The host booted the genuine image with its own key.
    deployment.configuration["kms"] = with("theirs");
    deployment.live.configuration = hash(&deployment.configuration);
    let running = deployment.run(Play::default());
    let out = deployment.path("g");
    deployment
        .operator(&running, "genesis", &["--out", &out])
        .refused("measurement_mismatch");
    assert!(running.orders.lock().unwrap().is_empty());
}

#[test]
fn a_genesis_needs_a_configuration_file_with_operators_and_without_a_root_id() {
    let deployment = Deployment::new();
    let running = deployment.run(Play::default());
    let policy = deployment.path("policy.json");
    let out = deployment.path("g");
    let hold = |configuration: &str| {
        verify([
            "operator",
            "genesis",
            "--host",
            &running.server.url,
            "--policy",
            &policy,
            "--configuration",
            configuration,
            "--out",
            &out,
        ])
    };
    let hash = hash(&deployment.configuration).to_string();
    hold(&hash).not_judged("configuration_missing");
    let mut with = deployment.configuration.clone();
    with["root_id"] = json!("17".repeat(32));
    let file = deployment.files.write("with.json", with.to_string());
    hold(&file).not_judged("configuration");
    with["root_id"] = json!(null);
    with["operators"] = json!(null);
    let file = deployment.files.write("without.json", with.to_string());
    hold(&file).not_judged("configuration");
    let asked = |order: &OperatorRequest| matches!(order, OperatorRequest::Genesis { .. });
    assert!(!running.orders.lock().unwrap().iter().any(asked));
}

#[test]
fn k9_a_genesis_that_has_no_room_for_its_files_is_not_asked_for() {
    let deployment = Deployment::new();
    let running = deployment.run(Play::default());
    for name in [
        "genesis.json",
        "descriptor.bin",
        "wrapped.bin",
        "configuration.json",
        "approval.json",
    ] {
        let out = deployment.path(name.split('.').next().unwrap());
        std::fs::create_dir(&out).unwrap();
        std::fs::write(std::path::Path::new(&out).join(name), "{}").unwrap();
        let ran = deployment.operator(&running, "genesis", &["--out", &out]);
        ran.not_judged("cannot_write");
        assert!(running.orders.lock().unwrap().is_empty(), "{name}");
    }
    // A directory in which nobody makes files.
    let ran = deployment.operator(&running, "genesis", &["--out", "/proc"]);
    ran.not_judged("cannot_write");
    assert!(running.orders.lock().unwrap().is_empty());
}
