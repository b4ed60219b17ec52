//! H11: a node that is killed again and again while it serves a mixed load on a disk that is nearly full.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use openkey_capability::ucan::Ucan;

use super::disks::{soon, start, value};
use super::process::{Process, now, own, signal};
use super::tmpfs::Disk;
use super::tokens::{Says, did, headers};

/// What a client knows of something that it has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was answered that it is there.
    There,
    /// It was answered that it is not, or no longer.
    Gone,
    /// There was no answer, or one that says that nobody knows.
    Unknown,
}

/// `asked` is what an answer of 200 means; whoever is refused has changed nothing.
fn known(status: Option<u16>, asked: Known, before: Known) -> Known {
    match status {
        Some(200) => asked,
        Some(400..=499 | 507) => before,
        _ => Known::Unknown,
    }
}

/// All that was asked for in all rounds.
#[derive(Default)]
struct Asked {
    values: BTreeMap<usize, Known>,
    rows: BTreeMap<usize, Known>,
    /// What was delegated and whether it stands.
    grants: Vec<(Ucan, Known)>,
}

/// Values: every third is deleted again.
fn values(node: &Process, asked: &Mutex<Asked>, numbers: impl Iterator<Item = usize>) {
    for n in numbers {
        let key = format!("kv/{n}");
        asked.lock().unwrap().values.insert(n, Known::Unknown);
        let put = node.try_invoke(&key, "tinycloud.kv/put", &value(n));
        let there = known(put, Known::There, Known::Gone);
        asked.lock().unwrap().values.insert(n, there);
        if n % 3 == 0 && there == Known::There {
            asked.lock().unwrap().values.insert(n, Known::Unknown);
            let deleted = node.try_invoke(&key, "tinycloud.kv/del", b"");
            let gone = known(deleted, Known::Gone, Known::There);
            asked.lock().unwrap().values.insert(n, gone);
        }
    }
}

/// One row in each of two tables, together.
fn rows(node: &Process, asked: &Mutex<Asked>, numbers: impl Iterator<Item = usize>) {
    for n in numbers {
        let text = format!(
            r#"{{"action":"batch","statements":[{{"sql":"INSERT INTO t VALUES ({n}, zeroblob(2000))"}},{{"sql":"INSERT INTO u VALUES ({n})"}}]}}"#
        );
        asked.lock().unwrap().rows.insert(n, Known::Unknown);
        let done = node.try_invoke("sql/main", "tinycloud.sql/*", text.as_bytes());
        let there = known(done, Known::There, Known::Gone);
        asked.lock().unwrap().rows.insert(n, there);
    }
}

/// Delegations: every other is revoked again.
fn grants(node: &Process, asked: &Mutex<Asked>, count: usize) {
    for n in 0..count {
        let grant = Says {
            until: now() + 3600,
            ..Says::default()
        };
        let grant = grant.ucan();
        let place = {
            let mut asked = asked.lock().unwrap();
            asked.grants.push((grant.clone(), Known::Unknown));
            asked.grants.len() - 1
        };
        let tell = |known| asked.lock().unwrap().grants[place].1 = known;
        let posted = node.try_ask("POST", "/delegate", &headers(grant.token()), b"");
        let there = known(posted.map(|it| it.status), Known::There, Known::Gone);
        tell(there);
        if n % 2 == 0 && there == Known::There {
            tell(Known::Unknown);
            let path = format!("delegation/{}", grant.cid());
            let token = own(&path, "tinycloud.delegation/revoke");
            let revoked = node.try_ask("POST", "/revoke", &token, b"");
            tell(known(
                revoked.map(|it| it.status),
                Known::Gone,
                Known::There,
            ));
        }
    }
}

/// The numbers in a table, in order.
fn numbers(node: &Process, table: &str) -> Vec<usize> {
    let body = format!(r#"{{"action":"query","sql":"SELECT n FROM {table} ORDER BY n"}}"#);
    let answer = soon("select", || {
        node.invoke("sql/main", "tinycloud.sql/*", body.as_bytes())
    });
    let found: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let rows = found["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| usize::try_from(row[0].as_u64().unwrap()).unwrap())
        .collect()
}

/// Everything is as it was answered, and as a whole or not at all where nothing was.
fn check(disk: &Disk, node: &Process, asked: &mut Asked) {
    for (n, known) in &mut asked.values {
        let found = match node.get(&n.to_string()) {
            missing if missing.status == 404 => Known::Gone,
            found => {
                let found = if found.status == 200 {
                    found
                } else {
                    let (free, said) = (disk.free(), node.said());
                    eprintln!("value {n}: {found:?}; {free} free; it said: {said}");
                    // what was held back may have to be given up first
                    soon("get", || node.get(&n.to_string()))
                };
                assert!(found.body == value(*n), "value {n} is another");
                Known::There
            }
        };
        assert!(
            [found, Known::Unknown].contains(known),
            "value {n}: {known:?}, but {found:?}"
        );
        *known = found;
    }
    let (first, second) = (numbers(node, "t"), numbers(node, "u"));
    assert_eq!(first, second, "a batch was done by half");
    let found: BTreeSet<_> = first.iter().copied().collect();
    assert_eq!(found.len(), first.len(), "a row was written twice");
    assert!(found.iter().all(|n| asked.rows.contains_key(n)));
    for (n, known) in &mut asked.rows {
        let found = if found.contains(n) {
            Known::There
        } else {
            Known::Gone
        };
        assert!(
            [found, Known::Unknown].contains(known),
            "row {n}: {known:?}, but {found:?}"
        );
        *known = found;
    }
    for (grant, known) in &mut asked.grants {
        let used = Says {
            from: 2,
            to: did(1),
            until: now() + 60,
            resource: "kv/none",
            abilities: &["tinycloud.kv/get"],
            proofs: &[grant.cid()],
            ..Says::default()
        };
        let answer = node.ask("POST", "/invoke", &used.headers(), b"");
        let found = if answer.status == 404 {
            Known::There
        } else {
            Known::Gone
        };
        assert!(
            [found, Known::Unknown].contains(known),
            "grant {}: {known:?}, but {answer:?}",
            grant.cid()
        );
        *known = found;
    }
}

/// Four rounds, or as many as `OPENKEY_KILL_ROUNDS` says.
#[test]
fn h11_killed_on_a_full_disk_a_node_loses_nothing_acknowledged() {
    let rounds = std::env::var("OPENKEY_KILL_ROUNDS").map_or(4, |it| it.parse().unwrap());
    let disk = Disk::of(24);
    let asked = Mutex::new(Asked::default());
    let mut node = start(&disk);
    node.host();
    for table in ["t (n, b)", "u (n)"] {
        let body = format!(r#"{{"action":"execute","sql":"CREATE TABLE {table}"}}"#);
        let made = node.invoke("sql/main", "tinycloud.sql/*", body.as_bytes());
        assert_eq!(made.status, 200, "{made:?}");
    }
    for round in 0..rounds {
        thread::scope(|scope| {
            let (node, asked) = (&node, &asked);
            for worker in 0..2 {
                let first = (round * 2 + worker) * 1000;
                scope.spawn(move || values(node, asked, first..first + 60));
            }
            scope.spawn(move || rows(node, asked, round * 1000..round * 1000 + 200));
            scope.spawn(move || grants(node, asked, 20));
            thread::sleep(Duration::from_millis(400 + 130 * (round as u64 % 7)));
            if round % 5 == 2 {
                disk.fill();
            }
            signal(node.pid(), "KILL");
        });
        drop(node);
        if round % 5 == 2 {
            disk.empty();
        }
        node = start(&disk);
        check(&disk, &node, &mut asked.lock().unwrap());
    }
    let asked = asked.into_inner().unwrap();
    let count = |known| asked.values.values().filter(|it| **it == known).count();
    eprintln!(
        "{rounds} rounds: {} values there, {} gone; {} rows; {} grants",
        count(Known::There),
        count(Known::Gone),
        asked
            .rows
            .values()
            .filter(|it| **it == Known::There)
            .count(),
        asked.grants.len(),
    );
    assert!(count(Known::There) > 0);
    node.end();
    let checked = disk
        .node()
        .args(["check", "--dir", disk.dir().to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}");
}
