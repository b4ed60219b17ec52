//! Which configuration an operator gives anything under: the one they decided on.

use base64ct::{Base64, Encoding};
use openkey_cli::{Approval, ApprovedKeys, ConfigurationApproval, OperatorKey, ReleaseKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    deployment::{Deployment, Play, Running, hash},
    harness::{Ran, verify},
    orders::{manifest, manifest_until, released},
    support,
};

/// What a host would like: its own release keys, a delay of a second, one consent.
fn evil(configuration: &Value) -> Value {
    let mut evil = configuration.clone();
    let key = ReleaseKey::from_seed(&[66; 32]).public().to_string();
    evil["release_keys"] = json!({ "threshold": 1, "keys": [key] });
    evil["upgrade_delay_seconds"] = json!(1);
    evil["upgrade_consent"] = json!(1);
    evil
}

fn backup(deployment: &Deployment, out: &str) -> Value {
    let [dir, out, ada] = ["g", out, "ada.key"].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let args = ["--root-id", &root_id, "--key", &ada];
    let make = ["operator", "backup", "--dir", &dir, "--out", &out];
    verify(make.iter().chain(&args)).accepted();
    serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap()
}

fn restore(deployment: &Deployment, backup: &Value, key: &str) -> Ran {
    let file = deployment.files.write("restore.json", backup.to_string());
    let [again, key] = ["again", key].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let restore = ["operator", "restore", &file, "--dir", &again];
    let args = ["--root-id", &root_id, "--key", &key];
    verify(restore.iter().chain(&args))
}

fn put(backup: &mut Value, configuration: &Value) {
    let bytes = configuration.to_string();
    backup["files"]["configuration.json"] = json!({
        "sha256": hex::encode(Sha256::digest(&bytes)),
        "base64": Base64::encode_string(bytes.as_bytes()),
    });
}

#[test]
fn e8_k9_a_backup_with_a_hosts_configuration_is_refused() {
    let deployment = Deployment::provisioned();
    let good = backup(&deployment, "backup.json");
    // The right root id, and everything else that it does not name.
    let mut bad = good.clone();
    put(&mut bad, &evil(&deployment.configuration));
    restore(&deployment, &bad, "ada.key").refused("approval");
    // Nobody's word, or a word that was changed.
    let mut unsigned = bad.clone();
    unsigned["approval"] = Value::Null;
    restore(&deployment, &unsigned, "ada.key").refused("backup_unsigned");
    unsigned.as_object_mut().unwrap().remove("approval");
    restore(&deployment, &unsigned, "ada.key").refused("backup_unsigned");
    let body = bad["approval"]["body"].as_str().unwrap();
    let changed = body.replace(
        &hash(&deployment.configuration).to_string(),
        &hash(&evil(&deployment.configuration)).to_string(),
    );
    assert_ne!(body, changed);
    bad["approval"]["body"] = json!(changed);
    restore(&deployment, &bad, "ada.key").refused("approval_signature");
    // The word of another operator is not this one's.
    restore(&deployment, &good, "ben.key").refused("approval_signature");
    assert!(!deployment.files.path("again").exists());
    let ran = restore(&deployment, &good, "ada.key").accepted();
    for shown in ["release keys", "upgrade delay", "consents needed", "PCR16"] {
        assert!(ran.stdout.contains(shown), "{shown} in {ran:?}");
    }
}

#[test]
fn e8_k9_a_backup_is_made_of_what_was_approved() {
    let deployment = Deployment::provisioned();
    let [dir, out, ada, ben] =
        ["g", "backup.json", "ada.key", "ben.key"].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let make = |key: &str| {
        let args = ["--root-id", &root_id, "--key", key];
        let make = ["operator", "backup", "--dir", &dir, "--out", &out];
        verify(make.iter().chain(&args))
    };
    make(&ben).refused("approval_signature");
    let evil = evil(&deployment.configuration);
    deployment
        .files
        .write("g/configuration.json", evil.to_string());
    make(&ada).refused("approval");
    std::fs::remove_file(deployment.files.path("g/approval.json")).unwrap();
    make(&ada).not_judged("approval_missing");
}

fn post(deployment: &Deployment, running: &Running, approval: &str, more: &[&str]) -> Ran {
    let [genesis, ada] = ["g/genesis.json", "ada.key"].map(|name| deployment.path(name));
    let args = ["--genesis", &genesis, "--key", &ada, "--approval", approval];
    deployment.operator(running, "post-share", &[&args, more].concat())
}

#[test]
fn e9_k9_an_enclave_under_a_hosts_configuration_gets_nothing() {
    let mut deployment = Deployment::provisioned();
    let own = deployment.path("g/approval.json");
    // The enclave was booted with it, and the operator holds the file that the host made.
    deployment.configuration = evil(&deployment.configuration);
    deployment.live.configuration = hash(&deployment.configuration);
    deployment.write_policy();
    let running = deployment.run(Play::default());
    post(&deployment, &running, &own, &[]).refused("approval");
    let ada = deployment.path("ada.key");
    let text = manifest(3, deployment.named(), 66);
    let file = deployment.files.write("manifest.json", text);
    let args = ["--key", &ada, "--approval", &own];
    let secret = [&["oidc"][..], &args].concat();
    deployment
        .operator_stdin(&running, "set-secret", &secret, b"x")
        .refused("approval");
    let consent = [&["--manifest", &file, "--yes"][..], &args].concat();
    deployment
        .operator(&running, "consent", &consent)
        .refused("approval");
    // Beside the file, where the command looks unless it is told, there is none.
    let beside = deployment.path("nowhere.json");
    post(&deployment, &running, &beside, &[]).not_judged("approval_missing");
    // Another operator's word on it does not count.
    let bens = deployment.approve(&deployment.keys[1], &deployment.configuration);
    post(&deployment, &running, &bens, &[]).refused("approval_signature");
    assert!(running.orders.lock().unwrap().is_empty());
}

#[test]
fn e8_a_withdrawal_under_a_hosts_configuration_is_sent_and_never_confirmed() {
    let mut deployment = released();
    let running = deployment.run(Play::default());
    let file = crate::orders::announced(&deployment, &running);
    let ada = deployment.path("ada.key");
    let key = ["--manifest", &file, "--key", &ada].map(str::to_owned);
    let with = |more: &[&str]| -> Vec<String> {
        let more = more.iter().map(|it| (*it).to_owned());
        key.iter().cloned().chain(more).collect()
    };
    let run = |deployment: &Deployment, running: &Running, command: &str, more: &[&str]| {
        let args = with(more);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        deployment.operator(running, command, &args)
    };
    run(&deployment, &running, "consent", &["--yes"]).accepted();
    let boot = hex::encode(deployment.live.identity.verifying_key().to_bytes());
    let own = deployment.approve(&deployment.keys[0], &deployment.configuration);
    let own = std::fs::read_to_string(own).unwrap();
    let own = deployment.files.write("own.json", own);
    let approved = ["--json", "--approval", own.as_str()];
    run(&deployment, &running, "withdraw", &approved).accepted();
    let nowhere = deployment.path("nowhere.json");
    let missing = ["--json", "--approval", nowhere.as_str()];
    run(&deployment, &running, "withdraw", &missing).unproven("approval_missing");

    // The same root key under what the host would like, and a root key of the host's own.
    let root_id = deployment.root_id();
    for (root, elsewhere) in [(root_id, false), ("17".repeat(32), true)] {
        deployment.configuration = evil(&deployment.configuration);
        deployment.configuration["root_id"] = json!(root);
        deployment.live.configuration = hash(&deployment.configuration);
        deployment.live.root_id = Some(root.parse().unwrap());
        deployment.write_policy();
        let running = deployment.run(Play::default());
        let ran = run(&deployment, &running, "withdraw", &approved).unproven("approval");
        assert_eq!(running.orders.lock().unwrap().len(), 1, "it is sent");
        assert!(ran.stderr.contains("is sent nevertheless"), "{ran:?}");
        let json = ran.json();
        assert_eq!(json["verdict"], "unproven");
        assert_eq!(json["enclaves"][0]["withdrawn"], true);
        // The boot that was consented to is named, whatever root key is asked about.
        let named = ran.stderr.contains("consent_elsewhere") && ran.stderr.contains(&boot);
        assert_eq!(named, elsewhere, "{ran:?}");
        // An approval of this configuration makes no proof for the other root key either.
        if elsewhere {
            let ran = run(&deployment, &running, "withdraw", &["--json"]);
            ran.unproven("consent_elsewhere");
        }
    }
}

#[test]
fn e8_a_release_of_the_approved_keys_names_another_configuration() {
    let mut deployment = released();
    let own = deployment.approve(&deployment.keys[0], &deployment.configuration);
    deployment.configuration["upgrade_delay_seconds"] = json!(7);
    deployment.live.configuration = hash(&deployment.configuration);
    deployment.write_policy();
    let running = deployment.run(Play::default());
    let named = json!(deployment.live.configuration.to_string());
    let by = |text: String| {
        let file = deployment.files.write("release.json", text);
        post(&deployment, &running, &own, &["--named-by", &file])
    };
    by(manifest(3, named.clone(), 66)).refused("release_signatures");
    by(manifest(3, json!("5".repeat(64)), 3)).refused("approval_release");
    by(manifest_until("2021-01-01T00:00:00Z", 3, named.clone(), 3)).refused("release_expired");
    assert!(running.orders.lock().unwrap().is_empty());
    let ran = by(manifest(3, named, 3)).accepted();
    assert!(ran.stdout.contains("7 seconds"), "{ran:?}");
}

#[test]
fn the_approval_of_the_vector_is_made_and_read() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/approval.json");
    let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let seed: [u8; 32] = hex::decode(vector["seed"].as_str().unwrap())
        .unwrap()
        .try_into()
        .unwrap();
    let key = OperatorKey::from_seed("ada", seed.into()).unwrap();
    let member = |name: &str| vector[name].as_str().unwrap().parse().unwrap();
    let content = ConfigurationApproval {
        root_id: member("root_id"),
        genesis: member("genesis"),
        configuration: member("configuration"),
        release_keys: Some(ApprovedKeys {
            threshold: 1,
            keys: vec![vector["release_key"].as_str().unwrap().parse().unwrap()],
        }),
    };
    let signed = key.sign(&content).unwrap();
    let approval = json!({
        "body": hex::encode(&signed.body), "signature": hex::encode(&signed.signature),
    });
    let mut made = vector.clone();
    made["signing"] = json!(key.public().signing.to_string());
    made["file"] = json!({ "version": 1, "approval": approval });
    if std::env::var_os("OPENKEY_BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    assert_eq!(made, vector, "OPENKEY_BLESS=1 writes it anew");
    let read = |file: &Value| {
        Approval::from_json(file.to_string().as_bytes(), &key.public().signing)
            .map(|approval| approval.content().clone())
            .map_err(|error| error.rule())
    };
    assert_eq!(read(&made["file"]), Ok(content));
    for (member, value, rule) in [
        ("/version", json!(2), "approval_file"),
        ("/approval/body", json!("a0"), "approval_signature"),
        ("/approval/signature", json!("zz"), "approval_file"),
        ("/approval/signature", json!("00"), "approval_signature"),
    ] {
        let mut bad = made["file"].clone();
        *bad.pointer_mut(member).unwrap() = value;
        assert_eq!(read(&bad), Err(rule), "{member}");
    }
}

#[test]
fn e8_an_approval_is_given_after_a_look() {
    let deployment = Deployment::provisioned();
    let configuration = deployment.path("configuration.json");
    let [genesis, ben, out] =
        ["g/genesis.json", "ben.key", "ben.json"].map(|name| deployment.path(name));
    let approve = |configuration: &str, more: &[&str]| {
        support::approve(&genesis, &ben, configuration, &out, more)
    };
    let ran = approve(&configuration, &[]);
    assert!(ran.stdout.contains("upgrade delay"), "{ran:?}");
    assert!(ran.stderr.starts_with("error: not_confirmed: "), "{ran:?}");
    assert!(!deployment.files.path("ben.json").exists());
    // Of another root key, or of other operators.
    let mut other = deployment.configuration.clone();
    other["root_id"] = json!("17".repeat(32));
    let file = deployment.files.write("other.json", other.to_string());
    approve(&file, &["--yes"]).refused("root_id");
    other = deployment.configuration.clone();
    other["operators"]["threshold"] = json!(1);
    let file = deployment.files.write("other.json", other.to_string());
    approve(&file, &["--yes"]).refused("operators");
    approve(&configuration, &["--yes"]).accepted();
    let running = deployment.run(Play::default());
    let args = ["--genesis", &genesis, "--key", &ben, "--approval", &out];
    let ran = deployment.operator(&running, "post-share", &args);
    let ran = ran.accepted();
    assert!(ran.stdout.contains("86400 seconds"), "{ran:?}");
}

/// Every text and number of a JSON value, but for the members with this name.
fn leaves(value: &Value, but: &str) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(|it| leaves(it, but)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != but)
            .flat_map(|(_, it)| leaves(it, but))
            .collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

#[test]
fn k1_k9_everything_that_an_approval_covers_is_shown() {
    let mut deployment = Deployment::provisioned_with_kms();
    let key = ReleaseKey::from_seed(&[3; 32]).public().to_string();
    for (member, value) in [
        ("rp_name", json!("A name of its own")),
        (
            "origins",
            json!(["http://localhost:7100", "http://localhost:7199"]),
        ),
        ("identity_providers", json!(["login.example", "id.example"])),
        ("release_keys", json!({ "threshold": 1, "keys": [key] })),
        ("root_sources", json!(["kms", "operators", "hand_over"])),
        ("upgrade_delay_seconds", json!(86_407)),
        ("upgrade_consent", json!(3)),
    ] {
        deployment.configuration[member] = value;
    }
    deployment.configuration["kms"]["tls_root"] = json!(Base64::encode_string(b"a root of TLS"));
    // As many members as there are: a new one belongs into this test.
    assert_eq!(deployment.configuration.as_object().unwrap().len(), 11);
    let file = deployment
        .files
        .write("all.json", deployment.configuration.to_string());
    let [genesis, ben, out] =
        ["g/genesis.json", "ben.key", "ben.json"].map(|name| deployment.path(name));
    let approve = |more: &[&str]| support::approve(&genesis, &ben, &file, &out, more);
    let shown = approve(&[]).stdout;
    // Nobody approves a proof of possession: the file is read only with good ones.
    for leaf in leaves(&deployment.configuration, "proof") {
        assert!(shown.contains(&leaf), "{leaf} in {shown}");
    }
    let ran = approve(&["--yes", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut json = ran.json()["configuration"].clone();
    for member in ["sha256", "pcr"] {
        assert!(json.as_object_mut().unwrap().remove(member).is_some());
    }
    let mut given = deployment.configuration.clone();
    for operator in given["operators"]["keys"].as_array_mut().unwrap() {
        operator.as_object_mut().unwrap().remove("proof");
    }
    assert_eq!(json, given);
    // Where stdout gets the JSON, stderr shows it to whoever looks on.
    for leaf in leaves(&given, "proof") {
        assert!(ran.stderr.contains(&leaf), "{leaf} in {ran:?}");
    }
}
