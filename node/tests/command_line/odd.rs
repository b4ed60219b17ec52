//! Output that goes nowhere, settings that are none, directories inside of others, damaged stores.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{ended, program, refused, started};

/// A program whose output and errors go where nothing is taken.
fn unheard(args: &[&str]) -> Command {
    let mut command = program();
    let full = || std::fs::File::options().write(true).open("/dev/full");
    command.args(args);
    command.stdout(full().unwrap()).stderr(full().unwrap());
    command
}

#[test]
fn output_that_nothing_takes_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (home, copy) = (path("home"), path("copy"));
    let args = ["--listen", "127.0.0.1:0", "--metrics-listen", "off"];
    // it serves on, heard or not
    for json in [&["--json"][..], &[]] {
        let mut serving = unheard(&[&["--dir", &home], &args[..], json].concat())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert_eq!(serving.try_wait().unwrap(), None);
        serving.kill().unwrap();
        serving.wait().unwrap();
    }
    let wrong = path("nowhere");
    for args in [
        &["check", "--dir", &home][..],
        &["check", "--dir", &home, "--json"],
        &["backup", "--dir", &home, &copy],
        &["restore", "--dir", &path("new"), &copy],
        &["check", "--dir", &wrong],
    ] {
        let status = unheard(args).status().unwrap();
        assert_eq!(status.code(), Some(1), "{args:?}");
        let mut command = unheard(args);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("error: "), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let output = unheard(&["check", "--dir", &home])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("standard output"), "{said}");
    assert_eq!(unheard(&["--wrong"]).status().unwrap().code(), Some(2));
}

#[test]
fn wrong_settings_are_named_by_their_flags() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let home = home.to_str().unwrap();
    let (code, said) = refused(&["--dir", home, "--admin-secret-file", "/nowhere"]);
    assert_eq!(code, 2);
    let expected = "error: --admin-secret-file: cannot read /nowhere: No such file";
    assert!(said.starts_with(expected), "{said}");
    for url in ["foo", "ftp://a", "http://", "//a/b", "https:/a", ""] {
        let (code, said) = refused(&["--dir", home, "--quota-url", url]);
        assert_eq!(code, 2, "{url}");
        let expected = "error: --quota-url: expected an absolute URL such as https://";
        assert!(said.starts_with(expected), "{url}: {said}");
    }
    let mut command = program();
    command.args(["--dir", home, "--listen", "127.0.0.1:0"]);
    command.args(["--quota-url", "https://node.example.org/quota?a=b"]);
    started(&mut command);
    let output = ended(&["check", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(!help.contains("; made if missing"), "{help}");
}

#[test]
fn no_backup_is_inside_of_what_it_is_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let home = path("home");
    started(program().args(["--listen", "127.0.0.1:0", "--dir", &home]));
    std::os::unix::fs::symlink(&home, path("link")).unwrap();
    let inside = [
        path("home/inside"),
        path("home/blobs/deep/inside"),
        path("link/inside"),
        path("new/../home/inside"),
        path("home/../home/inside"),
    ];
    for to in &inside {
        let (code, said) = refused(&["backup", "--dir", &home, to]);
        assert_eq!(code, 1, "{to}");
        assert!(said.contains(" is inside "), "{said}");
        assert!(!Path::new(to).exists());
    }
    // beside it, also where the names begin alike
    let copy = path("home-copy");
    assert!(ended(&["backup", "--dir", &home, &copy]).status.success());
    let new = path("home-copy/new");
    let (code, said) = refused(&["restore", "--dir", &new, &copy]);
    assert_eq!(code, 1);
    assert!(said.contains(" is inside "), "{said}");
    assert!(!Path::new(&new).exists());
}

#[test]
fn progress_says_nothing_that_is_not_done() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let home = home.to_str().unwrap();
    started(program().args(["--listen", "127.0.0.1:0", "--dir", home]));
    let output = ended(&["check", "--dir", home]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_damaged_store_is_no_reason_to_begin_with_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    started(program().args(["--listen", "127.0.0.1:0", "--dir", home]));
    // folds the log in
    assert!(ended(&["check", "--dir", home]).status.success());
    let path = dir.path().join("node.sqlite3");
    let good = std::fs::read(&path).unwrap();
    let log = dir.path().join("node.sqlite3-wal");
    for (at, length) in [(0, 16), (0, 100), (40, 60), (68, 4), (100, 200)] {
        let mut bytes = good.clone();
        bytes[at..at + length].fill(0x55);
        std::fs::write(&path, bytes).unwrap();
        std::fs::remove_file(&log).ok();
        let serve = ["--listen", "127.0.0.1:0", "--dir", home, "--log", "off"];
        let (code, said) = refused(&serve);
        assert_eq!(code, 1);
        assert!(said.contains("restore a backup"), "{at}: {said}");
        assert!(said.contains("damaged"), "{at}: {said}");
        assert!(said.contains(path.to_str().unwrap()), "{at}: {said}");
        let output = ended(&["check", "--dir", home]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("restore a backup"), "{at}: {said}");
    }
}
