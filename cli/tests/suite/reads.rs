//! Files that change while a command runs: what was checked is what is used.

use std::{
    fs::{self, File},
    io::Write,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use openkey_cli::{Approval, ReleaseKey};
use openkey_protocol::{
    cbor,
    message::{Call, OperatorRequest, Request},
};
use openkey_verifier::configuration::Configuration;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    deployment::{Deployment, Play, hash},
    enclaves::Enclave,
    harness::{Files, verify, verify_stdin},
    orders::{announced, released},
};

/// A pipe whose first reader gets one content, and every later one another; and how many readers it had.
fn pipe(files: &Files, name: &str, first: &str, later: &str) -> (String, Arc<AtomicUsize>) {
    let path = files.path(name).to_str().unwrap().to_owned();
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let readers = Arc::new(AtomicUsize::new(0));
    let (counted, from) = (Arc::clone(&readers), path.clone());
    let contents = [first.to_owned(), later.to_owned()];
    thread::spawn(move || {
        for content in [&contents[0]].into_iter().chain([&contents[1]; 8]) {
            let mut file = File::options().write(true).open(&from).unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            file.write_all(content.as_bytes()).unwrap();
            drop(file);
            // The reader sees the end before the next content begins.
            thread::sleep(Duration::from_millis(200));
        }
    });
    (path, readers)
}

/// The same deployment with release keys of whoever changes files.
fn evil(configuration: &Value) -> Value {
    let mut evil = configuration.clone();
    let key = ReleaseKey::from_seed(&[66; 32]).public().to_string();
    evil["release_keys"] = json!({ "threshold": 1, "keys": [key] });
    evil
}

#[test]
fn e8_k9_every_order_is_judged_by_one_reading_of_its_configuration() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let [policy, genesis, ada] =
        ["policy.json", "g/genesis.json", "ada.key"].map(|name| deployment.path(name));
    let approval = deployment.approve(&deployment.keys[0], &deployment.configuration);
    let approved = ["--key", &ada, "--approval", &approval];
    let orders: [(&str, Vec<&str>); 5] = [
        (
            "post-share",
            [&approved[..], &["--genesis", &genesis]].concat(),
        ),
        ("set-secret", [&approved[..], &["name"]].concat()),
        (
            "consent",
            [&approved[..], &["--manifest", &file, "--yes"]].concat(),
        ),
        ("upgrade", vec!["--manifest", &file]),
        ("withdraw", [&approved[..], &["--manifest", &file]].concat()),
    ];
    for (command, more) in orders {
        let (configuration, readers) = pipe(
            &deployment.files,
            &format!("{command}.pipe"),
            &deployment.configuration.to_string(),
            &evil(&deployment.configuration).to_string(),
        );
        let base = ["operator", command, "--host", &running.server.url];
        let files = ["--policy", &policy, "--configuration", &configuration];
        let args = base.iter().chain(&files).chain(&more);
        verify_stdin(args, b"secret").accepted();
        assert_eq!(readers.load(Ordering::SeqCst), 1, "{command}");
    }
}

#[test]
fn k9_a_genesis_is_checked_by_one_reading_of_its_configuration() {
    let deployment = Deployment::new();
    let before = deployment.configuration.to_string();
    let after = evil(&deployment.configuration).to_string();
    let running = deployment.run(Play::default());
    let [policy, out, ada] = ["policy.json", "g", "ada.key"].map(|name| deployment.path(name));
    let (configuration, readers) = pipe(&deployment.files, "pipe", &before, &after);
    let base = ["operator", "genesis", "--host", &running.server.url];
    let files = ["--policy", &policy, "--configuration", &configuration];
    let more = ["--out", &out, "--key", &ada];
    verify(base.iter().chain(&files).chain(&more)).accepted();
    assert_eq!(readers.load(Ordering::SeqCst), 1);
    let genesis = deployment.path("g/genesis.json");
    let (configuration, readers) = pipe(&deployment.files, "again", &before, &after);
    let base = ["operator", "check-genesis", "--genesis", &genesis];
    let files = ["--policy", &policy, "--configuration", &configuration];
    verify(base.iter().chain(&files)).accepted();
    assert_eq!(readers.load(Ordering::SeqCst), 1);
}

#[test]
fn k9_e8_a_configuration_that_a_host_changes_during_the_genesis_is_not_approved() {
    let deployment = Deployment::new();
    let path = deployment.files.path("configuration.json");
    let changed = evil(&deployment.configuration).to_string();
    let running = deployment.run_behind(Play::default(), move |asked| {
        let request = cbor::decode::<Call>(&asked.body)
            .ok()
            .map(|call| call.request);
        if let Some(Request::Operator(OperatorRequest::Genesis { .. })) = request {
            fs::write(&path, &changed).unwrap();
        }
        None
    });
    let [out, ada] = ["g", "ada.key"].map(|name| deployment.path(name));
    let args = ["--out", &out, "--key", &ada];
    deployment.operator(&running, "genesis", &args).accepted();
    let written = fs::read(deployment.files.path("g/configuration.json")).unwrap();
    let written = Configuration::from_json(&written).unwrap();
    let mut expected = deployment.configuration.clone();
    expected["root_id"] = json!(written.root_id.unwrap().to_string());
    assert_eq!(written.hash(), hash(&expected), "what the evidence covered");
    let approval = fs::read(deployment.files.path("g/approval.json")).unwrap();
    let approval = Approval::from_json(&approval, &deployment.keys[0].public().signing).unwrap();
    assert_eq!(approval.content().configuration, hash(&expected));
    assert_eq!(approval.content().release_keys, None);
}

#[test]
fn e15_the_anchor_that_a_release_names_is_the_one_that_was_checked() {
    let files = Files::new();
    let path = |name: &str| files.path(name).to_str().unwrap().to_owned();
    let keys = [7, 8].map(|seed| ReleaseKey::from_seed(&[seed; 32]).public().to_string());
    let mut anchor = json!({
        "version": 1, "release_keys": { "threshold": 2, "keys": keys },
        "root_id": "7".repeat(64), "rp_id": "keys.example", "min_epoch": 1,
    });
    let good = files.write("good.json", anchor.to_string());
    let page = path("page");
    verify([
        "release", "page", "--anchor", &good, "--out", &page, "--json",
    ])
    .accepted();
    let named = fs::read(files.path("page/anchor.json")).unwrap();
    anchor["simulator"] = json!({ "roots": Enclave::simulator().roots().to_pem() });
    let simulator = anchor.to_string();
    let draft = files.write("draft.json", crate::support::draft().to_string());
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // One is always there, as a name that changes its file.
            for turn in (0..2).cycle() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let content = [&named[..], simulator.as_bytes()][turn];
                fs::write(files.path("next"), content).unwrap();
                fs::rename(files.path("next"), files.path("page/anchor.json")).unwrap();
            }
        });
        for run in 0..24 {
            let out = path(&format!("{run}.json"));
            let base = ["release", "prepare", &draft, "--page", &page, "--days", "1"];
            let ran = verify(base.iter().chain(&["--out", &out]));
            if ran.code == 0 {
                let text = fs::read(&out).unwrap();
                let manifest: Value = serde_json::from_slice(&text).unwrap();
                let expected = hex::encode(Sha256::digest(&named));
                if manifest["manifest"]["page"]["anchor.json"] != expected {
                    ended.store(true, Ordering::SeqCst);
                    panic!("run {run} names an anchor that was not checked");
                }
            } else {
                assert!(ran.stderr.contains("anchor_simulator"), "{ran:?}");
            }
        }
        ended.store(true, Ordering::SeqCst);
    });
}
