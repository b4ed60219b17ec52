//! Keys, and the configuration that names them.

use std::os::unix::fs::PermissionsExt;

use crate::{
    PROGRAM,
    harness::{Files, verify},
};

#[test]
fn k1_a_new_key_is_its_owners_alone_and_never_printed() {
    let files = Files::new();
    let path = files.path("ada.key");
    let path = path.to_str().unwrap();
    let ran = verify(["operator", "keygen", "--name", "ada", "--out", path]).accepted();
    assert_eq!(
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let seed = file["seed"].as_str().unwrap();
    assert_eq!(seed.len(), 64);
    assert!(!ran.stdout.contains(seed), "{ran:?}");
    let entry = verify(["operator", "entry", "--key", path]).accepted();
    assert_eq!(entry.stdout, ran.stdout);
    // The only copy of a key is not written over.
    verify(["operator", "keygen", "--name", "ada", "--out", path]).not_judged("cannot_write");
    // And one that others may have read is not used.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
    verify(["operator", "entry", "--key", path]).not_judged("key_permissions");
    verify(["operator", "keygen", "--name", " ", "--out", "x"]).not_judged("operator_name");
}

#[test]
fn every_command_explains_itself() {
    for command in [
        &["operator", "keygen"][..],
        &["operator", "entry"],
        &["operator", "genesis"],
        &["operator", "check-genesis"],
        &["operator", "post-share"],
        &["operator", "status"],
        &["operator", "set-secret"],
        &["operator", "backup"],
        &["operator", "restore"],
        &["operator", "upgrade"],
        &["release", "keygen"],
        &["release", "prepare"],
        &["release", "sign"],
    ] {
        let help = verify(command.iter().copied().chain(["--help"])).accepted();
        assert!(help.stdout.contains("--json"), "{help:?}");
        verify(command.iter().copied().chain(["--frobnicate"])).not_judged_usage();
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing_in_the_way() {
    let files = Files::new();
    let path = files.path("ada.key");
    let path = path.to_str().unwrap();
    let keygen = ["operator", "keygen", "--name", "ada", "--out", path];
    // As on a full disk: the file is made, and nothing can be written into it.
    let full = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"",
            PROGRAM,
        ])
        .args(keygen)
        .output()
        .unwrap();
    let told = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(2), "{told}");
    assert!(
        told.contains("cannot_write") && told.contains(path),
        "{told}"
    );
    assert!(!std::path::Path::new(path).exists());
    verify(keygen).accepted();
}

#[test]
fn a_key_of_another_kind_is_named() {
    let files = Files::new();
    let path = files.path("maintainer.json");
    let path = path.to_str().unwrap();
    verify(["release", "keygen", "--out", path]).accepted();
    let ran = verify(["operator", "entry", "--key", path]).not_judged("key_file");
    let words = "“openkey release key”, not “openkey operator key”";
    assert!(ran.stderr.contains(words), "{ran:?}");
    // What is no key is named so, whoever may read it.
    let ran = verify(["operator", "entry", "--key", &files.write("x", "{}")]);
    ran.not_judged("key_file");
}
