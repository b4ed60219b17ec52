//! `openkey operator backup` and `restore`.

use serde_json::{Value, json};

use crate::{deployment::Deployment, harness::verify};

#[test]
fn a_backup_gives_back_what_it_was_made_of() {
    let deployment = Deployment::provisioned();
    let [dir, backup, again, ada] =
        ["g", "backup.json", "again", "ada.key"].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let args = ["--root-id", &root_id, "--key", &ada];
    let make = ["operator", "backup", "--dir", &dir, "--out", &backup];
    verify(make.iter().chain(&args)).accepted();
    let restore = ["operator", "restore", &backup, "--dir", &again];
    verify(restore.iter().chain(&args)).accepted();
    for (name, bytes) in deployment.genesis_files() {
        let path = deployment.files.path("again").join(&name);
        assert_eq!(std::fs::read(path).unwrap(), bytes, "{name}");
    }
    // Again changes nothing; over another file it is refused.
    verify(restore.iter().chain(&args)).accepted();
    deployment.files.write("again/descriptor.bin", "other");
    verify(restore.iter().chain(&args)).not_judged("cannot_write");
}

#[test]
fn k9_a_backup_of_another_root_key_is_refused() {
    let ours = Deployment::provisioned();
    let theirs = Deployment::provisioned();
    let (dir, backup) = (theirs.path("g"), ours.path("backup.json"));
    let (root_id, other) = (ours.root_id(), theirs.root_id());
    let ada = theirs.path("ada.key");
    let make = [
        "operator",
        "backup",
        "--dir",
        &dir,
        "--out",
        &backup,
        "--key",
        &ada,
        "--root-id",
    ];
    let ran = verify(make.iter().chain(&[root_id.as_str()])).refused("root_id");
    for words in [root_id.as_str(), &other, &dir, "of two deployments"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    verify(make.iter().chain(&[other.as_str()])).accepted();
    let again = ours.path("again");
    let restore = [
        "operator",
        "restore",
        &backup,
        "--dir",
        &again,
        "--key",
        &ada,
        "--root-id",
    ];
    let ran = verify(restore.iter().chain(&[root_id.as_str()])).refused("root_id");
    for words in [&root_id, &other, &backup] {
        assert!(ran.stderr.contains(words.as_str()), "{words} in {ran:?}");
    }
    assert!(!ours.files.path("again").exists());
}

#[test]
fn a_damaged_or_mixed_backup_is_refused() {
    let deployment = Deployment::provisioned();
    let [dir, backup, again, ada] =
        ["g", "backup.json", "again", "ada.key"].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let make = [
        "operator",
        "backup",
        "--dir",
        &dir,
        "--out",
        &backup,
        "--root-id",
        &root_id,
        "--key",
        &ada,
    ];
    verify(make).accepted();
    let good: Value = serde_json::from_slice(&std::fs::read(&backup).unwrap()).unwrap();
    let restore = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        let file = deployment.files.write("bad.json", bad.to_string());
        verify([
            "operator",
            "restore",
            &file,
            "--dir",
            &again,
            "--root-id",
            &root_id,
            "--key",
            &ada,
        ])
    };
    restore(&|file| file["files"]["descriptor.bin"]["base64"] = json!("AAAA"))
        .refused("backup_damaged");
    restore(&|file| {
        file["files"]["descriptor.bin"] = file["files"]["configuration.json"].clone();
    })
    .refused("backup_foreign");
    restore(&|file| {
        file["files"]
            .as_object_mut()
            .unwrap()
            .remove("genesis.json");
    })
    .refused("backup_missing");
    restore(&|file| {
        file["files"]["../x"] = file["files"]["genesis.json"].clone();
    })
    .refused("backup_unknown");
    restore(&|file| file["version"] = json!(3)).refused("backup_file");
    assert!(!deployment.files.path("again").exists());
    // A configuration without this root id belongs to no backup of it.
    let text = json!(deployment.configuration["rp_id"]);
    deployment
        .files
        .write("g/configuration.json", text.to_string());
    let other = deployment.path("other.json");
    let make = [
        "operator",
        "backup",
        "--dir",
        &dir,
        "--out",
        &other,
        "--root-id",
        &root_id,
        "--key",
        &ada,
    ];
    verify(make).refused("backup_file");
}

#[test]
fn k9_every_file_of_a_backup_is_held_to_the_root_id() {
    let deployment = Deployment::provisioned_with_kms();
    let root_id = deployment.root_id();
    let dir = deployment.path("g");
    let out = deployment.path("backup.json");
    let ada = deployment.path("ada.key");
    let make = || {
        verify([
            "operator",
            "backup",
            "--dir",
            &dir,
            "--out",
            &out,
            "--root-id",
            &root_id,
            "--key",
            &ada,
        ])
    };
    let good = deployment.genesis_files();
    let put = |name: &str, bytes: &[u8]| deployment.files.write(&format!("g/{name}"), bytes);
    // Somebody else's wrapped root key, or none.
    let wrapped = &good["wrapped.bin"];
    let mut foreign = wrapped.clone();
    *foreign.last_mut().unwrap() ^= 1;
    put("wrapped.bin", &foreign);
    make().refused("backup_foreign");
    std::fs::remove_file(deployment.files.path("g/wrapped.bin")).unwrap();
    make().refused("backup_missing");
    put("wrapped.bin", wrapped);
    // A configuration for another root key, for none, or of other operators.
    let configuration = |change: &dyn Fn(&mut Value)| {
        let mut changed = deployment.configuration.clone();
        change(&mut changed);
        put("configuration.json", changed.to_string().as_bytes());
        make()
    };
    configuration(&|c| c["root_id"] = json!("17".repeat(32))).refused("backup_foreign");
    configuration(&|c| c["root_id"] = Value::Null).refused("backup_foreign");
    configuration(&|c| c["operators"]["threshold"] = json!(1)).refused("operators");
    put("configuration.json", &good["configuration.json"]);
    make().accepted();
    // And the backup as a whole.
    let mut backup: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    backup["root_id"] = json!("17".repeat(32));
    let file = deployment.files.write("bad.json", backup.to_string());
    let again = deployment.path("again");
    verify([
        "operator",
        "restore",
        &file,
        "--dir",
        &again,
        "--root-id",
        &root_id,
        "--key",
        &ada,
    ])
    .refused("root_id");
}

#[test]
fn a_restore_that_fails_leaves_nothing_behind() {
    let deployment = Deployment::provisioned();
    let [dir, backup, again, ada] =
        ["g", "backup.json", "new/again", "ada.key"].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let args = ["--root-id", &root_id, "--key", &ada];
    let make = ["operator", "backup", "--dir", &dir, "--out", &backup];
    verify(make.iter().chain(&args)).accepted();
    let restore = ["operator", "restore", &backup, "--dir", &again];
    std::fs::create_dir_all(&again).unwrap();
    let kept = deployment.files.path("new/again/genesis.json");
    for name in ["approval.json", "genesis.json"] {
        let other = deployment
            .files
            .write(&format!("new/again/{name}"), "other");
        verify(restore.iter().chain(&args)).not_judged("cannot_write");
        let left = std::fs::read_dir(&again).unwrap().count();
        assert_eq!(left, 1, "only {name}");
        std::fs::remove_file(other).unwrap();
    }
    // A file in its way where only the writing finds out: a link that leads nowhere.
    std::os::unix::fs::symlink("/nowhere/at/all", &kept).unwrap();
    verify(restore.iter().chain(&args)).not_judged("cannot_write");
    assert_eq!(std::fs::read_dir(&again).unwrap().count(), 1);
    std::fs::remove_file(&kept).unwrap();
    verify(restore.iter().chain(&args)).accepted();
}

#[test]
fn every_operator_makes_a_backup_with_an_approval_of_their_own() {
    let deployment = Deployment::provisioned();
    let [dir, backup, again, ben] =
        ["g", "ben.json", "again", "ben.key"].map(|name| deployment.path(name));
    let root_id = deployment.root_id();
    let make = |more: &[&str]| {
        let args = ["operator", "backup", "--dir", &dir, "--out", &backup];
        let own = ["--root-id", &root_id, "--key", &ben];
        verify(args.iter().chain(&own).chain(more))
    };
    // approval.json is the word of whoever held the genesis.
    let ran = make(&[]).refused("approval_signature");
    for words in [
        &format!("{dir}/approval.json"),
        "--approval FILE",
        "--out FILE",
    ] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    let missing = deployment.path("missing.json");
    let ran = make(&["--approval", &missing]).not_judged("approval_missing");
    assert!(ran.stderr.contains(&missing), "{ran:?}");
    let configuration: Value =
        serde_json::from_slice(&deployment.genesis_files()["configuration.json"]).unwrap();
    let approval = deployment.approve(&deployment.keys[1], &configuration);
    make(&["--approval", &approval]).accepted();
    let restore = |key: &str| {
        let args = ["operator", "restore", &backup, "--dir", &again];
        verify(args.iter().chain(&["--root-id", &root_id, "--key", key]))
    };
    // Each restores the own one.
    let ran = restore(&deployment.path("ada.key")).refused("approval_signature");
    for words in [backup.as_str(), "another operator"] {
        assert!(ran.stderr.contains(words), "{words} in {ran:?}");
    }
    assert!(!ran.stderr.contains("sign your own"), "{ran:?}");
    restore(&ben).accepted();
    let json = |path: &std::path::Path| -> Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let restored = json(&deployment.files.path("again/approval.json"));
    assert_eq!(restored, json(approval.as_ref()));
}
