//! H11: files of a node that are lost or damaged.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, HeaderValue};

use super::process::{Process, ask, own, program, refused, start, start_with};

/// What each value is, in the store and as a blob.
fn values() -> BTreeMap<String, Vec<u8>> {
    let sizes = [20, 3_000, 60_000, 100_000, 1_000_000];
    let value = |n: usize| {
        (
            format!("v{n}"),
            vec![u8::try_from(n).unwrap(); sizes[n % 5]],
        )
    };
    (0..50).map(value).collect()
}

fn filled(dir: &Path) -> Process {
    let node = start(dir);
    node.host();
    for (key, value) in values() {
        assert_eq!(node.put(&key, &value).status, 200);
    }
    node
}

fn checked(dir: &Path) -> String {
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_openkey-node"))
        .args(["check", "--dir", dir.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let said = [checked.stdout, checked.stderr].concat();
    String::from_utf8(said).unwrap()
}

fn store(dir: &Path, suffix: &str) -> PathBuf {
    dir.join(format!("node.sqlite3{suffix}"))
}

/// As a directory is that a test may spoil.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn h11_a_store_that_is_missing_or_cut_off_makes_no_new_node() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    filled(&home).end();
    let whole = std::fs::metadata(store(&home, "")).unwrap().len();
    let cuts = [
        None,
        Some(0),
        Some(1),
        Some(100),
        Some(4096),
        Some(whole / 2 / 4096 * 4096),
    ];
    for (n, cut) in cuts.into_iter().enumerate() {
        for with_mark in [true, false] {
            let spoilt = dir.path().join(format!("{n}-{with_mark}"));
            copy(&home, &spoilt);
            match cut {
                None => std::fs::remove_file(store(&spoilt, "")).unwrap(),
                Some(length) => {
                    let file = std::fs::File::options()
                        .write(true)
                        .open(store(&spoilt, ""));
                    let file = file.unwrap();
                    file.set_len(length).unwrap();
                }
            }
            if !with_mark {
                std::fs::remove_file(spoilt.join("node.mark")).unwrap();
            }
            let said = refused(&spoilt);
            assert!(said.contains("backup"), "{cut:?}: {said}");
            assert!(said.contains("node.sqlite3"), "{cut:?}: {said}");
            let length = std::fs::metadata(store(&spoilt, "")).map(|file| file.len());
            assert_eq!(length.ok(), cut, "it is left as it is");
            // nor is its copy a backup
            let to = dir.path().join(format!("copy-{n}-{with_mark}"));
            let backup = std::process::Command::new(env!("CARGO_BIN_EXE_openkey-node"))
                .args([
                    "backup",
                    "--dir",
                    spoilt.to_str().unwrap(),
                    to.to_str().unwrap(),
                ])
                .output()
                .unwrap();
            assert_eq!(backup.status.code(), Some(1), "{cut:?}");
        }
    }
    // nor does anything else that is left, but for a secret: one may be brought
    for left in [&["node.key"][..], &["node.key", "node.mark"], &["blobs"]] {
        let spoilt = dir.path().join(left.concat()).join("home");
        copy(&home, &spoilt);
        for entry in std::fs::read_dir(&spoilt).unwrap() {
            let path = entry.unwrap().path();
            if left.iter().any(|left| path.ends_with(left)) {
                continue;
            }
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        if left == ["node.key"] {
            start(&spoilt).host();
            continue;
        }
        let said = refused(&spoilt);
        assert!(said.contains("backup"), "{left:?}: {said}");
    }
}

#[test]
fn h11_a_first_start_that_was_interrupted_goes_on() {
    for made in [&["node.new"][..], &["node.new", "node.key"]] {
        let dir = tempfile::tempdir().unwrap();
        let node = start(dir.path());
        node.end();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !made.contains(&path.file_name().unwrap().to_str().unwrap()) {
                std::fs::remove_file(path).unwrap();
            }
        }
        std::fs::write(dir.path().join("node.new"), b"").unwrap();
        start(dir.path()).host();
        assert!(!dir.path().join("node.new").exists());
    }
}

/// The last commit that its log holds is not the last one that was acknowledged.
#[test]
fn h11_a_log_that_is_damaged_or_gone_after_a_kill_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let node = start(&home);
    node.host();
    for n in 0..50 {
        assert_eq!(node.put(&n.to_string(), &[7; 1000]).status, 200);
    }
    node.kill();
    let log = std::fs::metadata(store(&home, "-wal")).unwrap().len();
    assert!(log > 100_000, "all is in the log");
    for (n, place) in [
        None,
        Some(40),
        Some(log / 8),
        Some(log / 2),
        Some(log - 5000),
    ]
    .into_iter()
    .enumerate()
    {
        let spoilt = dir.path().join(n.to_string());
        copy(&home, &spoilt);
        let path = store(&spoilt, "-wal");
        match place {
            None => std::fs::remove_file(&path).unwrap(),
            Some(place) => {
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                file.write_all_at(&[0x55; 8], place).unwrap();
            }
        }
        // one that is gone is begun by whoever looks
        let before = std::fs::read(&path).unwrap_or_default();
        for _ in 0..2 {
            let said = refused(&spoilt);
            assert!(said.contains("acknowledged"), "{place:?}: {said}");
            assert!(said.contains("backup"), "{place:?}: {said}");
        }
        assert!(checked(&spoilt).contains("acknowledged"), "{place:?}");
        assert!(
            std::fs::read(&path).unwrap_or_default() == before,
            "it is left as it is"
        );
        // whoever has no backup may go on
        std::fs::remove_file(spoilt.join("node.mark")).unwrap();
        let node = start(&spoilt);
        assert_eq!(node.get_at("/readyz").status, 200);
        drop(node);
    }
    // and what is whole is not refused
    let node = start(&home);
    for n in 0..50 {
        assert_eq!(node.get(&n.to_string()).status, 200);
    }
    node.end();
    start(&home).kill();
    start(&home).end();
    // an older copy in its place
    let older = std::fs::read(store(&home, "")).unwrap();
    let node = start(&home);
    assert_eq!(node.put("later", b"a").status, 200);
    node.end();
    std::fs::write(store(&home, ""), older).unwrap();
    assert!(refused(&home).contains("acknowledged"));
}

fn flip(path: &Path, place: u64) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 1], place).unwrap();
}

/// Files of values below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn h11_a_value_that_is_not_what_was_stored_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = free.local_addr().unwrap();
    drop(free);
    let node = start_with(program(dir.path()).args(["--metrics-listen", &metrics.to_string()]));
    node.host();
    for (key, size) in [
        ("s", 100_000),
        ("m", 400_000),
        ("l", 3_000_000),
        ("i", 50_000),
    ] {
        assert_eq!(node.put(key, &vec![7; size]).status, 200);
        let got = node.get(key);
        assert!(got.is_whole && got.body == vec![7; size], "{key}");
    }
    for path in files(&dir.path().join("blobs")) {
        let length = std::fs::metadata(&path).unwrap().len();
        flip(&path, length / 2);
    }
    let connection = rusqlite::Connection::open(store(dir.path(), "")).unwrap();
    let changed = connection
        .execute(
            "UPDATE value SET inline = zeroblob(size) WHERE key = 'i'",
            (),
        )
        .unwrap();
    assert_eq!(changed, 1);
    for (key, size) in [("s", 100_000), ("m", 400_000), ("l", 3_000_000)] {
        let token = own(&format!("kv/{key}"), "tinycloud.kv/get");
        // where the first piece is the last, the connection may end before anything is sent
        if let Some(got) = ask(node.address, "POST", "/invoke", &token, b"") {
            assert!(!got.is_whole, "{key}: {}", got.head);
            assert!(got.body.len() < size, "{key}");
        }
    }
    assert_eq!(node.get("i").status, 500);
    node.hear("a value cannot be read");
    let host = HeaderMap::new();
    let counted = ask(metrics, "GET", "/metrics", &host, b"").unwrap().text();
    assert!(
        counted.contains("openkey_node_damaged_readings_total 4"),
        "{counted}"
    );
    // of a part nobody knows what it should be
    let mut headers = own("kv/l", "tinycloud.kv/get");
    headers.insert("range", HeaderValue::from_static("bytes=0-9"));
    let part = node.ask("POST", "/invoke", &headers, b"");
    assert_eq!((part.status, part.body), (206, vec![7; 10]));
    let checked = checked(dir.path());
    assert!(checked.contains("4"), "{checked}");
}

#[test]
fn h11_health_is_asked_by_many_and_tried_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = start_with(program(dir.path()).args(["--health-rate", "off"]));
    let tries = || -> i64 {
        let connection = rusqlite::Connection::open(store(dir.path(), "")).unwrap();
        let count = "SELECT count FROM probe";
        connection.query_row(count, (), |row| row.get(0)).unwrap()
    };
    let before = tries();
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let answer = node.ask("GET", "/readyz", &HeaderMap::new(), b"");
                    assert_eq!(answer.status, 200);
                }
            });
        }
    });
    let seconds = i64::try_from(began.elapsed().as_secs()).unwrap();
    let tried = tries() - before;
    assert!((1..=seconds + 2).contains(&tried), "{tried} in {seconds} s");
}

#[test]
fn h11_a_node_that_cannot_keep_files_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path());
    assert_eq!(node.get_at("/readyz").status, 200);
    let blobs = dir.path().join("blobs");
    let left: Vec<_> = std::fs::read_dir(&blobs).unwrap().collect();
    assert!(left.is_empty(), "a probe left {left:?}");
    std::fs::remove_dir(&blobs).unwrap();
    std::fs::write(&blobs, b"a file").unwrap();
    // what was found a second ago is answered
    std::thread::sleep(std::time::Duration::from_secs(1));
    let ready = node.get_at("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.text().contains("Files of values"), "{ready:?}");
    node.hear("not ready: Files of values");
}
