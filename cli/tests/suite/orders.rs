//! `openkey operator status`, `set-secret` and `upgrade`.

use openkey_cli::{ReleaseKey, info};
use openkey_protocol::message::{OperatorRequest, SECRET_INFO};
use openkey_verifier::release::{ReleaseFile, Text};
use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, Play, boot_key, hash},
    harness::verify,
};

#[test]
fn status_says_whose_word_it_is() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let alone = verify(["operator", "status", "--host", &running.server.url]).accepted();
    assert!(
        alone.stdout.contains("waiting for root key: 1 of 2 shares"),
        "{alone:?}"
    );
    assert!(alone.stdout.contains("host's word"), "{alone:?}");
    let with = deployment.operator(&running, "status", &[]).accepted();
    assert!(with.stdout.contains("evidence: accepted"), "{with:?}");
    let json = deployment
        .operator(&running, "status", &["--json"])
        .accepted()
        .json();
    assert_eq!(json["state"], "waiting");
    assert_eq!(json["evidence"]["binding"]["root_id"], deployment.root_id());
}

#[test]
fn k3_a_secret_is_sealed_to_the_attested_boot_key() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let cyd = deployment.path("cyd.key");
    let set = |name: &str, more: &[&str], secret: &[u8]| {
        let args = [&[name, "--key", &cyd], more].concat();
        deployment.operator_stdin(&running, "set-secret", &args, secret)
    };
    let ran = set("known", &[], b"hunter2\n").accepted();
    assert!(!ran.stdout.contains("hunter2"), "{ran:?}");
    set("new", &["--raw"], b"hunter2\n").accepted();
    let orders = running.orders.lock().unwrap().clone();
    for (order, version, secret) in [
        (&orders[0], 4, &b"hunter2"[..]),
        (&orders[1], 1, b"hunter2\n"),
    ] {
        let OperatorRequest::SetSecret { operator: 2, order } = order else {
            panic!("{order:?}")
        };
        let cyd = &deployment.keys[2].public().signing;
        let cyd = openkey_verifier::statement::IdentityKey::from_evidence_verified_earlier(&cyd.0);
        let order = cyd.unwrap().open(order).unwrap();
        assert_eq!(order.version, version);
        let identity = deployment.live.identity.verifying_key().to_bytes();
        assert_eq!(order.identity.0, identity);
        let opened = boot_key().open(&info(SECRET_INFO, &[&identity]), &order.secret);
        assert_eq!(opened.unwrap().as_slice(), secret);
    }
    set("empty", &[], b"\n").not_judged("secret_length");
    set("long", &[], &[b'x'; 4097]).not_judged("secret_length");
}

#[test]
fn f10_an_enclave_with_another_configuration_gets_no_secret() {
    let mut deployment = Deployment::provisioned();
    deployment.configuration["rp_name"] = json!("There");
    deployment.live.configuration = hash(&deployment.configuration);
    let running = deployment.run(Play::default());
    let ada = deployment.path("ada.key");
    deployment
        .operator_stdin(&running, "set-secret", &["name", "--key", &ada], b"x")
        .refused("measurement_mismatch");
    assert!(running.orders.lock().unwrap().is_empty());
}

#[test]
fn k9_a_strangers_key_under_an_operators_name_signs_no_secret() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let eve = deployment.path("eve.key");
    verify(["operator", "keygen", "--name", "ben", "--out", &eve]).accepted();
    deployment
        .operator_stdin(&running, "set-secret", &["name", "--key", &eve], b"x")
        .not_judged("not_an_operator");
    assert!(running.orders.lock().unwrap().is_empty());
}

fn manifest(epoch: u32, configuration: Value, signer: u8) -> String {
    manifest_until("2999-01-01T00:00:00Z", epoch, configuration, signer)
}

fn manifest_until(not_after: &str, epoch: u32, configuration: Value, signer: u8) -> String {
    let text: Text = serde_json::from_value(json!({
        "version": 1, "name": "openkey-enclave", "release": "2.0.0", "epoch": epoch,
        "source_commit": "0".repeat(40), "cargo_lock_sha256": "0".repeat(64), "toolchain": {},
        "measurements": { "0": "a".repeat(96), "1": "b".repeat(96), "2": "c".repeat(96) },
        "configuration": configuration, "page": null,
        "not_before": "2020-01-01T00:00:00Z", "not_after": not_after,
    }))
    .unwrap();
    let mut file = ReleaseFile::unsigned(text).unwrap();
    ReleaseKey::from_seed(&[signer; 32])
        .sign(&mut file)
        .unwrap();
    file.to_json().unwrap()
}

#[test]
fn e8_only_a_signed_successor_is_announced() {
    let mut deployment = Deployment::provisioned();
    let release = ReleaseKey::from_seed(&[3; 32]).public().to_string();
    deployment.configuration["release_keys"] = json!({ "threshold": 1, "keys": [release] });
    deployment.live.configuration = hash(&deployment.configuration);
    deployment.live.epoch = 2;
    deployment.write_policy();
    let running = deployment.run(Play::default());
    let upgrade = |text: String, more: &[&str]| {
        let file = deployment.files.write("manifest.json", text);
        let args = [&["--manifest", &file], more].concat();
        deployment.operator(&running, "upgrade", &args)
    };
    let configuration = json!("5".repeat(64));
    // Maintainers of another deployment, an older epoch, an image with any configuration.
    upgrade(manifest(3, configuration.clone(), 4), &[]).refused("release_signatures");
    upgrade(manifest(1, configuration.clone(), 3), &[]).refused("epoch_too_old");
    upgrade(manifest(3, Value::Null, 3), &[]).refused("configuration_missing");
    // One that is over.
    let over = manifest_until("2021-01-01T00:00:00Z", 3, configuration.clone(), 3);
    upgrade(over, &[]).refused("release_expired");
    assert!(running.orders.lock().unwrap().is_empty());
    let ran = upgrade(manifest(3, configuration.clone(), 3), &[]).accepted();
    assert!(ran.stdout.contains("allowed from"), "{ran:?}");
    let json = upgrade(manifest(3, configuration, 3), &["--wait", "--json"])
        .accepted()
        .json();
    assert_eq!(json["epoch"], 3);
    assert_eq!(running.orders.lock().unwrap().len(), 2);
}

#[test]
fn e8_an_enclave_that_lists_another_successor_did_not_take_this_one() {
    let mut deployment = Deployment::provisioned();
    let release = ReleaseKey::from_seed(&[3; 32]).public().to_string();
    deployment.configuration["release_keys"] = json!({ "threshold": 1, "keys": [release] });
    deployment.live.configuration = hash(&deployment.configuration);
    deployment.write_policy();
    let running = deployment.run(Play {
        lists_another: true,
        ..Play::default()
    });
    let text = manifest(3, json!("5".repeat(64)), 3);
    let file = deployment.files.write("manifest.json", text);
    deployment
        .operator(&running, "upgrade", &["--manifest", &file])
        .refused("upgrade");
}
