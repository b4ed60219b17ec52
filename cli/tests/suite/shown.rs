//! Outputs that take nothing: whoever cannot see gives nothing, and what was given is not called nothing.

use std::{
    fs::{self, File},
    process::Stdio,
};

use crate::{
    deployment::{Deployment, Play, Running},
    harness::{Files, program, verify},
    orders::{announced, released},
    support,
};

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// What a run ended with whose stdout is full.
fn with_full_stdout<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> (i32, String) {
    let mut command = program();
    command.args(args).stdin(Stdio::null());
    let output = command
        .stdout(full())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), stderr)
}

#[track_caller]
fn not_written((code, stderr): (i32, String), expected: i32) {
    assert_eq!(code, expected, "{stderr}");
    assert_eq!(
        stderr.matches("error: cannot_write: ").count(),
        1,
        "{stderr}"
    );
}

fn ordered(running: &Running) -> usize {
    running.orders.lock().unwrap().len()
}

#[test]
fn e8_nothing_is_ordered_if_what_must_be_seen_cannot_be_shown() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let [genesis, ada] = ["g/genesis.json", "ada.key"].map(|name| deployment.path(name));
    let consent = ["--manifest", &file, "--key", &ada, "--yes"];
    let share = ["--genesis", &genesis, "--key", &ada];
    for (command, more) in [("consent", &consent[..]), ("post-share", &share)] {
        not_written(
            with_full_stdout(deployment.args(&running, command, more)),
            2,
        );
        assert_eq!(ordered(&running), 0, "{command}");
    }
    // Nor is a consent noted that was not given.
    assert!(!deployment.files.path("ada.key.consents.json").exists());
    // A secret comes from stdin, which is empty here: it is shown first all the same.
    let secret = deployment.path("secret");
    fs::write(&secret, "hunter2").unwrap();
    let mut command = program();
    command.args(deployment.args(&running, "set-secret", &["name", "--key", &ada]));
    command.stdin(File::open(&secret).unwrap());
    let output = command.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(ordered(&running), 0, "set-secret");
    // A reader that has gone.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program()
        .args(deployment.args(&running, "consent", &consent))
        .stdout(writer)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(ordered(&running), 0);
}

#[test]
fn e8_an_order_whose_report_cannot_be_written_was_sent() {
    let deployment = released();
    let running = deployment.run(Play::default());
    let file = announced(&deployment, &running);
    let [genesis, ada] = ["g/genesis.json", "ada.key"].map(|name| deployment.path(name));
    let upgrade = ["--manifest", file.as_str()];
    let upgrade_json = ["--manifest", &file, "--json"];
    let consent = ["--manifest", &file, "--key", &ada, "--yes", "--json"];
    let share = ["--genesis", &genesis, "--key", &ada, "--json"];
    let withdraw = ["--manifest", &file, "--key", &ada];
    for (number, (command, more)) in [
        ("upgrade", &upgrade[..]),
        ("upgrade", &upgrade_json),
        ("consent", &consent),
        ("post-share", &share),
        ("withdraw", &withdraw),
    ]
    .into_iter()
    .enumerate()
    {
        let (code, stderr) = with_full_stdout(deployment.args(&running, command, more));
        assert_eq!(code, 3, "{command} {stderr}");
        assert!(
            stderr.contains("error: cannot_write: "),
            "{command} {stderr}"
        );
        assert!(
            stderr.contains("openkey operator status"),
            "{command} {stderr}"
        );
        assert_eq!(ordered(&running), number + 1, "{command}");
    }
    let deployment = Deployment::new();
    let running = deployment.run(Play::default());
    let out = deployment.path("g");
    let args = deployment.args(&running, "genesis", &["--out", &out, "--json"]);
    not_written(with_full_stdout(args), 3);
    assert!(deployment.files.path("g/genesis.json").exists());
    // What must be seen before is the configuration.
    let running = deployment.run(Play::default());
    let out = deployment.path("h");
    let args = deployment.args(&running, "genesis", &["--out", &out]);
    not_written(with_full_stdout(args), 2);
    assert_eq!(ordered(&running), 0);
}

#[test]
fn e8_an_approval_that_could_not_be_looked_at_is_not_signed() {
    let deployment = Deployment::provisioned();
    let [genesis, configuration, ben, out] = [
        "g/genesis.json",
        "configuration.json",
        "ben.key",
        "ben.json",
    ]
    .map(|name| deployment.path(name));
    let args = [
        "operator",
        "approve",
        "--genesis",
        &genesis,
        "--key",
        &ben,
        "--out",
        &out,
        "--configuration",
        &configuration,
        "--yes",
    ];
    not_written(with_full_stdout(args), 2);
    assert!(!deployment.files.path("ben.json").exists());
    // Programs get JSON from stdout, and who looks on sees stderr.
    let json = args.iter().chain(&["--json"]);
    let output = program().args(json).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    assert!(!deployment.files.path("ben.json").exists());
    verify(args).accepted();
}

#[test]
fn p1_a_release_that_could_not_be_looked_at_is_not_signed() {
    let files = Files::new();
    let path = |name: &str| files.path(name).to_str().unwrap().to_owned();
    let (ada, manifest) = (path("ada"), path("manifest.json"));
    verify(["release", "keygen", "--out", &ada]).accepted();
    let draft = files.write("draft.json", support::draft().to_string());
    verify([
        "release", "prepare", &draft, "--days", "1", "--out", &manifest,
    ])
    .accepted();
    let unsigned = fs::read(&manifest).unwrap();
    let sign = ["release", "sign", &manifest, "--key", &ada, "--yes"];
    not_written(with_full_stdout(sign), 2);
    assert_eq!(fs::read(&manifest).unwrap(), unsigned);
    let json = sign.iter().chain(&["--json"]);
    let output = program().args(json).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(&manifest).unwrap(), unsigned);
    let ran = verify(sign).accepted();
    for shown in ["0.1.0", "manifest", "signed by"] {
        assert!(ran.stdout.contains(shown), "{shown} in {ran:?}");
    }
}
