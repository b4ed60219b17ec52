//! `openkey operator status`, `set-secret` and `upgrade`.

use openkey_cli::{ReleaseKey, info};
use openkey_protocol::message::{Hash32, OperatorRequest, SECRET_INFO};
use openkey_verifier::release::{ReleaseFile, Text};
use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, Play, Running, boot_key, hash},
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
        (&orders[0], 4u64, &b"hunter2"[..]),
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
        let root_id: Hash32 = deployment.root_id().parse().unwrap();
        let bound: [&[u8]; 6] = [
            root_id.as_bytes(),
            &identity,
            &2u32.to_be_bytes(),
            &version.to_be_bytes(),
            &order.expires_at.to_be_bytes(),
            order.name.as_bytes(),
        ];
        let opened = boot_key().open(&info(SECRET_INFO, &bound), &order.secret);
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

pub(crate) fn manifest(epoch: u32, configuration: Value, signer: u8) -> String {
    manifest_until("2999-01-01T00:00:00Z", epoch, configuration, signer)
}

pub(crate) fn manifest_until(
    not_after: &str,
    epoch: u32,
    configuration: Value,
    signer: u8,
) -> String {
    manifest_of("openkey-enclave", not_after, epoch, configuration, signer)
}

fn manifest_of(
    name: &str,
    not_after: &str,
    epoch: u32,
    configuration: Value,
    signer: u8,
) -> String {
    let measured = ["a", "b", "c"].map(|digit| digit.repeat(96));
    manifest_measuring(measured, (name, not_after, epoch), configuration, signer)
}

pub(crate) fn manifest_measuring(
    [zero, one, two]: [String; 3],
    (name, not_after, epoch): (&str, &str, u32),
    configuration: Value,
    signer: u8,
) -> String {
    let text: Text = serde_json::from_value(json!({
        "version": 1, "name": name, "release": "2.0.0", "epoch": epoch,
        "source_commit": "0".repeat(40), "cargo_lock_sha256": "0".repeat(64), "toolchain": {},
        "measurements": { "0": zero, "1": one, "2": two },
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

/// A deployment of epoch 2 with one maintainer, seed 3.
pub(crate) fn released() -> Deployment {
    let mut deployment = Deployment::provisioned();
    let release = ReleaseKey::from_seed(&[3; 32]).public().to_string();
    deployment.configuration["release_keys"] = json!({ "threshold": 1, "keys": [release] });
    deployment.live.configuration = hash(&deployment.configuration);
    deployment.live.epoch = 2;
    deployment.write_policy();
    deployment
}

#[test]
fn e8_only_a_signed_successor_is_announced() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let upgrade = |text: String, more: &[&str]| {
        let file = deployment.files.write("manifest.json", text);
        let args = [&["--manifest", &file], more].concat();
        deployment.operator(&running, "upgrade", &args)
    };
    let configuration = deployment.named();
    // Maintainers of another deployment, an older epoch, an image with any configuration.
    upgrade(manifest(3, configuration.clone(), 4), &[]).refused("release_signatures");
    upgrade(manifest(1, configuration.clone(), 3), &[]).refused("epoch_too_old");
    upgrade(manifest(3, Value::Null, 3), &[]).refused("configuration_missing");
    upgrade("{}".into(), &[]).refused("release_file_malformed");
    upgrade("x".repeat(70_000), &[]).refused("release_file_too_long");
    // Another program of the same maintainers.
    let other = manifest_of(
        "openkey-node",
        "2999-01-01T00:00:00Z",
        3,
        configuration.clone(),
        3,
    );
    upgrade(other, &[]).refused("release_program");
    // One that is over.
    let over = manifest_until("2021-01-01T00:00:00Z", 3, configuration.clone(), 3);
    upgrade(over, &[]).refused("release_expired");
    assert!(running.orders.lock().unwrap().is_empty());
    let ran = upgrade(manifest(3, configuration.clone(), 3), &[]).accepted();
    assert!(ran.stdout.contains("allowed from"), "{ran:?}");
    // With --wait it ends once the delay has ended and an operator has consented.
    let file = deployment.path("manifest.json");
    let consenting = || {
        let ada = deployment.path("ada.key");
        let args = ["--manifest", &file, "--key", &ada, "--yes"];
        deployment.operator(&running, "consent", &args).accepted();
    };
    let json = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| upgrade(manifest(3, configuration, 3), &["--wait", "--json"]));
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert!(!waiting.is_finished(), "without a consent");
        consenting();
        let ran = waiting.join().unwrap();
        assert!(ran.stderr.contains("0 of 1 have consented"), "{ran:?}");
        ran.json()
    });
    assert_eq!(json["epoch"], 3);
    assert_eq!(json["consents"], json!([0]));
    assert_eq!(running.orders.lock().unwrap().len(), 3);
}

#[test]
fn e8_an_enclave_that_lists_another_successor_did_not_take_this_one() {
    let deployment = released();
    let running = deployment.run(Play {
        lists_another: true,
        ..Play::default()
    });
    let text = manifest(3, deployment.named(), 3);
    let file = deployment.files.write("manifest.json", text);
    let ran = deployment.operator(&running, "upgrade", &["--manifest", &file]);
    let ran = ran.unproven("upgrade");
    assert!(ran.stderr.contains(&running.server.url), "{ran:?}");
}

/// Announces a successor, and gives the file of its manifest.
pub(crate) fn announced(deployment: &Deployment, running: &Running) -> String {
    let text = manifest(3, deployment.named(), 3);
    let file = deployment.files.write("manifest.json", text);
    let args = ["--manifest", &file];
    deployment.operator(running, "upgrade", &args).accepted();
    running.orders.lock().unwrap().clear();
    file
}

#[test]
fn e8_a_consent_is_given_after_a_look_and_for_what_was_shown() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let (ben, eve) = (deployment.path("ben.key"), deployment.path("eve.key"));
    verify(["operator", "keygen", "--name", "ben", "--out", &eve]).accepted();
    let consent = |key: &str, file: &str, more: &[&str]| {
        let args = [&["--manifest", file, "--key", key], more].concat();
        deployment.operator(&running, "consent", &args)
    };
    // A stranger's key, a manifest that nobody announced, and nobody who said yes.
    consent(&eve, &file, &["--yes"]).not_judged("not_an_operator");
    let other = manifest(4, deployment.named(), 3);
    let other = deployment.files.write("other.json", other);
    consent(&ben, &other, &["--yes"]).refused("upgrade");
    let ran = consent(&ben, &file, &[]);
    assert!(ran.stdout.contains("0 of 1 consents"), "{ran:?}");
    assert!(ran.stderr.starts_with("error: not_confirmed: "), "{ran:?}");
    assert!(running.orders.lock().unwrap().is_empty());

    let ran = consent(&ben, &file, &["--yes"]).accepted();
    assert!(ran.stdout.contains("evidence accepted"), "{ran:?}");
    let orders = running.orders.lock().unwrap().clone();
    let [
        OperatorRequest::Consent {
            operator: 1,
            consent,
        },
    ] = orders.as_slice()
    else {
        panic!("{orders:?}")
    };
    let ben = &deployment.keys[1].public().signing;
    let ben = openkey_verifier::statement::IdentityKey::from_evidence_verified_earlier(&ben.0);
    let consent = ben.unwrap().open(consent).unwrap();
    assert_eq!(consent.root_id.to_string(), deployment.root_id());
    let identity = deployment.live.identity.verifying_key().to_bytes();
    assert_eq!(consent.identity.0, identity);
    let state = deployment.operator(&running, "status", &["--json"]);
    let state = state.accepted().json();
    assert_eq!(
        state["upgrades"][0]["announced_at_ms"],
        consent.announced_at
    );
    assert_eq!(
        state["upgrades"][0]["manifest_sha256"],
        consent.manifest.to_string()
    );
    assert_eq!(state["upgrades"][0]["consents"], json!([1]));
}

#[test]
fn e8_a_list_that_a_host_hides_keeps_operators_from_consenting() {
    let deployment = released();
    let ada = deployment.path("ada.key");
    for (play, rule) in [
        (
            Play {
                unknown: true,
                ..Play::default()
            },
            "successors_unknown",
        ),
        (
            Play {
                hides: true,
                ..Play::default()
            },
            "successors_differ",
        ),
    ] {
        let running = deployment.run(play);
        let text = manifest(3, deployment.named(), 3);
        let file = deployment.files.write("manifest.json", text);
        // With a host that hides the list the announcement cannot be seen either.
        let upgrade = ["--manifest", &file];
        let _ = deployment.operator(&running, "upgrade", &upgrade);
        running.orders.lock().unwrap().clear();
        let consent = ["--manifest", &file, "--key", &ada, "--yes"];
        deployment
            .operator(&running, "consent", &consent)
            .refused(rule);
        assert!(running.orders.lock().unwrap().is_empty());
    }
}

#[test]
fn e8_a_withdrawal_is_confirmed_by_evidence() {
    let deployment = released();
    let ada = deployment.path("ada.key");
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let withdraw = |running: &Running, manifest: &str| {
        let args = ["--manifest", manifest, "--key", &ada, "--json"];
        deployment.operator(running, "withdraw", &args)
    };
    let json = withdraw(&running, &file).accepted().json();
    assert_eq!(json["enclaves"][0]["withdrawn"], true);
    let orders = running.orders.lock().unwrap().clone();
    let [
        OperatorRequest::Withdraw {
            operator: 0,
            withdrawal,
        },
    ] = orders.as_slice()
    else {
        panic!("{orders:?}")
    };
    let hash = withdrawal.unverified().unwrap().manifest;
    assert_eq!(json["manifest_sha256"], hash.to_string());
    // By the hash that a status shows, also where nobody announced it.
    withdraw(&running, &hash.to_string()).accepted();

    let running = deployment.run(Play {
        ignores_withdrawals: true,
        ..Play::default()
    });
    announced(&deployment, &running);
    let ran = withdraw(&running, &file).unproven("withdrawal");
    assert!(ran.stderr.contains("until 20"), "{ran:?}");
    // The host adds it to the status: the evidence names another list.
    let running = deployment.run(Play {
        ignores_withdrawals: true,
        claims_withdrawals: true,
        ..Play::default()
    });
    announced(&deployment, &running);
    withdraw(&running, &file).unproven("successors_differ");
    // It holds, and the store hides the list from the enclave: a restart would forget it.
    let running = deployment.run(Play {
        unknown: true,
        ..Play::default()
    });
    withdraw(&running, &file).unproven("successors_unknown");
}

#[test]
fn e8_a_manifest_that_is_only_absent_was_not_withdrawn() {
    let deployment = released();
    let ada = deployment.path("ada.key");
    let text = manifest(3, deployment.named(), 3);
    let file = deployment.files.write("manifest.json", text);
    let withdraw = |play: Play| {
        let running = deployment.run(play);
        let args = ["--manifest", &file, "--key", &ada, "--yes", "--json"];
        deployment.operator(&running, "withdraw", &args)
    };
    let ignores = Play {
        ignores_withdrawals: true,
        ..Play::default()
    };
    // An enclave that was started over records of before the announcement lists nothing.
    withdraw(ignores).unproven("withdrawal");
    // Another enclave of the same image and configuration, whose evidence is as genuine.
    let another = Play {
        shows_another: true,
        ..ignores
    };
    withdraw(another).unproven("withdrawal");
    // The enclave's own evidence of before.
    let earlier = Play {
        shows_earlier: true,
        ..Play::default()
    };
    withdraw(earlier).unproven("nonce_mismatch");
    let json = withdraw(Play::default()).accepted().json();
    let identity = deployment.live.identity.verifying_key().to_bytes();
    assert_eq!(json["enclaves"][0]["identity"], hex::encode(identity));
}

#[test]
fn k3_a_secret_was_kept_if_the_signed_answer_names_its_version() {
    let deployment = Deployment::provisioned();
    let cyd = deployment.path("cyd.key");
    let running = deployment.run(Play {
        ignores_secrets: true,
        ..Play::default()
    });
    for name in ["known", "new"] {
        deployment
            .operator_stdin(&running, "set-secret", &[name, "--key", &cyd], b"x")
            .unproven("secret");
    }
}
