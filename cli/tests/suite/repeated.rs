//! A genesis that is repeated, and what is said after one.

use serde_json::json;

use crate::{
    deployment::{Deployment, Play, hash},
    genesis,
};

/// Whoever repeats a genesis has a deployment already, and must not be told to give it up.
#[test]
fn k9_a_repeated_genesis_asks_for_nothing_and_says_what_is_there() {
    let deployment = Deployment::new();
    let running = deployment.run(Play::default());
    let [out, other, ada] = ["g", "h", "ada.key"].map(|name| deployment.path(name));
    let hold = |out: &str| {
        let args = ["--out", out, "--key", &ada];
        deployment.operator(&running, "genesis", &args)
    };
    let url = &running.server.url;
    let first = hold(&out).accepted();
    assert!(first.stdout.contains(url), "{first:?}");
    let files = deployment.genesis_files();
    let root_id = String::from_utf8(files["configuration.json"].clone()).unwrap();
    let root_id: serde_json::Value = serde_json::from_str(&root_id).unwrap();
    let root_id = root_id["root_id"].as_str().unwrap();
    // Into the same directory, and into another one.
    let same = hold(&out).not_judged("cannot_write");
    assert!(same.stderr.contains(root_id), "{same:?}");
    let again = hold(&other).refused("genesis_done");
    assert!(again.stderr.contains(url), "{again:?}");
    for ran in [&same, &again] {
        for words in ["exists already", "nothing was asked for", "new deployment"] {
            assert!(ran.stderr.contains(words), "{words} in {ran:?}");
        }
        for words in ["do not boot", "throw"] {
            assert!(!ran.stderr.contains(words), "{words} in {ran:?}");
        }
    }
    // A run that was ended after it asked has left no files.
    for words in [
        "if no run has these files",
        "boot enclave",
        "nothing depends on",
    ] {
        assert!(again.stderr.contains(words), "{words} in {again:?}");
    }
    assert_eq!(running.orders.lock().unwrap().len(), 1);
    assert_eq!(deployment.genesis_files(), files);
    assert!(!deployment.files.path("h/genesis.json").exists());
}

#[test]
fn one_operator_runs_and_two_run() {
    for (threshold, words) in [(1, "1 operator runs"), (2, "2 operators run")] {
        let mut deployment = Deployment::new();
        deployment.configuration["operators"]["threshold"] = json!(threshold);
        deployment.live.configuration = hash(&deployment.configuration);
        deployment.write_policy();
        let ran = genesis::hold(&deployment, Play::default()).accepted();
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
}
