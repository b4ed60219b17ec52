//! H1: a node that may have few open files.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// A node under a limit that the shell sets, and what it says first.
fn under(limit: &str) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Command::new("sh")
        .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_openkey-node"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "off",
            "--dir",
        ])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let stdout = process.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    let path = format!("/proc/{}/limits", process.id());
    let limits = std::fs::read_to_string(path).unwrap();
    if !said.is_empty() {
        process.kill().unwrap();
    }
    let output = process.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said + &errors, limits)
}

/// Each connection may have a file that is sent on it.
#[test]
fn h1_a_node_that_may_have_few_files_says_so_and_raises_its_limit_itself() {
    let (code, said, _) = under("ulimit -n 300");
    assert_eq!(code, Some(1));
    assert!(said.contains("may have 300 open files"), "{said}");
    assert!(said.contains("LimitNOFILE"), "{said}");
    let (_, said, limits) = under("ulimit -S -n 100");
    assert!(said.starts_with("TinyCloud node "), "{said}");
    let mut lines = limits.lines();
    let line = lines.find(|line| line.starts_with("Max open files"));
    let words: Vec<_> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[3], words[4]);
}
