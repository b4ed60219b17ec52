//! What `openkey-node check` says of a node whose data is gone or was changed, and that neither a backup
//! nor what is restored from one is called whole then.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use openkey_node::delegation::{delegate, revoke};
use rusqlite::Connection;
use serde_json::Value;

use crate::filled::{ended, files, filled};
use crate::tokens::{NOW, Says, did, headers, space};

/// What is at stake: a sentence of a change to the store, and what a check must say.
type Damage<'a> = (&'a str, &'a [&'a str]);

fn program(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openkey-node"))
        .args(args)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a check that finds something prints.
fn complaint(dir: &Path) -> String {
    let output = program(&["check", "--dir", text(dir)]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("restore a backup"), "{said}");
    said
}

/// What a check that finds nothing prints.
fn praise(dir: &Path) -> String {
    let output = program(&["check", "--dir", text(dir)]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

/// No copy of it is called whole.
fn no_backup(dir: &Path) {
    let outside = tempfile::tempdir().unwrap();
    let copy = outside.path().join("copy");
    let output = program(&["backup", "--dir", text(dir), text(&copy)]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!copy.join("openkey-node-backup").exists());
    let new = outside.path().join("new");
    let output = program(&["restore", "--dir", text(&new), text(&copy)]);
    assert_eq!(output.status.code(), Some(1));
}

/// A node with delegations and a revocation as well.
async fn delegated() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let node = filled(dir.path()).await;
    let mut cids = Vec::new();
    for _ in 0..2 {
        let granted = Says::default().ucan();
        delegate(&node, &headers(granted.token())).await.unwrap();
        cids.push(granted.cid());
    }
    let path = format!("urn:cid:{}", cids[1]);
    let token = revoking(&path);
    revoke(&node, &headers(&token)).await.unwrap();
    node.store.close().await;
    drop(node);
    dir
}

/// A revocation is about a name and not about what is in the space.
fn revoking(resource: &str) -> String {
    use openkey_capability::ability::Ability;
    use openkey_capability::attenuation::Attenuation;
    let ability = Ability::parse("tinycloud.delegation/revoke").unwrap();
    let grant = Attenuation::new().with(resource, ability);
    crate::tokens::raw(1, &did(1), NOW + 60, &[], grant)
}

fn change(dir: &Path, sql: &str) {
    let store = Connection::open(dir.join("node.sqlite3")).unwrap();
    // a program that damages a store asks nobody
    let free = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;";
    store.execute_batch(free).unwrap();
    store.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn databases_that_are_gone_are_named() {
    let dir = ended().await;
    assert!(praise(dir.path()).contains("2 databases"));
    let sql = files(&dir.path().join("sql"));
    let main = sql.iter().find(|it| it.extension().unwrap() == "sqlite3");
    let main = main.unwrap();
    fs::write(main, "").unwrap();
    let said = complaint(dir.path());
    let named = |name: &str| said.contains(&format!("space {}, database {name}: ", space()));
    assert!(named("main") != named("a/main"), "{said}");
    no_backup(dir.path());
    fs::remove_dir_all(dir.path().join("sql")).unwrap();
    let said = complaint(dir.path());
    for name in ["main", "a/main"] {
        let expected = format!("space {}, database {name}: ", space());
        assert!(said.contains(&expected), "{said}");
    }
    no_backup(dir.path());
}

#[tokio::test]
async fn changed_values_are_named() {
    // values 0, 2, 4 are in the store, 1, 3, 5 in blobs
    let damages: &[Damage<'_>] = &[
        (
            "UPDATE value SET inline = zeroblob(length(inline)) WHERE key = '0'",
            &["value 0: "],
        ),
        (
            "UPDATE value SET hash = zeroblob(32)",
            &["value 0: ", "value 1: ", "value 4: ", "value 5: "],
        ),
        (
            "UPDATE value SET size = size + 1 WHERE key IN ('2', '3');
             UPDATE space SET value_bytes = value_bytes + 2",
            &["value 2: ", "value 3: "],
        ),
        (
            "UPDATE value SET inline = x'00' WHERE key = '0'",
            &["value 0: "],
        ),
        (
            "UPDATE value SET headers = '{' WHERE key = '2'",
            &["value 2: "],
        ),
        (
            "UPDATE value SET blob = '../../node.key' WHERE key = '1'",
            &["value 1: "],
        ),
        (
            // it would be removed within minutes
            "INSERT INTO garbage (blob, since_ms, staged, bytes) SELECT blob, 0, 0, 0 FROM value WHERE key = '3'",
            &["value 3: "],
        ),
    ];
    for (sql, expected) in damages {
        let dir = ended().await;
        change(dir.path(), sql);
        let said = complaint(dir.path());
        for text in *expected {
            let text = format!("space {}, {text}", space());
            assert!(said.contains(&text), "{sql}: {said}");
        }
        no_backup(dir.path());
    }
}

#[tokio::test]
async fn changed_delegations_and_other_rows_are_named() {
    let damages: &[Damage<'_>] = &[
        (
            "UPDATE delegation SET token = CAST(token || x'00' AS BLOB) WHERE id = 1",
            &["delegation bafkr4i"],
        ),
        (
            "UPDATE delegation SET token = (SELECT token FROM delegation WHERE id = 2) WHERE id = 1",
            &["delegation bafkr4i"],
        ),
        (
            "UPDATE delegation SET statement = zeroblob(32) WHERE id = 1",
            &["delegation bafkr4i"],
        ),
        (
            "DELETE FROM delegation_party WHERE delegation = 1 AND direction = 1",
            &["delegation bafkr4i"],
        ),
        (
            "DELETE FROM delegation_space WHERE delegation = 1",
            &["delegation bafkr4i"],
        ),
        (
            "UPDATE revocation SET target = (SELECT statement FROM delegation WHERE id = 1)",
            &["revocation "],
        ),
        (
            "UPDATE revocation SET revoker = 'did:key:nobody'",
            &["revocation "],
        ),
        ("UPDATE revocation SET token = x'00'", &["revocation "]),
        // refers to what is not there
        ("DELETE FROM delegation WHERE id = 1", &["delegation_party"]),
        ("UPDATE space SET owner = 'did:key:nobody'", &["space "]),
        (
            "INSERT INTO ticket VALUES (zeroblob(32), 'nowhere', 'k', zeroblob(32), 1, x'', NULL)",
            &["ticket "],
        ),
        (
            "INSERT INTO garbage (blob, since_ms) VALUES ('../node.key', 0)",
            &["reservation "],
        ),
        (
            "INSERT INTO sql_database SELECT id, '', 0 FROM space",
            &["database : "],
        ),
    ];
    for (sql, expected) in damages {
        let dir = delegated().await;
        assert!(praise(dir.path()).contains("2 delegations"));
        change(dir.path(), sql);
        let said = complaint(dir.path());
        for text in *expected {
            assert!(said.contains(text), "{sql}: {said}");
        }
        no_backup(dir.path());
    }
}

#[tokio::test]
async fn findings_are_in_json_with_space_and_key() {
    let dir = ended().await;
    change(
        dir.path(),
        "UPDATE value SET inline = zeroblob(length(inline)) WHERE key = '4'",
    );
    let output = program(&["check", "--json", "--dir", text(dir.path())]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finding = &said["findings"][0];
    assert_eq!(finding["part"], "value");
    assert_eq!(finding["space"], space().to_string());
    assert_eq!(finding["key"], "4");
    assert_eq!(finding["advice"], "restore a backup");
    assert_eq!(said["findings_in_all"], 1);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.ends_with(" is not whole: 1 finding\n"), "{error}");
}

#[tokio::test]
async fn files_that_no_row_lists_are_named_and_are_no_damage() {
    let dir = ended().await;
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let mut strays = Vec::new();
    for (name, content) in [
        (
            "blobs/00/00000000000000000000000000000000",
            &b"a blob of nobody"[..],
        ),
        ("blobs/00/notes.txt", b"x"),
        ("sql/notes.txt", b"x"),
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        strays.push(path);
    }
    let nobody = format!("sql/{}.sqlite3", "0".repeat(64));
    let nobody = dir.path().join(nobody);
    Connection::open(&nobody)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    strays.push(nobody.clone());
    for stray in &strays {
        let file = fs::File::options().write(true).open(stray).unwrap();
        file.set_modified(old).unwrap();
    }
    let said = praise(dir.path());
    for stray in &strays {
        let expected = format!("{}: garbage", stray.display());
        assert!(said.contains(&expected), "{expected}: {said}");
    }
    assert_eq!(said.matches("garbage").count(), strays.len(), "{said}");
    // whoever asks for a database is answered from its file, listed or not
    fs::write(&nobody, "damaged").unwrap();
    let said = complaint(dir.path());
    assert!(said.contains(nobody.to_str().unwrap()), "{said}");
}

#[tokio::test]
async fn what_is_restored_from_a_changed_backup_is_no_node() {
    let outside = tempfile::tempdir().unwrap();
    let dir = ended().await;
    let damages: &[&dyn Fn(&Path)] = &[
        &|copy| change(copy, "UPDATE value SET inline = zeroblob(length(inline))"),
        &|copy| fs::write(&files(&copy.join("blobs"))[0], "x").unwrap(),
        &|copy| fs::remove_file(&files(&copy.join("sql"))[0]).unwrap(),
        &|copy| fs::write(copy.join("node.key"), "x").unwrap(),
        &|copy| {
            let path = copy.join("node.sqlite3");
            let mut bytes = fs::read(&path).unwrap();
            bytes[8192..12_288].fill(0x55);
            fs::write(path, bytes).unwrap();
        },
    ];
    for (number, damage) in damages.iter().enumerate() {
        let copy = outside.path().join(format!("copy{number}"));
        let new = outside.path().join(format!("new{number}"));
        let output = program(&["backup", "--dir", text(dir.path()), text(&copy)]);
        assert!(output.status.success(), "{output:?}");
        damage(&copy);
        let output = program(&["restore", "--dir", text(&new), text(&copy)]);
        assert_eq!(output.status.code(), Some(1), "{number}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("backup"), "{number}: {said}");
        assert!(!new.join("node.key").exists(), "{number}");
    }
}
