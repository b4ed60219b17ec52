//! What enclaves say of withdrawn manifests, for whoever consents or withdraws.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, Play, Running},
    harness::{Answer, Ran, verify},
    orders::{announced, manifest, released},
    outcomes::withdraw,
    support::done,
};

fn consent(deployment: &Deployment, hosts: &[&str], more: &[&str]) -> Ran {
    let [policy, configuration, ben] =
        ["policy.json", "configuration.json", "ben.key"].map(|name| deployment.path(name));
    let approval = deployment.approve(&deployment.keys[1], &deployment.configuration);
    let mut args = vec![
        "operator",
        "consent",
        "--approval",
        &approval,
        "--key",
        &ben,
    ];
    for host in hosts {
        args.extend(["--host", host]);
    }
    args.extend(["--policy", &policy, "--configuration", &configuration]);
    args.extend(more);
    verify(args)
}

fn two(deployment: &Deployment) -> [Running; 2] {
    [(); 2].map(|()| deployment.run(Play::default()))
}

fn urls(running: &[Running]) -> Vec<&str> {
    running.iter().map(|it| it.server.url.as_str()).collect()
}

#[test]
fn e8_nobody_consents_to_what_an_asked_enclave_names_as_withdrawn() {
    let deployment = released();
    let running = two(&deployment);
    let file = announced(&deployment, &running[0]);
    announced(&deployment, &running[1]);
    let args = ["--manifest", file.as_str()];
    withdraw(&deployment, &[&running[1].server.url], &args).accepted();
    running[1].orders.lock().unwrap().clear();
    let args = ["--manifest", &file, "--yes"];
    let ran = consent(&deployment, &urls(&running), &args).refused("withdrawn");
    assert!(ran.stdout.contains("WITHDRAWN here"), "{ran:?}");
    let args = ["--manifest", &file, "--yes", "--json"];
    let ran = consent(&deployment, &urls(&running), &args);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.json()["rule"], "withdrawn");
    for one in &running {
        assert!(one.orders.lock().unwrap().is_empty());
    }
    assert!(!deployment.files.path("ben.key.consents.json").exists());
}

#[test]
fn e8_every_asked_enclave_stands_in_the_look_and_in_the_report() {
    let deployment = released();
    let running = two(&deployment);
    let file = announced(&deployment, &running[1]);
    let args = ["--manifest", &file, "--yes"];
    let ran = consent(&deployment, &urls(&running), &args).accepted();
    for shown in [
        "none waits for the root key",
        "does not wait here",
        "waits here",
    ] {
        assert!(ran.stdout.contains(shown), "{shown} in {ran:?}");
    }
    assert!(ran.stdout.contains("NOTHING GIVEN"), "{ran:?}");
    assert!(running[0].orders.lock().unwrap().is_empty());
    let args = ["--manifest", &file, "--yes", "--json"];
    let json = done(consent(&deployment, &urls(&running), &args)).json();
    assert_eq!(json["enclaves"][0]["consented"], true);
    assert_eq!(json["enclaves"][1]["consented"], false);
    assert_eq!(json["enclaves"][1]["says"], "not_waiting");
}

fn waiting(json: &Value, enclave: usize) -> Vec<String> {
    let list = json["enclaves"][enclave]["waiting"].as_array().unwrap();
    list.iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn e8_a_withdrawal_says_what_still_waits() {
    let deployment = released();
    let running = two(&deployment);
    let file = announced(&deployment, &running[0]);
    // The same release again, as a host announces it under another manifest.
    let other = manifest(4, deployment.named(), 3);
    let other = deployment.files.write("other.json", other);
    let args = ["--manifest", other.as_str()];
    deployment
        .operator(&running[0], "upgrade", &args)
        .accepted();
    let args = ["--manifest", &file, "--json"];
    let json = withdraw(&deployment, &urls(&running), &args)
        .accepted()
        .json();
    assert_eq!(json["known"], true);
    let left = waiting(&json, 0);
    assert_eq!((left.len(), waiting(&json, 1).len()), (1, 0));
    assert_ne!(json["manifest_sha256"], left[0]);
    let ran = withdraw(&deployment, &urls(&running), &args[..2]).accepted();
    assert!(ran.stdout.contains("STILL WAITS"), "{ran:?}");
    assert!(ran.stdout.contains(&left[0]), "{ran:?}");
}

#[test]
fn e8_a_manifest_that_no_enclave_knows_is_withdrawn_on_purpose() {
    let deployment = released();
    let running = two(&deployment);
    let wrong = "5a".repeat(32);
    for more in [&[][..], &["--json"]] {
        let args = [&["--manifest", wrong.as_str()], more].concat();
        let ran = withdraw(&deployment, &urls(&running), &args);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("error: not_confirmed: "), "{ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("no asked enclave knew this manifest"),
            "{ran:?}"
        );
        for one in &running {
            assert!(one.orders.lock().unwrap().is_empty());
        }
    }
    let args = ["--manifest", &wrong, "--yes"];
    let ran = withdraw(&deployment, &urls(&running), &args).accepted();
    assert!(
        ran.stdout.contains("no asked enclave knew this manifest"),
        "{ran:?}"
    );
    // Now they do.
    let args = ["--manifest", &wrong, "--json"];
    let json = withdraw(&deployment, &urls(&running), &args)
        .accepted()
        .json();
    assert_eq!(json["known"], true);
}

#[test]
fn e8_a_signed_refusal_of_a_withdrawal_is_the_enclaves_own() {
    let deployment = released();
    let file = deployment
        .files
        .write("manifest.json", manifest(3, deployment.named(), 3));
    let running = deployment.run(Play {
        full_store: true,
        ..Play::default()
    });
    let args = ["--manifest", &file, "--yes"];
    let ran = withdraw(&deployment, &[&running.server.url], &args).unproven("enclave_refused");
    assert!(
        ran.stderr.contains("until this enclave restarts"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("no enclave signed"), "{ran:?}");
    // One that the host changed is nobody's.
    let running = deployment.run(Play {
        full_store: true,
        bends_answers: true,
        ..Play::default()
    });
    withdraw(&deployment, &[&running.server.url], &args).unproven("unsigned_refusal");
}

const UNKNOWN: &str = "no asked enclave knew this manifest";

/// Whether a withdrawal says that the manifest was known, for programs, and what it says for people.
fn known(deployment: &Deployment, running: &Running, file: &str) -> (Value, bool) {
    let hosts = [running.server.url.as_str()];
    let args = ["--manifest", file, "--yes", "--timeout", "5"];
    let ran = withdraw(deployment, &hosts, &args);
    let says = ran.stdout.contains(UNKNOWN);
    let ran = withdraw(deployment, &hosts, &[&args[..], &["--json"]].concat());
    (ran.json()["known"].clone(), says)
}

#[test]
fn e8_a_superseded_enclave_that_lists_a_manifest_knows_it() {
    let deployment = released();
    let gone = deployment.run(Play {
        handed_over: true,
        ignores_withdrawals: true,
        ..Play::default()
    });
    let file = announced(&deployment, &gone);
    assert_eq!(known(&deployment, &gone, &file), (json!(true), false));
    // One that does not list it may have known it as withdrawn, and shows that no more.
    let other = "5a".repeat(32);
    assert_eq!(known(&deployment, &gone, &other), (Value::Null, false));
}

#[test]
fn e8_a_host_that_drops_answers_makes_no_manifest_unknown() {
    let deployment = released();
    // The first evidence of each command is dropped, from when the manifest is announced.
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let drops = deployment.run_behind(
        Play {
            ignores_withdrawals: true,
            ..Play::default()
        },
        move |asked| {
            let is_evidence = asked.path.ends_with("/evidence");
            let number = counted.fetch_add(usize::from(is_evidence), Ordering::SeqCst);
            let dropped = is_evidence && number >= 1000 && number.is_multiple_of(2);
            dropped.then(|| Answer::new(503, "application/json", "{}"))
        },
    );
    let file = announced(&deployment, &drops);
    asked.store(1000, Ordering::SeqCst);
    assert_eq!(known(&deployment, &drops, &file), (json!(true), false));
    // Nobody answers.
    let silent = deployment.run_behind(Play::default(), |asked| {
        let lists = asked.path == "/api/v1/enclaves";
        (!lists).then(|| Answer::new(503, "application/json", "{}"))
    });
    assert_eq!(known(&deployment, &silent, &file), (Value::Null, false));
    // An enclave that answers, and does not know it.
    let running = deployment.run(Play {
        ignores_withdrawals: true,
        ..Play::default()
    });
    assert_eq!(known(&deployment, &running, &file), (json!(false), true));
}
