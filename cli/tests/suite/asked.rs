//! Which host a command asks, how long it waits, and what it says meanwhile.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    deployment::{Deployment, Play, Running, listing},
    harness::{Answer, Ran, verify, verify_stdin},
    orders::{announced, manifest, released},
    outcomes::withdraw,
};

/// Every command that asks an enclave, with flags under which it gets as far as that.
fn commands(deployment: &Deployment) -> Vec<(&'static str, Vec<String>)> {
    let text = manifest(3, deployment.named(), 3);
    let file = deployment.files.write("asked-manifest.json", text);
    let [genesis, ada] = ["g/genesis.json", "ada.key"].map(|name| deployment.path(name));
    let owned = |args: &[&str]| args.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let successor = ["--manifest", &file, "--key", &ada, "--yes"];
    vec![
        ("status", Vec::new()),
        ("post-share", owned(&["--genesis", &genesis, "--key", &ada])),
        ("set-secret", owned(&["oidc", "--key", &ada])),
        ("upgrade", owned(&["--manifest", &file])),
        ("consent", owned(&successor)),
        ("withdraw", owned(&successor)),
    ]
}

fn run(deployment: &Deployment, running: &Running, command: &str, more: &[String]) -> Ran {
    let more: Vec<_> = more.iter().map(String::as_str).collect();
    deployment.operator_stdin(running, command, &more, b"secret")
}

/// A genesis takes place with the configuration that has no root id.
fn genesis(deployment: &Deployment, running: &Running, more: &[&str]) -> Ran {
    let before = {
        let mut before = deployment.configuration.clone();
        before.as_object_mut().unwrap().remove("root_id");
        deployment.files.write("before.json", before.to_string())
    };
    let (policy, out) = (deployment.path("policy.json"), deployment.path("new"));
    let args = [
        "operator",
        "genesis",
        "--host",
        &running.server.url,
        "--policy",
        &policy,
        "--configuration",
        &before,
        "--out",
        &out,
    ];
    verify(args.iter().chain(more))
}

#[test]
fn a_mistyped_id_or_hash_is_answered_with_what_there_is() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let ran = deployment.operator(&running, "status", &["--enclave", "e7"]);
    let ran = ran.not_judged("no_enclave");
    assert!(ran.stderr.contains("no enclave e7; it lists e1"), "{ran:?}");
    let args = ["--enclave", "e7", "--manifest", &"7".repeat(64), "--yes"];
    let ran = withdraw(&deployment, &[&running.server.url], &args);
    let ran = ran.unproven("no_enclave");
    assert!(ran.stderr.contains("enclave e7; listed are e1"), "{ran:?}");
    let args = ["--manifest", "abcd", "--yes"];
    let ran = withdraw(&deployment, &[&running.server.url], &args);
    let ran = ran.not_judged("cannot_open");
    let says = "abcd: no such file, and not a hash of 64 hex digits";
    assert!(ran.stderr.contains(says), "{ran:?}");
    assert!(running.orders.lock().unwrap().is_empty());
}

#[test]
fn every_message_names_the_host_that_was_asked() {
    let deployment = released();
    for listed in [false, true] {
        let refuses = deployment.run_behind(Play::default(), move |asked| {
            let lists = listed && asked.path == "/api/v1/enclaves";
            (!lists).then(|| Answer::new(503, "application/json", "{}"))
        });
        let named = match listed {
            true => format!("e1 at {}", refuses.server.url),
            false => refuses.server.url.clone(),
        };
        for (command, more) in commands(&deployment) {
            let ran = run(&deployment, &refuses, command, &more);
            assert_ne!(ran.code, 0, "{command} {ran:?}");
            assert!(ran.stderr.contains(&named), "{command} {ran:?}");
        }
        let ran = genesis(&deployment, &refuses, &[]).not_judged("host_status");
        assert!(ran.stderr.contains(&named), "{ran:?}");
    }
    let many = deployment.run_behind(Play::default(), |_| Some(listing(&["e1", "e2"])));
    let none = deployment.run_behind(Play::default(), |_| Some(listing(&[])));
    for (running, rule) in [(&many, "which_enclave"), (&none, "no_enclave")] {
        let ran = verify(["operator", "status", "--host", &running.server.url]);
        let ran = ran.not_judged(rule);
        assert!(ran.stderr.contains(&running.server.url), "{ran:?}");
    }
    // What was judged and refused, too: another configuration runs there.
    let mut other = released();
    other.configuration["rp_name"] = json!("There");
    other.live.configuration = crate::deployment::hash(&other.configuration);
    let running = other.run(Play::default());
    let ran = other.operator(&running, "status", &[]);
    let ran = ran.refused("measurement_mismatch");
    assert!(ran.stderr.contains(&running.server.url), "{ran:?}");
}

#[test]
fn every_report_names_the_host_that_was_asked() {
    let deployment = released();
    let running = deployment.run(Play::default());
    announced(&deployment, &running);
    for (command, more) in commands(&deployment) {
        let ran = run(&deployment, &running, command, &more).accepted();
        let named = format!("e1 at {}", running.server.url);
        assert!(ran.stdout.contains(&named), "{command} {ran:?}");
    }
}

#[test]
fn a_silent_host_is_waited_for_as_long_as_was_said_and_said_so() {
    let deployment = released();
    for listed in [false, true] {
        let silent = deployment.run_behind(Play::default(), move |asked| {
            let lists = listed && asked.path == "/api/v1/enclaves";
            (!lists).then(|| {
                thread::sleep(Duration::from_secs(60));
                Answer::new(503, "application/json", "{}")
            })
        });
        let all: Vec<_> = commands(&deployment)
            .into_iter()
            .map(|(command, more)| {
                let more: Vec<_> = more.iter().map(String::as_str).collect();
                let more = [&more[..], &["--timeout", "3"]].concat();
                (command, deployment.args(&silent, command, &more))
            })
            .collect();
        thread::scope(|scope| {
            for (command, args) in &all {
                let silent = &silent;
                scope.spawn(move || {
                    let began = Instant::now();
                    let ran = verify_stdin(args, b"secret");
                    let took = began.elapsed();
                    // Room for a machine that does other things, and far below what silence lasts.
                    assert!(took < Duration::from_secs(20), "{command} {took:?}");
                    timed_out(command, &ran, silent);
                });
            }
            scope.spawn(|| {
                let ran = genesis(&deployment, &silent, &["--timeout", "3"]);
                timed_out("genesis", &ran, &silent);
            });
        });
    }
    for wrong in ["0", "3601", "x"] {
        let args = ["operator", "status", "--host", "http://localhost:1"];
        verify(args.iter().chain(&["--timeout", wrong])).not_judged_usage();
    }
}

#[track_caller]
fn timed_out(command: &str, ran: &Ran, silent: &Running) {
    // An order goes to whoever is there, whether or not there is an answer.
    let code = if command == "withdraw" { 3 } else { 2 };
    assert_eq!(ran.code, code, "{command} {ran:?}");
    assert!(ran.stderr.contains("error: timeout: "), "{command} {ran:?}");
    let waited = |line: &str| {
        line.starts_with("waiting for ")
            && line.contains(&silent.server.url)
            && line.ends_with(" s of 3 s)")
    };
    assert!(ran.stderr.lines().any(waited), "{command} {ran:?}");
}

#[test]
fn an_order_after_a_slow_look_has_the_whole_time_again() {
    let deployment = Deployment::provisioned();
    let slow = deployment.run_behind(Play::default(), |asked| {
        if asked.path != "/api/v1/enclaves" {
            thread::sleep(Duration::from_secs(4));
        }
        None
    });
    let [genesis, ada] = ["g/genesis.json", "ada.key"].map(|name| deployment.path(name));
    let more = ["--genesis", &genesis, "--key", &ada, "--timeout", "7"];
    deployment.operator(&slow, "post-share", &more).accepted();
}
