//! What people and machines do to a command: garbage, devices, closed outputs, servers that stall.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpListener,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use openkey_protocol::{
    cbor,
    message::{Bare, Call, Evidence, Reply, Request},
};
use serde_json::json;

use crate::harness::{Answer, Files, Live, Server, program, verify};

/// A server that answers every connection with these bytes, one after the other, slowly.
fn dribbling(bytes: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                for byte in bytes.iter().cycle() {
                    if stream.write_all(&[*byte]).is_err() {
                        return;
                    }
                    thread::sleep(pause);
                }
            });
        }
    });
    url
}

const SLOW_BODY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
    content-length: 60000\r\n\r\n{\"enclaves\":[                                               ";

#[test]
fn h1_a_server_that_dribbles_costs_the_timeout_and_no_more() {
    let files = Files::new();
    let release = json!({ "version": 1, "page": { "index.html": "00".repeat(32) } });
    let release = files.write("release.json", release.to_string());
    // One byte each second, and a body that comes faster and never ends.
    for (pause, bytes) in [(1_000, SLOW_BODY), (10, SLOW_BODY), (1_000, b"x")] {
        let url = dribbling(bytes, Duration::from_millis(pause));
        let receipt = format!("{url}/receipt.json");
        for args in [
            vec!["host", &url, "--any-measurement"],
            vec!["account", &receipt, "--any-measurement"],
            vec!["page", &url, "--release", &release],
        ] {
            let began = Instant::now();
            let ran = verify(args.iter().chain(&["--timeout", "3"]));
            let took = began.elapsed();
            assert!(took < Duration::from_secs(8), "{took:?}");
            // Bytes that are not HTTP may be seen as such before the time is over.
            if bytes == b"x" {
                assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
                continue;
            }
            assert!(took >= Duration::from_secs(3), "{took:?}");
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
            let mut lines = ran.stderr.lines();
            let waiting = lines.next().unwrap();
            assert!(waiting.starts_with("waiting for "), "{ran:?}");
            assert!(waiting.ends_with(" s of 3 s)"), "{ran:?}");
            let last = lines.last().unwrap();
            assert!(last.starts_with("error: timeout: "), "{ran:?}");
        }
    }
}

#[test]
fn enclaves_are_asked_at_once() {
    let live = Live::new();
    let files = Files::new();
    let policy = files.write("policy.json", live.policy());
    let server = Server::new(move |asked| {
        if asked.path == "/api/v1/enclaves" {
            let enclaves: Vec<_> = (0..8)
                .map(|n| json!({ "id": format!("e{n}"), "member": "m", "ready": true }))
                .collect();
            return Answer::json(&json!({ "enclaves": enclaves }));
        }
        if asked.path.contains("e3") {
            thread::sleep(Duration::from_secs(60));
        }
        thread::sleep(Duration::from_millis(1_500));
        let Ok(Call {
            request: Request::Evidence { nonce },
            ..
        }) = cbor::decode(&asked.body)
        else {
            return Answer::new(400, "text/plain", "no");
        };
        let document = live.document(nonce.as_slice()).into();
        let reply = Reply::Bare(Bare::Evidence(Evidence { document }));
        Answer::cbor(cbor::encode(&reply).unwrap())
    });
    // One after the other they would take twelve seconds without the one that hangs.
    let args = ["host", &server.url, "--policy", &policy, "--json"];
    let ran = verify(args.iter().chain(&["--timeout", "8"]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stderr.contains("waiting for evidence of enclave e3 of"),
        "{ran:?}"
    );
    let failed: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(failed.len(), 1, "{ran:?}");
    assert!(
        failed[0].starts_with("error: timeout: enclave e3: "),
        "{ran:?}"
    );
    let json = ran.json();
    let verdicts: Vec<_> = json["enclaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|enclave| enclave["verdict"].as_str().unwrap())
        .collect();
    let mut expected = ["accepted"; 8];
    expected[3] = "not judged";
    assert_eq!(verdicts, expected);
}

#[test]
fn a_wrong_timeout_is_a_usage_error() {
    for bad in ["0", "-1", "3601", "1.5", "", "soon"] {
        verify([
            "host",
            "http://localhost:1",
            "--any-measurement",
            "--timeout",
            bad,
        ])
        .not_judged_usage();
    }
}

#[test]
fn a_verdict_that_cannot_be_written_was_not_given() {
    let files = Files::new();
    let live = Live::new();
    let policy = files.write("policy.json", live.policy());
    let document = files.write("document", live.document(&[9; 32]));
    let good = [
        "document", &document, "--policy", &policy, "--at", "document",
    ];
    let bad = files.write("bad", "garbage!");
    let bad = [
        "document", &bad, "--policy", &policy, "--at", "document", "--json",
    ];
    for (args, code, rule) in [
        (&good[..], 2, "cannot_write"),
        (&[&good[..], &["--json"]].concat(), 2, "cannot_write"),
        (&["--help"], 2, "cannot_write"),
        (&["document", "--help"], 2, "cannot_write"),
        (&["--version"], 2, "cannot_write"),
        // What was refused stays refused.
        (&bad, 1, "document_encoding"),
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = program()
            .args(args)
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{args:?} {stderr}");
        assert!(stderr.starts_with(&format!("error: {rule}: ")), "{stderr}");
        assert!(stderr.contains("error: cannot_write: stdout: "), "{stderr}");
    }
    // A reader that has gone.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = program()
        .args(good)
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.starts_with("error: cannot_write: stdout: "),
        "{stderr}"
    );
}

/// Every file argument of every command, given a device, a directory, nothing and an endless file.
#[test]
fn odd_files_end_with_a_sentence_at_once() {
    let files = Files::new();
    let empty = files.write("empty", "");
    let blank = files.write("blank", " \n\n");
    let mark = files.write("mark", "\u{feff}{}");
    let array = files.write("array", "[]");
    let directory = files.path(".").to_str().unwrap().to_owned();
    let document = files.write("document", Live::new().document(&[9; 32]));
    let keys = json!({ "threshold": 1, "keys": ["11".repeat(32)] }).to_string();
    let keys = files.write("keys.json", keys);
    let pcr = format!("0={}", "a0".repeat(48));
    let began = Instant::now();
    for odd in [
        empty.as_str(),
        &blank,
        &mark,
        &array,
        &directory,
        "/dev/zero",
        "/dev/null",
        "/nowhere/at/all",
    ] {
        for args in [
            vec!["document", odd, "--at", "document", "--any-measurement"],
            vec!["document", &document, "--at", "document", "--policy", odd],
            vec![
                "document",
                &document,
                "--at",
                "document",
                "--any-measurement",
                "--root",
                odd,
            ],
            vec![
                "document",
                &document,
                "--at",
                "document",
                "--release",
                odd,
                "--keys",
                &keys,
            ],
            vec![
                "document",
                &document,
                "--at",
                "document",
                "--release",
                odd,
                "--keys",
                odd,
            ],
            vec![
                "host",
                "http://localhost:1",
                "--pcr",
                &pcr,
                "--any-configuration",
                "--state",
                odd,
            ],
            vec!["account", odd, "--any-measurement"],
            vec!["release", odd, "--keys", &keys],
            vec!["release", &document, "--keys", odd],
            vec!["page", "http://localhost:1", "--release", odd],
            vec![
                "page",
                "http://localhost:1",
                "--release",
                odd,
                "--keys",
                &keys,
            ],
            vec![
                "host",
                "http://localhost:1",
                "--pcr",
                &pcr,
                "--configuration",
                odd,
            ],
        ] {
            let ran = verify(&args);
            assert!(matches!(ran.code, 1 | 2), "{args:?} {ran:?}");
            assert_eq!(ran.stdout, "", "{args:?} {ran:?}");
            assert!(ran.stderr.starts_with("error: "), "{args:?} {ran:?}");
            // Words of libraries and of the system's numbers.
            for word in [
                "os error",
                "EOF",
                "at line 1 column",
                "struct ",
                "Err(",
                "{ code",
                "u32",
            ] {
                assert!(!ran.stderr.contains(word), "{word}: {args:?} {ran:?}");
            }
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn hosts_that_cannot_be_reached_are_explained() {
    let judge = |url: &str| verify(["host", url, "--any-measurement", "--timeout", "10"]);
    // Reserved never to exist (RFC 6761 §6.4).
    let ran = judge("https://keys.invalid");
    assert_eq!(ran.code, 2, "{ran:?}");
    let last = ran.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("error: connection: ") || last.starts_with("error: timeout: "),
        "{ran:?}"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let ran = judge(&format!("http://127.0.0.1:{port}")).not_judged("connection");
    assert!(
        ran.stderr.contains("nothing listens on this port"),
        "{ran:?}"
    );
    // TLS where none is spoken.
    let server = Server::new(|_| Answer::new(200, "text/plain", "plain"));
    let ran = judge(&server.url.replace("http:", "https:"));
    assert_eq!(ran.code, 2, "{ran:?}");
    for ran in [ran, judge("https://keys.invalid")] {
        for word in [
            "os error",
            "io:",
            "rustls",
            "InvalidContentType",
            "lookup",
            "Uncategorized",
        ] {
            assert!(!ran.stderr.contains(word), "{word} in {ran:?}");
        }
    }
}

#[test]
fn a_policy_names_few_releases_and_none_elsewhere() {
    let files = Files::new();
    let document = files.write("document", Live::new().document(&[9; 32]));
    let judge = |releases: serde_json::Value| {
        let keys = json!({ "threshold": 1, "keys": ["11".repeat(32)] });
        let policy = json!({ "version": 1, "releases": releases, "release_keys": keys });
        let policy = files.write("policy.json", policy.to_string());
        verify([
            "document", &document, "--at", "document", "--policy", &policy,
        ])
    };
    // Not one of them is read.
    let many: Vec<_> = (0..33).map(|n| format!("missing-{n}.json")).collect();
    judge(json!(many)).not_judged("policy_releases_too_many");
    judge(json!(many[..32])).not_judged("cannot_open");
    for name in [
        "/dev/zero",
        "../release.json",
        "a/../b",
        ".hidden",
        "",
        "a b",
    ] {
        judge(json!([name])).not_judged("policy_release_name");
    }
}
