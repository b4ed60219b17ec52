//! The program's flags, variables and file, and what it says when it does not start.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

mod odd;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openkey-node"));
    for (name, _) in std::env::vars() {
        if name.starts_with("OPENKEY_NODE") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_BACKTRACE");
    command
}

fn ended(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

/// Exit code and standard error of a program that does not start.
fn told(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

fn refused(args: &[&str]) -> (i32, String) {
    told(program().args(args))
}

/// What a file with this text is answered.
fn with_file(text: &str) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    std::fs::write(&path, text).unwrap();
    let home = dir.path().join("home");
    let (code, said) = told(
        program()
            .args(["--config", path.to_str().unwrap()])
            .args(["--dir", home.to_str().unwrap()]),
    );
    assert!(!home.exists(), "a node that does not start makes nothing");
    (code, said.replace(path.to_str().unwrap(), "FILE"))
}

/// Where a node listens that starts like this, and what it says about itself.
fn started(command: &mut Command) -> Value {
    let mut process = command
        .args(["--json", "--log", "off"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = process.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

fn address(command: &mut Command) -> String {
    let ready = started(command);
    let url = ready["url"].as_str().unwrap();
    let (host, _port) = url.rsplit_once(':').unwrap();
    host.strip_prefix("http://").unwrap().to_owned()
}

fn write(dir: &Path, text: &str) -> String {
    let path = dir.join("node.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn help_names_every_setting_with_its_variable() {
    let output = ended(&["--help"]);
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    let text = String::from_utf8(output.stdout).unwrap();
    for setting in [
        "dir",
        "listen",
        "trusted-proxy",
        "admin-secret-file",
        "quota-url",
        "max-value-bytes",
        "max-staged-bytes",
        "quota-bytes",
        "public-quota-bytes",
        "reserve-bytes",
        "max-invocation-seconds",
        "rate",
        "public-rate",
        "max-connections",
        "max-connections-per-address",
        "log-format",
        "config",
    ] {
        let variable = format!("OPENKEY_NODE_{}", setting.to_uppercase().replace('-', "_"));
        assert!(text.contains(&format!("--{setting} ")), "{setting}");
        assert!(text.contains(&format!("[env: {variable}")), "{variable}");
    }
    for word in [
        "--owner ",
        "OPENKEY_NODE_OWNERS",
        "check",
        "backup",
        "restore",
    ] {
        assert!(text.contains(word), "{word}");
    }
    let version = ended(&["--version"]);
    let version = String::from_utf8(version.stdout).unwrap();
    assert_eq!(
        version.trim(),
        concat!("openkey-node ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn flags_come_before_variables_and_variables_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let text = format!("listen = \"127.0.0.2:0\"\ndir = {home:?}\nmax_connections = 7\n");
    let file = write(dir.path(), &text);
    let with_file = || {
        let mut command = program();
        command.args(["--config", &file]);
        command
    };
    assert_eq!(address(&mut with_file()), "127.0.0.2");
    assert!(home.join("node.key").exists());
    let with_variable = || {
        let mut command = with_file();
        command.env("OPENKEY_NODE_LISTEN", "127.0.0.3:0");
        command
    };
    assert_eq!(address(&mut with_variable()), "127.0.0.3");
    let mut with_flag = with_variable();
    with_flag.args(["--listen", "127.0.0.4:0"]);
    assert_eq!(address(&mut with_flag), "127.0.0.4");
    // the file's own name may come from a variable, and its settings hold for what else there is to do
    let mut named = program();
    named.env("OPENKEY_NODE_CONFIG", &file);
    assert_eq!(address(&mut named), "127.0.0.2");
    let output = program()
        .args(["check", "--config", &file])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!(
        said,
        "0 values, 0 blobs (0 bytes), 0 databases, 0 delegations and 0 revocations checked: all is whole\n"
    );
}

#[test]
fn a_node_keeps_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("a/b");
    let start = || {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--dir", home.to_str().unwrap()]);
        started(&mut command)
    };
    let first = start();
    let id = first["nodeId"].as_str().unwrap();
    assert!(id.starts_with("did:key:z6Mk"));
    assert_eq!(start()["nodeId"], id);
}

#[test]
fn e2_a_node_that_lost_its_secret_does_not_become_another() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    let args = ["--listen", "127.0.0.1:0", "--dir", home];
    started(program().args(args));
    let secret = dir.path().join("node.key");
    std::fs::remove_file(&secret).unwrap();
    let (code, said) = told(program().args(args).args(["--log", "off"]));
    let advice =
        "is missing beside a store: restore it from a backup; clients know this node by it";
    let expected = format!("error: {} {advice}\n", secret.display());
    assert_eq!((code, said), (1, expected));
    assert!(!secret.exists());
}

#[test]
fn h3_nodes_that_start_at_once_are_one() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap();
        let start = || {
            let mut command = program();
            command.args(["--listen", "127.0.0.1:0", "--dir", home]);
            started(&mut command)["nodeId"].clone()
        };
        let ids = std::thread::scope(|scope| {
            let both = [scope.spawn(start), scope.spawn(start)];
            both.map(|one| one.join().unwrap())
        });
        assert_eq!(ids[0], ids[1]);
    }
}

#[test]
fn a_file_names_settings_and_nothing_else() {
    for (text, said) in [
        (
            "bytes = 5",
            "error: FILE: bytes is no setting: see openkey-node --help\n",
        ),
        (
            "quota_byte = 5",
            "error: FILE: quota_byte is no setting: see openkey-node --help\n",
        ),
        (
            "config = \"other\"",
            "error: FILE: config is no setting: see openkey-node --help\n",
        ),
        (
            "json = 1",
            "error: FILE: json is no setting: see openkey-node --help\n",
        ),
        (
            "[limits]\nrate = \"5/s\"",
            "error: FILE: limits is no setting: see openkey-node --help\n",
        ),
        (
            "quota_bytes = true",
            "error: FILE: quota_bytes is neither a text nor a whole number\n",
        ),
        (
            "rate = 1.5",
            "error: FILE: rate is neither a text nor a whole number\n",
        ),
        (
            "[rate]\na = 5",
            "error: FILE: rate is neither a text nor a whole number\n",
        ),
        (
            "owner = [[\"a\"]]",
            "error: FILE: owner is neither a text nor a whole number\n",
        ),
        (
            "rate = [\"1/s\", \"2/s\"]",
            "error: FILE: rate takes one value\n",
        ),
        ("rate = []", "error: FILE: rate takes one value\n"),
    ] {
        assert_eq!(with_file(text), (2, said.to_owned()), "{text}");
    }
    let (code, said) = with_file("rate = ");
    assert_eq!(code, 2);
    assert!(said.starts_with("error: FILE: is no TOML: "), "{said}");
    let (code, said) = with_file("rate = \"1/s\"\nrate = \"2/s\"");
    assert_eq!(code, 2);
    assert!(said.starts_with("error: FILE: is no TOML: "), "{said}");
    for (text, flag) in [
        ("max-connections = \"many\"", "--max-connections"),
        ("max_connections = -1", "--max-connections"),
        ("listen = \"here\"", "--listen"),
        ("listen = 8000", "--listen"),
        ("trusted-proxy = \"proxy\"", "--trusted-proxy"),
        ("quota_bytes = -1", "--quota-bytes"),
    ] {
        let (code, said) = with_file(text);
        assert_eq!(code, 2, "{text}");
        assert!(said.contains(flag), "{said}");
    }
    for (text, flag) in [
        ("rate = \"fast\"", "--rate: "),
        ("public_rate = 5", "--public-rate: "),
        ("owner = [\"me\"]", "--owner me: "),
        ("max_invocation_seconds = 0", "--max-invocation-seconds "),
        (
            "admin-secret-file = \"/nowhere\"",
            "--admin-secret-file: cannot read /nowhere: ",
        ),
    ] {
        let (code, said) = with_file(text);
        assert_eq!(code, 2, "{text}");
        assert!(said.contains(flag), "{said}");
    }
}

#[test]
fn what_keeps_a_node_from_starting_is_told() {
    let name_it = "error: name the node's directory with --dir DIR\n".to_owned();
    assert_eq!(refused(&[]), (2, name_it.clone()));
    assert_eq!(refused(&["check"]), (2, name_it));
    let (code, said) = refused(&["--config", "/nowhere/node.toml"]);
    assert_eq!(code, 2);
    let expected = "error: /nowhere/node.toml: cannot be read: ";
    assert!(said.starts_with(expected), "{said}");
    for args in [
        &["--wrong"][..],
        &["serve"],
        &["--listen", "8000"],
        &["--log", "x=y=z"],
        &["--log", "loud"],
        &["--max-connections", "0"],
        &["--max-connections-per-address", "0"],
        &["--trusted-proxy", "::ffff:10.0.0.0/64"],
        &["--log-format", "xml"],
        &["--metrics-listen", "8001"],
        &["backup"],
    ] {
        let (code, said) = refused(args);
        assert_eq!(code, 2, "{args:?}");
        assert!(said.starts_with("error: "), "{said}");
    }

    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (code, said) = refused(&["--dir", home, "--listen", &listen, "--log", "off"]);
    let advice = "is taken: stop what listens there, or choose another port with --listen";
    assert_eq!((code, said), (1, format!("error: {listen} {advice}\n")));
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);

    // the address of metrics, if it was asked for; the default one may be taken
    let metrics = ["--listen", "127.0.0.1:0", "--metrics-listen", &listen];
    let (code, said) = refused(&[&["--dir", home, "--log", "off"], &metrics[..]].concat());
    assert_eq!(code, 1);
    let expected = format!("error: cannot listen on {listen} for metrics: ");
    assert!(said.starts_with(&expected), "{said}");

    let secret = dir.path().join("secret");
    std::fs::write(&secret, "too short\n").unwrap();
    let path = secret.to_str().unwrap();
    let (code, said) = refused(&["--dir", home, "--admin-secret-file", path]);
    assert_eq!(code, 2);
    assert!(said.contains("at least 16 characters"), "{said}");
    assert!(!said.contains("too short"), "the secret is not shown");

    std::fs::write(dir.path().join("node.key"), "changed").unwrap();
    let (code, said) = refused(&["--dir", home, "--listen", "127.0.0.1:0", "--log", "off"]);
    assert_eq!(code, 1);
    assert!(said.contains("restore it from a backup"), "{said}");
    let under = secret.join("home");
    let under = under.to_str().unwrap();
    let (code, said) = refused(&["--dir", under, "--listen", "127.0.0.1:0", "--log", "off"]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with(&format!("error: cannot use {under}: ")),
        "{said}"
    );
}

#[test]
fn upkeep_is_told_in_words_and_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (home, copy, new) = (path("home"), path("copy"), path("new"));
    started(program().args(["--listen", "127.0.0.1:0", "--dir", &home]));
    let output = ended(&["backup", "--dir", &home, &copy]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with(&copy) && said.contains("keep it as safe as the node"));
    let (code, said) = refused(&["backup", "--dir", &home, &copy]);
    let advice = "exists: name a directory that is not there yet";
    assert_eq!((code, said), (1, format!("error: {copy} {advice}\n")));
    // it stays as it is
    let (code, said) = refused(&["--dir", &copy, "--listen", "127.0.0.1:0", "--log", "off"]);
    assert_eq!(code, 1);
    let advice = format!("is a backup: take it back with `openkey-node restore --dir DIR {copy}`");
    assert!(said.contains(&advice), "{said}");
    let (code, said) = refused(&["restore", "--dir", &home, &copy]);
    assert_eq!(code, 1);
    assert!(said.starts_with(&format!("error: {home} is not empty: ")));
    let output = ended(&["restore", "--dir", &new, &copy, "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said, serde_json::json!({ "blobs": 0, "databases": 0 }));

    std::fs::write(dir.path().join("new/node.key"), "changed").unwrap();
    let output = ended(&["check", "--dir", &new, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["findings"].as_array().unwrap().len(), 1);
    let output = ended(&["check", "--dir", &new]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.ends_with("not all is whole; restore a backup\n"),
        "{said}"
    );
}
