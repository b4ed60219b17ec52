//! Orders whose outcome a host hides: what the command says then, and whom it still reaches.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use openkey_protocol::{
    cbor,
    message::{Call, OperatorRequest, Request},
};
use serde_json::json;

use crate::{
    deployment::{Deployment, Play, Running, listing},
    harness::{Answer, Asked, Ran, Server, verify},
    orders::{announced, manifest, released},
    support::done,
};

fn request(asked: &Asked) -> Option<Request> {
    let call = cbor::decode::<Call>(&asked.body).ok();
    call.map(|call| call.request)
}

pub(crate) fn withdraw(deployment: &Deployment, hosts: &[&str], more: &[&str]) -> Ran {
    let [policy, configuration, ada] =
        ["policy.json", "configuration.json", "ada.key"].map(|name| deployment.path(name));
    let approval = deployment.approve(&deployment.keys[0], &deployment.configuration);
    let mut args = vec!["operator", "withdraw", "--approval", &approval];
    for host in hosts {
        args.extend(["--host", host]);
    }
    args.extend([
        "--policy",
        &policy,
        "--configuration",
        &configuration,
        "--key",
        &ada,
    ]);
    args.extend(more);
    verify(args)
}

#[test]
fn e8_an_order_whose_answer_was_changed_may_have_taken_effect() {
    let deployment = released();
    let running = deployment.run(Play {
        bends_answers: true,
        ..Play::default()
    });
    let [genesis, ada] = ["g/genesis.json", "ada.key"].map(|name| deployment.path(name));
    let share = ["--genesis", &genesis, "--key", &ada];
    let secret = ["x.y", "--key", &ada];
    for ran in [
        deployment.operator(&running, "post-share", &share),
        deployment.operator_stdin(&running, "set-secret", &secret, b"s"),
    ] {
        let ran = ran.unproven("statement_signature");
        assert!(ran.stderr.contains("may take effect until 20"), "{ran:?}");
        assert!(ran.stderr.contains("openkey operator status"), "{ran:?}");
    }
    let ran = deployment.operator(&running, "post-share", &[&share[..], &["--json"]].concat());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains(r#""verdict":"unproven""#), "{ran:?}");
    assert_eq!(running.orders.lock().unwrap().len(), 3);
}

#[test]
fn e8_evidence_proves_a_consent_whatever_was_answered() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let ben = deployment.path("ben.key");
    let consent = ["--manifest", &file, "--key", &ben, "--yes", "--json"];
    let bent = deployment.run(Play {
        bends_answers: true,
        ..Play::default()
    });
    let upgrade = ["--manifest", file.as_str()];
    deployment
        .operator(&bent, "upgrade", &upgrade)
        .unproven("statement_signature");
    let json = done(deployment.operator(&bent, "consent", &consent)).json();
    assert_eq!(json["enclaves"][0]["consents"], json!([1]));
}

#[test]
fn e8_a_consent_that_the_enclave_refuses_is_not_proven_by_an_earlier_one() {
    let deployment = released();
    let running = deployment.run(Play {
        refuses_consents: true,
        ..Play::default()
    });
    let file = announced(&deployment, &running);
    let ben = deployment.path("ben.key");
    let consent = ["--manifest", &file, "--key", &ben, "--yes"];
    // The evidence names the operator's consent, and the enclave signed that it takes none.
    let ran = deployment.operator(&running, "consent", &consent);
    let ran = ran.unproven("enclave_refused");
    assert!(ran.stderr.contains("withdrew the successor"), "{ran:?}");
}

#[test]
fn e8_a_dead_enclave_hides_no_consent_of_another() {
    let deployment = released();
    // The host lists a second enclave, which answers like the first until it is asked for something, and that
    // refusal comes when the first has its order: then its evidence is asked for.
    let given = AtomicBool::new(false);
    let running = deployment.run_behind(Play::default(), move |asked| {
        if asked.path == "/api/v1/enclaves" {
            return Some(listing(&["e9", "e1"]));
        }
        let dead = asked.path.contains("/e9/");
        let order = matches!(
            request(asked),
            Some(Request::Operator(OperatorRequest::Consent { .. }))
        );
        if order && !dead {
            given.store(true, Ordering::Release);
        }
        (dead && order).then(|| {
            for _ in 0..200 {
                thread::sleep(Duration::from_millis(25));
                if given.load(Ordering::Acquire) {
                    break;
                }
            }
            // what the first was given is noted a moment after it passed here
            thread::sleep(Duration::from_millis(200));
            let body = json!({ "code": "enclave_unreachable", "message": "nothing was carried" });
            Answer::new(503, "application/json", body.to_string())
        })
    });
    let text = manifest(3, deployment.named(), 3);
    let file = deployment.files.write("manifest.json", text);
    let upgrade = ["--manifest", file.as_str(), "--enclave", "e1"];
    deployment
        .operator(&running, "upgrade", &upgrade)
        .accepted();
    let ben = deployment.path("ben.key");
    let consent = ["--manifest", &file, "--key", &ben, "--yes", "--json"];
    let ran = deployment.operator(&running, "consent", &consent);
    // Both are one boot here, so that its evidence proves the consent for both; and both were asked.
    let json = done(ran).json();
    assert_eq!(json["enclaves"].as_array().unwrap().len(), 2);
}

#[test]
fn e8_every_enclave_gets_the_consent_and_each_is_reported() {
    let deployment = released();
    let alive = deployment.run(Play::default());
    let file = announced(&deployment, &alive);
    let dead = deployment.run_behind(Play::default(), |asked| {
        let order = matches!(
            request(asked),
            Some(Request::Operator(OperatorRequest::Consent { .. }))
        );
        order.then(|| Answer::new(503, "application/json", "{}"))
    });
    announced(&deployment, &dead);
    let [policy, configuration, ben] =
        ["policy.json", "configuration.json", "ben.key"].map(|name| deployment.path(name));
    let approval = deployment.approve(&deployment.keys[1], &deployment.configuration);
    let ran = verify([
        "operator",
        "consent",
        "--host",
        &dead.server.url,
        "--host",
        &alive.server.url,
        "--policy",
        &policy,
        "--configuration",
        &configuration,
        "--approval",
        &approval,
        "--manifest",
        &file,
        "--key",
        &ben,
        "--yes",
        "--json",
    ]);
    // What was decided on stands before it on stderr.
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("error: host_status: "), "{ran:?}");
    let json = ran.json();
    assert_eq!(json["verdict"], "unproven");
    assert_eq!(json["enclaves"][0]["consented"], json!(null));
    let words = json["enclaves"][0]["message"].as_str().unwrap();
    assert!(words.contains("may take effect until 20"), "{words}");
    assert_eq!(json["enclaves"][1]["consented"], true);
    assert_eq!(alive.orders.lock().unwrap().len(), 1);
}

#[test]
fn e8_a_host_that_refuses_keeps_no_withdrawal_from_another() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let refuses = Server::new(|_| Answer::new(503, "application/json", "{}"));
    let empty = Server::new(|_| listing(&[]));
    let hosts = [&refuses.url, &empty.url, &running.server.url].map(String::as_str);
    let ran = withdraw(&deployment, &hosts, &["--manifest", &file, "--json"]);
    let ran = ran.unproven("host_status");
    let json = ran.json();
    assert_eq!(json["enclaves"][2]["withdrawn"], true);
    assert_eq!(json["enclaves"][1]["rule"], "no_enclave");
    assert_eq!(running.orders.lock().unwrap().len(), 1);
}

#[test]
fn e8_silent_enclaves_keep_no_withdrawal_from_another_host() {
    let deployment = released();
    // The first host's enclaves answer only after the second host's has got the withdrawal.
    let arrived = Arc::new((Mutex::new(false), Condvar::new()));
    let waits = Arc::clone(&arrived);
    let silent = Server::new(move |asked| {
        if asked.path == "/api/v1/enclaves" {
            return listing(&["e0", "e1", "e2"]);
        }
        let (has, signal) = &*waits;
        let mut has = has.lock().unwrap();
        while !*has {
            has = signal.wait(has).unwrap();
        }
        Answer::new(503, "application/json", "{}")
    });
    let honest = deployment.run_behind(Play::default(), move |asked| {
        if matches!(
            request(asked),
            Some(Request::Operator(OperatorRequest::Withdraw { .. }))
        ) {
            *arrived.0.lock().unwrap() = true;
            arrived.1.notify_all();
        }
        None
    });
    let file = announced(&deployment, &honest);
    let hosts = [&silent.url, &honest.server.url].map(String::as_str);
    let ran = withdraw(&deployment, &hosts, &["--manifest", &file, "--json"]);
    // Not because they took too long.
    let json = ran.unproven("host_status").json();
    assert_eq!(json["enclaves"][0]["rule"], "host_status");
    assert_eq!(json["enclaves"][3]["withdrawn"], true);
}

#[test]
fn e8_the_boot_that_was_consented_to_must_confirm_the_withdrawal() {
    let deployment = released();
    let first = deployment.run(Play::default());
    let file = announced(&deployment, &first);
    let ada = deployment.path("ada.key");
    let consent = ["--manifest", &file, "--key", &ada, "--yes"];
    let args = ["--manifest", file.as_str(), "--json"];
    // With no consent noted the command says that it cannot know.
    let other = deployment.run(Play::default());
    let unknown = [&args[..2], &["--yes"]].concat();
    let ran = withdraw(&deployment, &[&other.server.url], &unknown).accepted();
    assert!(ran.stdout.contains("No boots are noted"), "{ran:?}");

    deployment.operator(&first, "consent", &consent).accepted();
    let identity = hex::encode(deployment.live.identity.verifying_key().to_bytes());
    // The host shows another enclave of the deployment under the same name; it takes the withdrawal.
    let second = boot(&deployment);
    let json = withdraw(&deployment, &[&second.server.url], &args)
        .unproven("boot_unconfirmed")
        .json();
    assert_eq!(json["enclaves"][0]["withdrawn"], true);
    assert_eq!(json["consented"][0]["identity"], identity);
    assert_eq!(json["consented"][0]["confirmed"], false);
    // Both, or the one that counts; or the operator knows better.
    let both = [&second.server.url, &first.server.url].map(String::as_str);
    let json = withdraw(&deployment, &both, &args).accepted().json();
    assert_eq!(json["consented"][0]["confirmed"], true);
    let ended = [&args[..], &["--ended", &identity]].concat();
    withdraw(&deployment, &[&second.server.url], &ended).accepted();
}

/// Another boot of the same image and configuration.
fn boot(deployment: &Deployment) -> Running {
    deployment.run(Play {
        another_boot: true,
        ..Play::default()
    })
}

#[test]
fn e8_an_enclave_that_handed_its_root_key_over_confirms_no_withdrawal() {
    let deployment = released();
    let first = deployment.run(Play::default());
    let file = announced(&deployment, &first);
    let ada = deployment.path("ada.key");
    let consent = ["--manifest", &file, "--key", &ada, "--yes"];
    deployment.operator(&first, "consent", &consent).accepted();
    let args = ["--manifest", file.as_str(), "--json"];
    // The very boot that was consented to, a moment later. Its evidence names the manifest as withdrawn.
    let gone = deployment.run(Play {
        handed_over: true,
        ..Play::default()
    });
    let ran = withdraw(&deployment, &[&gone.server.url], &args).unproven("superseded");
    assert!(ran.stderr.contains("went to a successor"), "{ran:?}");
    assert!(!ran.stderr.contains("boot_unconfirmed"), "{ran:?}");
    assert!(!ran.stderr.contains("repeat it"), "{ran:?}");
    let json = ran.json();
    assert_eq!(json["verdict"], "unproven");
    assert_eq!(json["enclaves"][0]["withdrawn"], false);
    assert_eq!(json["enclaves"][0]["rule"], "superseded");
    assert_eq!(json["consented"][0]["confirmed"], false);
    let ran = withdraw(&deployment, &[&gone.server.url], &args[..2]).unproven("superseded");
    assert!(
        ran.stdout.contains("NOT CONFIRMED: the root key of boot"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("STILL WAITS"), "{ran:?}");
    // It is said first, whatever else is wrong, and the other enclaves get the withdrawal.
    let refuses = Server::new(|_| Answer::new(503, "application/json", "{}"));
    let hosts = [&refuses.url, &gone.server.url, &first.server.url].map(String::as_str);
    let ran = withdraw(&deployment, &hosts, &args).unproven("superseded");
    assert_eq!(ran.json()["enclaves"][2]["withdrawn"], true);
}

#[test]
fn e8_a_file_of_consents_is_read_before_anything_is_sent() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let hosts = [running.server.url.as_str()];
    let broken = deployment.files.write("broken.json", "{}");
    let [missing, folder] = ["missing.json", "g"].map(|name| deployment.path(name));
    for (state, rule) in [
        (&broken, "consents_file"),
        // Whoever names a file means one that is there.
        (&missing, "cannot_open"),
        (&folder, "cannot_open"),
    ] {
        let args = ["--manifest", &file, "--state", state];
        withdraw(&deployment, &hosts, &args).not_judged(rule);
    }
    let ben = deployment.path("ben.key");
    for (state, rule) in [(&broken, "consents_file"), (&folder, "cannot_open")] {
        let args = [
            "--manifest",
            &file,
            "--key",
            &ben,
            "--yes",
            "--state",
            state,
        ];
        let ran = deployment.operator(&running, "consent", &args);
        // Not even a look was taken.
        assert!(!ran.stdout.contains("evidence"), "{ran:?}");
        ran.not_judged(rule);
    }
    assert!(running.orders.lock().unwrap().is_empty());
    // Beside the key there need be none.
    withdraw(&deployment, &hosts, &["--manifest", &file]).accepted();
}

#[test]
fn e8_waiting_believes_no_status_that_the_boot_did_not_sign() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let lies = deployment.run(Play {
        bends_statuses: true,
        ..Play::default()
    });
    let wait = ["--manifest", file.as_str(), "--wait"];
    let ran = deployment.operator(&lies, "upgrade", &wait);
    // The announcement was sent before.
    let ran = ran.unproven("statement_signature");
    assert!(ran.stderr.contains("may have taken effect"), "{ran:?}");
}

#[test]
fn e2_hidden_secrets_are_unknown_and_not_none() {
    let deployment = Deployment::provisioned();
    let running = deployment.run(Play {
        hides_secrets: true,
        ..Play::default()
    });
    let ran = deployment.operator(&running, "status", &[]).accepted();
    assert!(ran.stdout.contains("secrets"), "{ran:?}");
    assert!(
        ran.stdout.contains("UNKNOWN: the store hides them"),
        "{ran:?}"
    );
    let json = deployment.operator(&running, "status", &["--json"]);
    assert_eq!(json.accepted().json()["secrets_known"], false);
    // Nobody knows which version would be next.
    let ada = deployment.path("ada.key");
    deployment
        .operator_stdin(&running, "set-secret", &["known", "--key", &ada], b"x")
        .refused("secrets_unknown");
    assert!(running.orders.lock().unwrap().is_empty());
}
