//! `openkey operator post-share`: to whom a share is given.

use openkey_cli::info;
use openkey_protocol::message::{Hash32, OperatorRequest, POST_SHARE_INFO, RootDescriptor, Sealed};
use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, Play, Running, boot_key, hash, share},
    harness::{Ran, verify, verify_stdin},
};

fn post(deployment: &Deployment, running: &Running, more: &[&str]) -> Ran {
    let (genesis, ben) = (
        deployment.path("g/genesis.json"),
        deployment.path("ben.key"),
    );
    let args = [&["--genesis", &genesis, "--key", &ben], more].concat();
    deployment.operator(running, "post-share", &args)
}

#[track_caller]
fn nothing_given(running: &Running) {
    assert!(running.orders.lock().unwrap().is_empty());
}

fn given(running: &Running) -> (u32, Sealed, u64) {
    match running.orders.lock().unwrap().as_slice() {
        [
            OperatorRequest::PostShare {
                operator,
                share,
                expires_at,
            },
        ] => (*operator, share.clone(), *expires_at),
        other => panic!("{other:?}"),
    }
}

#[test]
fn k3_a_share_reaches_the_attested_boot_key_alone() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let ran = post(&deployment, &running, &[]).accepted();
    assert!(ran.stdout.contains("1 of 2 shares"), "{ran:?}");
    let (place, sealed, expires_at) = given(&running);
    assert_eq!(place, 1);
    let ahead = expires_at - crate::harness::now().0;
    assert!(ahead <= openkey_cli::ORDER_LIFETIME, "{ahead}");
    let expiry = expires_at.to_be_bytes();
    let identity = deployment.live.identity.verifying_key().to_bytes();
    let root_id: Hash32 = deployment.root_id().parse().unwrap();
    let purpose = info(POST_SHARE_INFO, &[root_id.as_bytes(), &identity, &expiry]);
    assert_eq!(**boot_key().open(&purpose, &sealed).unwrap(), share(1)[..]);
    // For another boot with the same key it would not even open.
    let other = info(POST_SHARE_INFO, &[root_id.as_bytes(), &[0; 32], &expiry]);
    assert!(boot_key().open(&other, &sealed).is_err());
}

#[test]
fn k9_an_enclave_with_its_root_key_gets_no_share() {
    let mut deployment = Deployment::provisioned();
    deployment.live.root_source = Some(openkey_protocol::message::RootSource::Kms);
    let running = deployment.run(Play::default());
    post(&deployment, &running, &[]).refused("root_key_there");
    nothing_given(&running);
}

#[test]
fn f10_k9_an_enclave_with_another_configuration_gets_no_share() {
    let mut deployment = Deployment::provisioned();
    deployment.configuration["rp_name"] = json!("There");
    deployment.live.configuration = hash(&deployment.configuration);
    let running = deployment.run(Play::default());
    post(&deployment, &running, &[]).refused("measurement_mismatch");
    nothing_given(&running);
}

#[test]
fn f10_k9_an_enclave_over_a_strangers_root_key_gets_no_share() {
    let mut deployment = Deployment::provisioned();
    deployment.live.root_id = Some(Hash32([6; 32]));
    let running = deployment.run(Play::default());
    post(&deployment, &running, &[]).refused("root_id");
    nothing_given(&running);
}

#[test]
fn k9_a_strangers_genesis_is_refused_by_who_pins_the_root_id() {
    let ours = Deployment::provisioned();
    let theirs = Deployment::provisioned();
    // The same operators' keys, so that only the root id differs.
    let running = ours.run(Play::default());
    let genesis = theirs.path("g/genesis.json");
    let ben = ours.path("ben.key");
    let args = ["--genesis", &genesis, "--key", &ben];
    ours.operator(&running, "post-share", &args)
        .refused("root_id");
    let root_id = ours.root_id();
    let args = [&args[..], &["--root-id", &root_id]].concat();
    ours.operator(&running, "post-share", &args)
        .refused("root_id");
    nothing_given(&running);
}

#[test]
fn f10_k9_an_enclave_configured_for_other_operators_gets_no_share() {
    let mut deployment = Deployment::provisioned();
    // The right root id in a configuration that was not the genesis's, and that is measured.
    deployment.configuration["operators"]["threshold"] = json!(1);
    deployment.live.configuration = hash(&deployment.configuration);
    deployment.write_policy();
    let running = deployment.run(Play::default());
    post(&deployment, &running, &[]).refused("operators");
    nothing_given(&running);
}

#[test]
fn f10_a_share_is_given_for_one_root_id() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let other = "17".repeat(32);
    post(&deployment, &running, &["--root-id", &other]).not_judged("root_id");
    nothing_given(&running);
    // Whoever uses the library is told so, too.
    let genesis = openkey_cli::GenesisFile::read(&deployment.genesis_files()["genesis.json"]);
    let root_id = deployment.root_id().parse().unwrap();
    let ceremony = openkey_cli::Ceremony::pinned(&genesis.unwrap(), &root_id).unwrap();
    let held = |root_id: &str| {
        let mut configuration = deployment.configuration.clone();
        configuration["root_id"] = json!(root_id);
        let text = configuration.to_string();
        let configuration =
            openkey_verifier::configuration::Configuration::from_json(text.as_bytes());
        ceremony.check_configuration(&configuration.unwrap())
    };
    assert!(held(&deployment.root_id()).is_ok());
    assert_eq!(held(&other).unwrap_err().rule(), "configuration");
}

#[test]
fn k9_a_descriptor_with_another_commitment_is_another_root_id() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    // Wrapped key and commitment substituted together, everything else as it was, and the root id
    // computed anew: it fits together, and is not the pinned one.
    let genesis = openkey_cli::GenesisFile::read(&deployment.genesis_files()["genesis.json"]);
    let mut genesis = genesis.unwrap();
    let mut transcript = genesis.transcript.unverified().unwrap();
    let mut descriptor: RootDescriptor =
        openkey_protocol::cbor::decode(transcript.descriptor.as_slice()).unwrap();
    descriptor.commitment = Hash32([0xee; 32]);
    let bytes = openkey_protocol::cbor::encode(&descriptor).unwrap();
    transcript.root_id = openkey_cli::root_id(&bytes);
    transcript.descriptor = bytes.into();
    genesis.transcript = deployment.live.sign(&transcript);
    let text = openkey_cli::GenesisFile::new(&genesis).to_json();
    let file = deployment.files.write("substituted.json", text);
    let ben = deployment.path("ben.key");
    let args = ["--genesis", &file, "--key", &ben];
    deployment
        .operator(&running, "post-share", &args)
        .refused("root_id");
    nothing_given(&running);
}

#[test]
fn e7_a_stored_document_gets_no_share() {
    let deployment = Deployment::provisioned();
    let stored = deployment.live.document(&[1; 32]);
    let server = crate::harness::Server::new(move |asked| {
        use crate::harness::Answer;
        use openkey_protocol::message::{Bare, Evidence, Reply};
        if asked.path == "/api/v1/enclaves" {
            return Answer::json(&json!({
                "enclaves": [{ "id": "e1", "member": "m1", "ready": true }],
            }));
        }
        assert!(asked.path.ends_with("/evidence"), "{}", asked.path);
        let evidence = Evidence {
            document: stored.clone().into(),
        };
        let reply = Reply::Bare(Bare::Evidence(evidence));
        Answer::cbor(openkey_protocol::cbor::encode(&reply).unwrap())
    });
    let running = Running {
        server,
        orders: std::sync::Arc::default(),
    };
    post(&deployment, &running, &[]).refused("nonce_mismatch");
}

#[test]
fn p5_a_share_is_never_given_to_any_configuration() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let [genesis, ben, policy] =
        ["g/genesis.json", "ben.key", "policy.json"].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let base = [
        "operator",
        "post-share",
        "--host",
        &running.server.url,
        "--genesis",
        &genesis,
        "--key",
        &ben,
        "--root-id",
        &root_id,
    ];
    let with = |more: &[&str]| verify(base.iter().chain(more));
    with(&["--policy", &policy]).not_judged("configuration_missing");
    with(&["--policy", &policy, "--any-configuration"]).not_judged("configuration_missing");
    with(&["--any-measurement"]).not_judged("configuration_missing");
    nothing_given(&running);
    // A hash does not say under which release keys and delay the share would be used.
    let hash = hash(&deployment.configuration).to_string();
    with(&["--policy", &policy, "--configuration", &hash]).not_judged("configuration_missing");
    nothing_given(&running);
}

/// A policy file that accepts more than one image in one configuration, in every way that a file
/// can: what the flags cannot say either.
#[test]
fn p5_nothing_is_given_under_a_lax_policy_file() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let configuration = deployment.path("configuration.json");
    let text = std::fs::read_to_string(deployment.path("policy.json")).unwrap();
    let strict: Value = serde_json::from_str(&text).unwrap();
    let set = strict["measurements"][0].clone();
    let zeros = "00".repeat(48);
    let mut cases = vec![{
        let mut debug = strict.clone();
        debug["allow_debug"] = json!(true);
        ("debug_allowed", debug)
    }];
    for lax in [
        json!({ "8": "11".repeat(48) }),
        json!({ "1": set["1"] }),
        json!({ "0": zeros, "1": set["1"] }),
        json!({ "1": set["1"], "2": zeros }),
    ] {
        let (mut alone, mut beside) = (strict.clone(), strict.clone());
        alone["measurements"] = json!([lax.clone()]);
        beside["measurements"] = json!([set.clone(), lax]);
        cases.extend([("code_missing", alone), ("code_missing", beside)]);
    }
    for (rule, policy) in cases {
        let text = policy.to_string();
        let file = deployment.files.write("lax.json", &text);
        let (genesis, ben) = (
            deployment.path("g/genesis.json"),
            deployment.path("ben.key"),
        );
        let base = [
            "--host",
            &running.server.url,
            "--policy",
            &file,
            "--configuration",
            &configuration,
            "--key",
            &ben,
        ];
        let with = |command: &[&str]| {
            let all = [&["operator"], command, &base[..]].concat();
            verify_stdin(all, b"the secret")
        };
        let ran = with(&["post-share", "--genesis", &genesis]);
        ran.not_judged(rule);
        let ran = with(&["set-secret", "name"]);
        ran.not_judged(rule);
        assert!(running.orders.lock().unwrap().is_empty(), "{text}");
    }
}

#[test]
fn an_enclave_without_a_boot_key_gets_no_share() {
    let mut deployment = Deployment::provisioned();
    deployment.live.boot_key = None;
    let running = deployment.run(Play::default());
    post(&deployment, &running, &[]).refused("boot_key");
    nothing_given(&running);
}

#[test]
fn p2_an_older_release_gets_no_share_where_a_lowest_epoch_is_named() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    post(&deployment, &running, &["--min-epoch", "2"]).refused("epoch_too_old");
    nothing_given(&running);
}
