//! What is announced to nobody, and what is said of an announcement or a withdrawal that did not last.

use serde_json::json;

use crate::{
    deployment::Play,
    enclaves::PCRS,
    orders::{announced, manifest, manifest_measuring, released},
    outcomes::withdraw,
};

#[test]
fn e8_what_runs_is_announced_to_nobody() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let measured = [0, 1, 2].map(|index| hex::encode(PCRS[index]));
    let configuration = deployment.named();
    for epoch in [2, 3] {
        let of = ("openkey-enclave", "2999-01-01T00:00:00Z", epoch);
        let text = manifest_measuring(measured.clone(), of, configuration.clone(), 3);
        let file = deployment.files.write("manifest.json", text);
        deployment
            .operator(&running, "upgrade", &["--manifest", &file])
            .refused("successor_runs");
    }
    assert!(running.orders.lock().unwrap().is_empty());
    // The same image with another configuration is a successor.
    let of = ("openkey-enclave", "2999-01-01T00:00:00Z", 2);
    let text = manifest_measuring(measured, of, json!("5".repeat(64)), 3);
    let file = deployment.files.write("manifest.json", text);
    let args = ["--manifest", file.as_str()];
    deployment.operator(&running, "upgrade", &args).accepted();
}

#[test]
fn e8_waiting_ends_when_the_successor_is_withdrawn() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let wait = ["--manifest", file.as_str(), "--wait", "--json"];
    let ran = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| deployment.operator(&running, "upgrade", &wait));
        while running.orders.lock().unwrap().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let args = ["--manifest", file.as_str()];
        withdraw(&deployment, &[&running.server.url], &args).accepted();
        waiting.join().unwrap()
    });
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("error: withdrawn: "), "{ran:?}");
    assert!(!ran.stderr.contains("may take effect"), "{ran:?}");
    assert_eq!(ran.json()["rule"], "withdrawn");
}

#[test]
fn e8_what_evidence_names_as_withdrawn_is_announced_to_nobody() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let args = ["--manifest", file.as_str()];
    withdraw(&deployment, &[&running.server.url], &args).accepted();
    running.orders.lock().unwrap().clear();
    for more in [&[][..], &["--wait"]] {
        let args = [&args[..], more].concat();
        let ran = deployment
            .operator(&running, "upgrade", &args)
            .refused("withdrawn");
        for words in [
            "nothing was sent",
            "sign another manifest",
            running.server.url.as_str(),
        ] {
            assert!(ran.stderr.contains(words), "{words} in {ran:?}");
        }
    }
    assert!(running.orders.lock().unwrap().is_empty());
}

#[test]
fn e8_a_wait_ends_with_what_may_happen_or_has_happened() {
    let deployment = released();
    let ada = deployment.path("ada.key");
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let (wait, json) = (["--manifest", &file, "--wait"], ["--json"]);
    let consent = ["--manifest", &file, "--key", &ada, "--yes"];
    deployment
        .operator(&running, "consent", &consent)
        .accepted();
    let ran = deployment.operator(&running, "upgrade", &wait);
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in ["the hand-over may happen now", running.server.url.as_str()] {
        assert!(ran.stdout.contains(words), "{words} in {ran:?}");
    }
    assert!(!ran.stdout.contains("From then on"), "{ran:?}");
    let ran = deployment.operator(&running, "upgrade", &[&wait[..], &json].concat());
    assert_eq!(ran.json()["hand_over"], "allowed");

    // Its root key went to a successor meanwhile.
    let gone = deployment.run(Play {
        handed_over: true,
        ..Play::default()
    });
    let ran = deployment.operator(&gone, "upgrade", &wait);
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in ["the hand-over has happened", "evidence"] {
        assert!(ran.stdout.contains(words), "{words} in {ran:?}");
    }
    let ran = deployment.operator(&gone, "upgrade", &[&wait[..], &json].concat());
    assert_eq!(ran.json()["hand_over"], "happened");
    // Nobody waited.
    let ran = deployment.operator(&running, "upgrade", &["--manifest", &file, "--json"]);
    assert_eq!(ran.json()["hand_over"], "announced");
}

#[test]
fn e8_an_announcement_that_was_refused_was_sent_all_the_same() {
    let deployment = released();
    let running = deployment.run(Play {
        full_store: true,
        ..Play::default()
    });
    let text = manifest(3, deployment.named(), 3);
    let file = deployment.files.write("manifest.json", text);
    let args = ["--manifest", file.as_str()];
    let ran = deployment.operator(&running, "upgrade", &args);
    let ran = ran.unproven("enclave_refused");
    assert!(ran.stderr.contains("may have taken effect"), "{ran:?}");
}

#[test]
fn e8_a_withdrawal_that_no_store_took_is_not_done() {
    let deployment = released();
    let text = manifest(3, deployment.named(), 3);
    let file = deployment.files.write("manifest.json", text);
    let running = deployment.run(Play {
        full_store: true,
        ..Play::default()
    });
    let args = ["--manifest", file.as_str(), "--yes", "--json"];
    let ran = withdraw(&deployment, &[&running.server.url], &args);
    // What the enclave said, and what to do.
    let ran = ran.unproven("enclave_refused");
    for words in ["until this enclave restarts", "repeat it, once the store"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    assert_eq!(ran.json()["enclaves"][0]["withdrawn"], false);
}
