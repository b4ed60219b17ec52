//! H11: full disks.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use openkey_capability::ucan::Ucan;

use super::process::{Answer, NODE, Process, now, on, own, start_with};
use super::tmpfs::Disk;
use super::tokens::{Says, headers};

const MIB: u64 = 1 << 20;
/// Free bytes that the nodes of these tests keep.
const RESERVE: u64 = 4 * MIB;

pub(super) fn start(disk: &Disk) -> Process {
    start_with(on(disk.node(), &disk.dir()).args(["--reserve-bytes", &RESERVE.to_string()]))
}

/// What is in the place of a key: of different sizes, in the store and in blobs.
pub(super) fn value(n: usize) -> Vec<u8> {
    let sizes = [10, 60_000, 300_000, 5_000];
    let byte = u8::try_from(n % 251).unwrap();
    vec![byte; sizes[n % sizes.len()]]
}

fn granted(node: &Process) -> (Ucan, Answer) {
    let grant = Says {
        until: now() + 3600,
        ..Says::default()
    }
    .ucan();
    let answer = node.ask("POST", "/delegate", &headers(grant.token()), b"");
    (grant, answer)
}

fn revoke(node: &Process, grant: &Ucan) -> Answer {
    let path = format!("delegation/{}", grant.cid());
    let token = own(&path, "tinycloud.delegation/revoke");
    node.ask("POST", "/revoke", &token, b"")
}

fn sql(node: &Process, text: &str) -> Answer {
    let body = format!(r#"{{"action":"execute","sql":"{text}"}}"#);
    node.invoke("sql/main", "tinycloud.sql/*", body.as_bytes())
}

fn select(node: &Process) -> Answer {
    let body = br#"{"action":"query","sql":"SELECT count(*) FROM t"}"#;
    node.invoke("sql/main", "tinycloud.sql/*", body)
}

/// What was held back for this is given up within a second or two.
pub(super) fn soon(what: &str, mut ask: impl FnMut() -> Answer) -> Answer {
    let began = Instant::now();
    loop {
        let answer = ask();
        if answer.status == 200 || began.elapsed() > Duration::from_secs(5) {
            assert_eq!(
                answer.status,
                200,
                "{what}: {} {}",
                answer.head,
                answer.text()
            );
            return answer;
        }
        assert!(matches!(answer.status, 507 | 503), "{what}: {answer:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Puts until it is refused, and says what is there.
fn fill_up(node: &Process) -> BTreeMap<usize, Vec<u8>> {
    let mut kept = BTreeMap::new();
    let mut refused = 0;
    for n in 0.. {
        assert!(n < 2000, "it never ends");
        let answer = node.put(&n.to_string(), &value(n));
        match answer.status {
            200 => {
                kept.insert(n, value(n));
                refused = 0;
            }
            507 => {
                assert!(answer.text().contains("disk is full"), "{answer:?}");
                refused += 1;
            }
            // a body that is not read: the answer may be lost
            _ => panic!("{answer:?}"),
        }
        // of every size
        if refused == 8 {
            break;
        }
    }
    kept
}

fn is_all_there(node: &Process, kept: &BTreeMap<usize, Vec<u8>>) {
    for (n, value) in kept {
        let got = soon("get", || node.get(&n.to_string()));
        assert!(got.body == *value, "{n} is another");
    }
}

#[test]
fn h11_own_puts_end_at_the_reserve_and_all_else_goes_on() {
    let disk = Disk::of(24);
    let node = start(&disk);
    node.host();
    assert_eq!(sql(&node, "CREATE TABLE t (a)").status, 200);
    assert_eq!(sql(&node, "INSERT INTO t VALUES (1)").status, 200);
    let (grant, answer) = granted(&node);
    assert_eq!(answer.status, 200);
    assert_eq!(node.get_at("/readyz").status, 200);
    let mut kept = fill_up(&node);
    assert!(kept.len() > 20, "{}", kept.len());
    // the file that is held back is a part of the reserve
    assert!(disk.free() > RESERVE / 8, "{} are free", disk.free());
    // what was found a second ago is answered
    std::thread::sleep(Duration::from_secs(1));
    let ready = node.get_at("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.text().contains("disk"), "{ready:?}");
    assert_eq!(node.get_at("/healthz").status, 200);
    assert_eq!(granted(&node).1.status, 507);
    let hosted = node.invoke("space/s", "tinycloud.space/create", b"");
    assert!(matches!(hosted.status, 409 | 507), "{hosted:?}");
    assert_eq!(select(&node).status, 200);
    assert_eq!(sql(&node, "DELETE FROM t").status, 200);
    is_all_there(&node, &kept);
    assert_eq!(revoke(&node, &grant).status, 200);
    let deleted: Vec<usize> = kept.keys().copied().step_by(2).collect();
    for n in deleted {
        let answer = node.delete(&n.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        kept.remove(&n);
        assert_eq!(node.get(&n.to_string()).status, 404);
    }
    is_all_there(&node, &kept);
}

#[test]
fn h11_a_disk_that_somebody_else_fills_is_survived() {
    let disk = Disk::of(24);
    let node = start(&disk);
    node.host();
    assert_eq!(sql(&node, "CREATE TABLE t (a)").status, 200);
    let (grant, answer) = granted(&node);
    assert_eq!(answer.status, 200);
    let mut kept = BTreeMap::new();
    for n in 0..12 {
        assert_eq!(node.put(&n.to_string(), &value(n)).status, 200);
        kept.insert(n, value(n));
    }
    disk.fill();
    for n in 0..4 {
        let answer = node.put("new", &value(n));
        assert_eq!(answer.status, 507, "{answer:?}");
    }
    soon("select", || select(&node));
    // as many readings as fill the log several times over
    for _ in 0..40 {
        is_all_there(&node, &kept);
    }
    soon("revoke", || revoke(&node, &grant));
    soon("delete", || node.delete("1"));
    kept.remove(&1);
    let large = "INSERT INTO t VALUES (zeroblob(100000))";
    assert_eq!(sql(&node, large).status, 507);
    assert_eq!(node.get_at("/readyz").status, 503);
    // and it starts on a full disk
    node.kill();
    disk.fill();
    let node = start(&disk);
    is_all_there(&node, &kept);
    disk.empty();
    soon("put", || node.put("new", &value(2)));
    soon("insert", || sql(&node, large));
    soon("ready", || node.get_at("/readyz"));
}

/// What is more than a quarter of the room that is left may not be written; it is read all the same, also by
/// whoever may write.
#[test]
fn h11_a_database_that_is_larger_than_what_is_held_back_is_read_on_a_full_disk() {
    let disk = Disk::of(24);
    let node = start(&disk);
    node.host();
    assert_eq!(sql(&node, "CREATE TABLE t (a)").status, 200);
    let large = format!("INSERT INTO t VALUES (zeroblob({}))", RESERVE / 2);
    assert_eq!(sql(&node, &large).status, 200);
    fill_up(&node);
    let answer = select(&node);
    assert_eq!(answer.status, 200, "{answer:?}");
    let refused = sql(&node, "DELETE FROM t");
    assert_eq!(refused.status, 507);
    assert!(refused.text().contains("can only be read"), "{refused:?}");
    assert_eq!(sql(&node, "INSERT INTO t VALUES (1)").status, 507);
    let answer = select(&node);
    assert!(answer.text().contains("[[1]]"), "{answer:?}");
}

#[test]
fn h11_a_backup_that_its_disk_has_no_room_for_says_nothing_of_the_node() {
    let home = tempfile::tempdir().unwrap();
    let node = start_with(&mut on(Command::new(NODE), home.path()));
    node.host();
    for place in 0..12 {
        let key = format!("kv/{place}");
        let answer = node.invoke(&key, "tinycloud.kv/put", &value(place));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(sql(&node, "CREATE TABLE t (a)").status, 200);
    let row = "INSERT INTO t VALUES (hex(zeroblob(800000)))";
    assert_eq!(sql(&node, row).status, 200);
    // not all values, and all of them and not the database
    for mib in [1, 2] {
        let disk = Disk::of(mib);
        let mut backup = disk.node();
        backup.args(["backup", "--dir"]).arg(home.path());
        let output = backup.arg(disk.dir()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("could not be written"), "{mib}: {said}");
        let all = said + &String::from_utf8(output.stdout).unwrap();
        assert!(!all.contains("restore"), "{mib}: {all}");
    }
}
