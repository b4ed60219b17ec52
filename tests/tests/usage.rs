//! What is asked wrongly ends every program with status 2 and one error on standard error.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may stop at once

use std::process::Command;

use openkey_tests::{program, said};

/// Runs a program with no variables of ours.
fn is_usage(name: &str, args: &[&str]) {
    let mut command = Command::new(program(name));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("OPENKEY")) {
        command.env_remove(variable);
    }
    let output = command.args(args).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{name} {args:?}: {text}");
    assert!(output.stdout.is_empty(), "{name} {args:?}");
    let errors = text.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{name} {args:?}: {text}");
}

#[test]
fn a_wrong_flag_or_argument_is_status_2_everywhere() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().to_str().unwrap();
    let unix = format!("unix:{dir}/x.sock");
    let enclave = format!("e1={unix}");
    let host_proxy = [
        "--listen=127.0.0.1:0",
        "--metrics-listen=off",
        "--origin=http://localhost:7100",
        "--enclave",
        &enclave,
        "--services",
        &unix,
        "--dir",
        dir,
    ];
    let page_dir = [&host_proxy[..], &["--page-dir", "/nowhere"]].concat();
    let channel = [&host_proxy[..], &["--channel-listen", "127.0.0.1:0"]].concat();
    let policy = [&host_proxy[..], &["--policy", "/nowhere"]].concat();
    let cases: [(&str, &[&[&str]]); 7] = [
        (
            "openkey",
            &[
                &["--wrong"],
                &["operator", "entry", "--key", "/nowhere"],
                &["operator", "status", "--host", "nonsense"],
            ],
        ),
        (
            "openkey-sim",
            &[
                &["--wrong"],
                &["up", "--dir", dir, "--fault", "nonsense=1"],
                &["up", "--dir", dir, "--page-dir", "/nowhere"],
                &["up", "--dir", dir, "--port=0", "--image", "/nowhere"],
                &["up", "--dir", dir, "--replicas", "99"],
            ],
        ),
        (
            "openkey-host-proxy",
            &[&["--wrong"], &page_dir, &channel, &policy],
        ),
        (
            "openkey-node",
            &[
                &["--wrong"],
                &[],
                &["--dir", dir, "--rate", "fast"],
                &["--dir", dir, "--owner", "me"],
                &["--config", "/nowhere"],
                &["check"],
            ],
        ),
        (
            "openkey-verify",
            &[
                &["--wrong"],
                &["document", "/nowhere", "--any-measurement"],
                &["host", "nonsense", "--any-measurement"],
            ],
        ),
        (
            "openkey-image",
            &[
                &["--wrong"],
                &["measure", "/nowhere"],
                &["build", "--source", "/nowhere", "--out", dir],
            ],
        ),
        // it is the first process of an image and runs nowhere else
        ("openkey-enclave", &[&[], &["--wrong"]]),
    ];
    for (name, runs) in cases {
        for args in runs {
            is_usage(name, args);
        }
    }
}
