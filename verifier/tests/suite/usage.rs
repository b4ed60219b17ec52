//! What is asked wrongly ends with 2, says `error: …`, and judges nothing.

use crate::harness::{Files, verify};

#[track_caller]
fn usage(args: &[&str]) {
    let ran = verify(args);
    assert_eq!(ran.code, 2, "{args:?} {ran:?}");
    assert!(ran.stderr.starts_with("error: "), "{args:?} {ran:?}");
    assert_eq!(ran.stdout, "", "{args:?} {ran:?}");
}

#[test]
fn a_second_receipt_is_refused_with_what_to_do() {
    let ran = verify(["account", "a.json", "b.json", "--policy", "policy.json"]);
    for words in ["one receipt in each run", "for FILE in"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    ran.not_judged_usage();
}

#[test]
fn wrong_flags_are_usage_errors() {
    let pcr = format!("0={}", "ab".repeat(48));
    usage(&[]);
    usage(&["nonsense"]);
    usage(&["document"]);
    usage(&["host"]);
    usage(&["page", "https://keys.example"]);
    usage(&["account"]);
    usage(&["document", "x", "--frobnicate"]);
    usage(&["document", "x", "--at", "yesterday", "--any-measurement"]);
    usage(&[
        "document",
        "x",
        "--at",
        "1969-12-31T23:59:59Z",
        "--any-measurement",
    ]);
    usage(&["document", "x", "--nonce", "xyz", "--any-measurement"]);
    usage(&["document", "x", "--nonce", "", "--any-measurement"]);
    let long = "00".repeat(1025);
    usage(&["document", "x", "--nonce", &long, "--any-measurement"]);
    for bad in ["0", "0=", "0=abcd", "x=00", "32=00", "=00"] {
        usage(&["document", "x", "--at", "document", "--pcr", bad]);
    }
    usage(&[
        "document", "x", "--at", "document", "--pcr", &pcr, "--pcr", &pcr,
    ]);
    // One choice of what is accepted, not two.
    usage(&[
        "document",
        "x",
        "--at",
        "document",
        "--pcr",
        &pcr,
        "--any-measurement",
    ]);
    usage(&[
        "document",
        "x",
        "--at",
        "document",
        "--policy",
        "p",
        "--any-measurement",
    ]);
    usage(&[
        "document", "x", "--at", "document", "--policy", "p", "--pcr", &pcr,
    ]);
    // Any program could name an epoch that no release reaches.
    for command in ["document", "host"] {
        usage(&[
            command,
            "http://localhost:1",
            "--any-measurement",
            "--state",
            "epochs.json",
        ]);
    }
    // A host is judged now, always.
    usage(&[
        "host",
        "http://localhost:1",
        "--at",
        "document",
        "--any-measurement",
    ]);
    usage(&[
        "host",
        "http://localhost:1",
        "--nonce",
        "00",
        "--any-measurement",
    ]);
    usage(&[
        "host",
        "http://localhost:1",
        "--allow-debug",
        "--any-measurement",
    ]);
}

#[test]
fn nothing_is_accepted_without_a_choice() {
    let files = Files::new();
    let document = files.write("d", [0x84]);
    verify(["document", &document, "--at", "document"]).not_judged("no_policy");
    verify(["document", &document, "--nonce", "00"]).not_judged("no_policy");
    verify(["host", "http://localhost:1"]).not_judged("no_policy");
    verify(["account", &document]).not_judged("no_policy");
    // An allowance is no choice.
    verify(["document", &document, "--at", "document", "--allow-debug"]).not_judged("no_policy");
}

#[test]
fn a_document_alone_is_not_fresh() {
    let files = Files::new();
    let document = files.write("d", [0x84]);
    for at in [&[][..], &["--at", "2026-02-06T12:00:00Z"]] {
        let args = [&["document", &document, "--any-measurement"], at].concat();
        let ran = verify(args).not_judged("freshness");
        assert!(ran.stderr.contains("--nonce"), "{ran:?}");
        assert!(ran.stderr.contains("--at document"), "{ran:?}");
    }
}

#[test]
fn files_that_cannot_be_opened_are_not_judged() {
    let files = Files::new();
    let document = files.write("d", [0x84]);
    let missing = files.path("missing");
    let missing = missing.to_str().unwrap();
    let any = ["--at", "document", "--any-measurement"];
    verify(["document", missing].iter().chain(&any)).not_judged("cannot_open");
    let directory = files.path(".");
    verify(["document", directory.to_str().unwrap()].iter().chain(&any)).not_judged("cannot_open");
    verify([
        "document", &document, "--at", "document", "--policy", missing,
    ])
    .not_judged("cannot_open");
    verify(
        ["document", &document, "--root", missing]
            .iter()
            .chain(&any),
    )
    .not_judged("cannot_open");
    verify(["page", "http://localhost:1", "--release", missing]).not_judged("cannot_open");
    verify(["account", missing, "--any-measurement"]).not_judged("cannot_open");
}

#[test]
fn files_of_the_verifier_itself_are_not_judged_either() {
    let files = Files::new();
    let document = files.write("d", [0x84]);
    let at = ["document", &document, "--at", "document"];
    let policy = |json: &str| {
        let file = files.write("policy.json", json);
        verify(at.iter().copied().chain(["--policy", &file]))
    };
    policy("").not_judged("policy_file_syntax");
    policy(r#"{"version":1,"measurements":[]}"#).not_judged("policy_without_measurements");
    policy(r#"{"version":1,"measurements":[],"x":1}"#).not_judged("policy_file_syntax");
    policy(&" ".repeat((1 << 20) + 1)).not_judged("policy_file_too_long");
    let root = files.write("root.pem", "no certificate");
    verify(
        at.iter()
            .copied()
            .chain(["--any-measurement", "--root", &root]),
    )
    .not_judged("root_count");
    let release = files.write("release.json", "{}");
    verify(["page", "http://localhost:1", "--release", &release]).not_judged("release_file");
}

#[test]
fn help_is_there_with_examples_and_ends_with_0() {
    let help = verify(["--help"]).accepted();
    for part in [
        "Examples:",
        "document",
        "host",
        "page",
        "account",
        "Exit status:",
    ] {
        assert!(help.stdout.contains(part), "{part}");
    }
    for command in ["document", "host", "page", "account"] {
        let help = verify([command, "--help"]).accepted();
        assert!(help.stdout.contains("--json"), "{help:?}");
    }
    assert!(
        verify(["--version"])
            .accepted()
            .stdout
            .starts_with("openkey-verify ")
    );
}
