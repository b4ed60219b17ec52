//! What commands refuse before anything is sent, and what they say to do.

use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, Play, pcr},
    harness::verify,
    support,
};

#[test]
fn k9_a_strangers_key_spends_no_genesis() {
    let deployment = Deployment::new();
    let running = deployment.run(Play::default());
    let (out, eve) = (deployment.path("g"), deployment.path("eve.key"));
    verify(["operator", "keygen", "--name", "ben", "--out", &eve]).accepted();
    deployment
        .operator(&running, "genesis", &["--out", &out, "--key", &eve])
        .refused("not_an_operator");
    assert_eq!(running.server.requests(), 0);
    assert!(!deployment.files.path("g").exists());
}

#[test]
fn k9_what_comes_after_a_genesis_works_as_it_is_written() {
    let deployment = Deployment::new();
    let running = deployment.run(Play::default());
    let out = deployment.path("g");
    let ran = deployment.operator(&running, "genesis", &["--out", &out]);
    let said = ran.accepted().stdout;
    let configuration = deployment.path("configuration.json");
    for words in [
        format!("check-genesis` with --configuration {configuration}"),
        format!("approve` with --configuration {out}/configuration.json"),
        "--key FILE --out FILE`".to_owned(),
    ] {
        assert!(said.contains(&words), "{words} in {said}");
    }
}

#[test]
fn k3_a_name_that_no_enclave_takes_is_not_asked_about() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let ada = deployment.path("ada.key");
    for name in ["Name", "a b", "", "é", &"a".repeat(65)] {
        let args = [name, "--key", &ada];
        let ran = deployment.operator_stdin(&running, "set-secret", &args, b"x");
        assert!(ran.stderr.contains("1 to 64 of a-z 0-9 . _ -"), "{ran:?}");
        ran.not_judged_usage();
    }
    assert_eq!(running.server.requests(), 0);
}

#[test]
fn e8_another_operators_approval_is_named_with_what_to_do() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    // Genesis wrote ada's beside the configuration.
    let [genesis, ben, configuration, theirs, own] = [
        "g/genesis.json",
        "ben.key",
        "g/configuration.json",
        "g/approval.json",
        "ben.json",
    ]
    .map(|name| deployment.path(name));
    let policy = deployment.path("policy.json");
    let post = |more: &[&str]| {
        let base = [
            "operator",
            "post-share",
            "--host",
            &running.server.url,
            "--policy",
            &policy,
            "--configuration",
            &configuration,
            "--genesis",
            &genesis,
            "--key",
            &ben,
        ];
        verify(base.iter().chain(more))
    };
    let ran = post(&[]).refused("approval_signature");
    for words in [theirs.as_str(), "--out", "--approval"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    // Nobody is asked for what cannot be written.
    let ran = support::approve(&genesis, &ben, &configuration, &theirs, &[]);
    let ran = ran.not_judged("cannot_write");
    for words in [theirs.as_str(), "--out", "--approval"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    for _ in 0..2 {
        support::approve(&genesis, &ben, &configuration, &own, &["--yes"]).accepted();
    }
    post(&["--approval", &own]).accepted();
}

#[test]
fn e8_a_policy_of_before_the_restart_is_named_beside_the_configuration() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let [genesis, ada, policy, configuration] = [
        "g/genesis.json",
        "ada.key",
        "policy.json",
        "configuration.json",
    ]
    .map(|name| deployment.path(name));
    let mut before = deployment.configuration.clone();
    before.as_object_mut().unwrap().remove("root_id");
    let text = std::fs::read_to_string(&policy).unwrap();
    let mut text: Value = serde_json::from_str(&text).unwrap();
    text["measurements"][0]["16"] = json!(pcr(&before));
    deployment.files.write("policy.json", text.to_string());
    let args = ["--genesis", &genesis, "--key", &ada];
    let ran = deployment.operator(&running, "post-share", &args);
    let ran = ran.not_judged("configuration_mismatch");
    for words in [policy.as_str(), &configuration, "boot again first"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
}

#[test]
fn p5_no_command_offers_a_flag_that_it_does_not_take() {
    let deployment = Deployment::provisioned();
    let [genesis, ada, configuration] =
        ["g/genesis.json", "ada.key", "configuration.json"].map(|name| deployment.path(name));
    for command in [
        "genesis",
        "check-genesis",
        "post-share",
        "set-secret",
        "upgrade",
        "consent",
        "withdraw",
    ] {
        let help = verify(["operator", command, "--help"]).accepted().stdout;
        assert!(!help.contains("--any-"), "{command} {help}");
    }
    let help = verify(["operator", "status", "--help"]).accepted().stdout;
    assert!(help.contains("--any-measurement"), "{help}");
    let base = [
        "operator",
        "post-share",
        "--host",
        "http://localhost:1",
        "--configuration",
        &configuration,
        "--genesis",
        &genesis,
        "--key",
        &ada,
    ];
    let ran = verify(base).not_judged("no_policy");
    assert!(!ran.stderr.contains("--any-"), "{ran:?}");
}

#[test]
fn what_is_no_key_is_named_before_its_mode_is_blamed() {
    let deployment = Deployment::provisioned();
    let configuration = deployment.path("configuration.json");
    let ran = verify(["operator", "entry", "--key", &configuration]).not_judged("key_file");
    assert!(ran.stderr.contains(&configuration), "{ran:?}");
    let nowhere = deployment.path("no/such/file");
    let ran = verify(["operator", "keygen", "--name", "a", "--out", &nowhere]);
    let ran = ran.not_judged("cannot_write");
    assert!(!ran.stderr.contains("os error"), "{ran:?}");
}

#[test]
fn f1_a_simulators_document_is_refused_with_what_to_do() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play::default());
    let pcr0 = format!("0={}", hex::encode(crate::enclaves::PCRS[0]));
    let base = ["operator", "status", "--host", &running.server.url];
    let flags = ["--pcr", &pcr0, "--any-configuration"];
    let ran = verify(base.iter().chain(&flags)).refused("simulator_document");
    assert!(ran.stderr.contains("--policy FILE"), "{ran:?}");
}
