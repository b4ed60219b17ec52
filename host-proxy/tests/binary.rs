//! The program as it is started: flags, errors, logs, signals.
// a test that meets the unexpected should stop right there
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use openkey_protocol::{
    client::{Client, ClientOptions},
    host::HostClient,
    message::{RecordId, Write},
    store::RecordStore as _,
    transport::Address,
};
use rustix::process::{Pid, Signal, kill_process};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openkey-host-proxy"));
    command.env_clear();
    command
}

fn started(dir: &Path, listen: &str) -> Command {
    let mut command = program();
    command
        .args(["--listen", listen, "--origin", "http://localhost:7100"])
        .args(["--host", "health"])
        .args(["--enclave", &format!("e1=unix:{}/e1.sock", dir.display())])
        .args([
            "--services",
            &format!("unix:{}/services.sock", dir.display()),
        ])
        .args(["--dir", &format!("{}/db", dir.display())])
        .args(["--deadline-ms", "200", "--log-format", "json"])
        .env("OPENKEY_METRICS_LISTEN", "off")
        .stderr(Stdio::piped());
    command
}

/// Kills what a failed test leaves behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A mistyped name is noticed at the start, not when the first enclave boots.
#[test]
fn a_boot_file_that_is_not_there_is_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = started(dir.path(), "127.0.0.1:0");
    let nope = dir.path().join("nope.json");
    command.arg("--configuration").arg(&nope);
    let mut running = Running(command.spawn().unwrap());
    let log = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let mut named = 0;
    for line in log {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["message"] == "listening" {
            break;
        }
        if line["path"] == nope.display().to_string() {
            assert_eq!(line["level"], "WARN");
            named += 1;
        }
    }
    assert_eq!(named, 1);
}

/// Strangers do not write the log.
#[test]
fn h1_refusals_are_logged_at_a_bounded_rate_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running(started(dir.path(), "127.0.0.1:0").spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let address = address(&mut log);
    let request = "GET /nothing HTTP/1.1\r\nHost: health\r\n\r\n".repeat(1999);
    let last = "GET /nothing HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n";
    // the log is read meanwhile: a full pipe would hold the program up
    let asking = std::thread::spawn(move || ask(&address, &(request + last)));
    let (mut lines, mut left_out) = (0, 0);
    for line in log {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        lines += u64::from(line["message"] == "request");
        left_out += line["left_out"].as_u64().unwrap_or(0);
        if lines + left_out == 2000 {
            break;
        }
    }
    let answers = asking.join().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 404 ").count(), 2000);
    assert!(
        lines >= 20 && left_out > 1000,
        "{lines} lines, {left_out} left out"
    );
}

/// Where it listens, from its log.
fn address(log: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    log.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap())
        .find(|line| line["message"] == "listening")
        .unwrap()["address"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn it_starts_serves_logs_without_bodies_and_stops_when_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let mut running = Running(started(dir.path(), "127.0.0.1:0").spawn().unwrap());
        let mut log = BufReader::new(running.0.stderr.take().unwrap()).lines();
        let address = address(&mut log);
        let health = ask(
            &address,
            "GET /healthz HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n",
        );
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
        let answer = ask(
            &address,
            "POST /api/v1/enclaves/e1/request HTTP/1.1\r\nHost: localhost:7100\r\n\
             Content-Type: application/cbor\r\nContent-Length: 11\r\nConnection: close\r\n\r\n\
             secret-body",
        );
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let pid = Pid::from_child(&running.0);
        kill_process(pid, signal).unwrap();
        let status = running.0.wait().unwrap();
        assert!(status.success(), "{status}");
        let rest: Vec<String> = log.map(Result::unwrap).collect();
        let request = rest
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|line| line["message"] == "request" && line["class"] == "request")
            .unwrap();
        assert_eq!(request["rule"], "enclave_unreachable");
        assert_eq!(request["status"], 503);
        assert_eq!(request["request_id"].as_str().unwrap().len(), 32);
        assert!(
            rest.iter().all(|line| !line.contains("secret-body")),
            "{rest:#?}"
        );
    }
}

#[test]
fn a_taken_port_is_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = started(dir.path(), &address).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains(&format!("error: {address} is taken")),
        "{text}"
    );
    assert!(text.contains("choose another port"), "{text}");
    let output = started(dir.path(), "127.0.0.1:0")
        .args(["--metrics-listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    let expected = format!("error: cannot listen on {address} for metrics: ");
    assert!(text.contains(&expected), "{text}");
}

/// An error is told once: with its reason, and without the reason again.
#[test]
fn what_keeps_it_from_starting_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("db"), "a file").unwrap();
    let output = started(dir.path(), "127.0.0.1:0").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.matches("cannot use ").count(), 1, "{text}");
    assert_eq!(text.matches("/db").count(), 1, "{text}");

    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("services.sock");
    std::fs::write(&socket, "a file").unwrap();
    let output = started(dir.path(), "127.0.0.1:0").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.matches("services.sock").count(), 1, "{text}");
    assert!(
        text.contains("there is a file that is not a socket"),
        "{text}"
    );
}

#[test]
fn wrong_flags_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    for (flags, advice) in [
        (&["--origin", "http://example.org"][..], "is not an origin"),
        (&["--enclave", "e1"], "ID=ADDRESS"),
        (&["--enclave", "E1=unix:/x"], "is not a routing id"),
        (
            &["--enclave", "e1=unix:/other.sock"],
            "give each its own id",
        ),
        (
            &["--trusted-proxy", "everyone"],
            "expected an address, or a network",
        ),
        (&["--limit-sign-up", "60"], "COUNT/s"),
        (
            &["--policy", "/nowhere/policy.json"],
            "--policy: cannot read",
        ),
        (&["--log", "openkey=loud"], "--log"),
        (&["--services", "unix:/other.sock"], "one for all enclaves"),
        (&["--relay", "unix:/a", "--relay", "unix:/b"], "as many as"),
        (
            &["--egress-map", "10.0.0.1:443=10.0.0.2:443"],
            "HOST:PORT=IP:PORT",
        ),
        (&["--channel-listen", "localhost:1"], "IP:PORT"),
        (&["--channel-listen", "e9=127.0.0.1:0"], "no such enclave"),
        (&["--page-dir", "/nowhere"], "has no index.html"),
        (&["--metrics-listen", "9100"], "127.0.0.1:9100, or off"),
    ] {
        let mut command = started(dir.path(), "127.0.0.1:0");
        if flags[0] == "--origin" {
            command = program();
        }
        let output = command.args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("error: "), "{text}");
        assert!(text.contains(advice), "{flags:?}: {text}");
    }
    let help = String::from_utf8(program().arg("--help").output().unwrap().stdout).unwrap();
    for flag in [
        "--listen",
        "--origin",
        "--enclave",
        "--services",
        "--dir",
        "--policy",
        "--trusted-proxy",
        "--log-format",
        "--page-dir",
        "OPENKEY_ORIGIN",
        "/readyz",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
}

fn write(round: u8, n: u32, expected: Option<u64>) -> Write {
    let mut id = [round; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    Write {
        id: RecordId(id),
        expected,
        blob: vec![round; 500].into(),
    }
}

/// Each writer commits pairs until the store is gone; what was acknowledged must be found again,
/// and what was not is there as a pair or not at all.
#[tokio::test]
async fn h2_killed_at_any_moment_it_loses_nothing_acknowledged() {
    const WRITERS: u32 = 8;
    const LAST: u32 = 1 << 24;
    let dir = tempfile::tempdir().unwrap();
    let store = || {
        let address = Address::Unix(dir.path().join("services.sock"));
        let client = Client::new(address, ClientOptions::default());
        HostClient::new(client, Duration::from_millis(500))
    };
    let mut acknowledged = Vec::new();
    for round in 0..5_u8 {
        let mut running = Running(started(dir.path(), "127.0.0.1:0").spawn().unwrap());
        let mut log = BufReader::new(running.0.stderr.take().unwrap()).lines();
        address(&mut log);
        let store = store();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut n = writer * (LAST / WRITERS);
                    let pair = |n| vec![write(round, n, None), write(round, n + LAST, None)];
                    while store.commit(pair(n)).await.is_ok() {
                        n += 1;
                    }
                    n
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50 + 37 * u64::from(round))).await;
        running.0.kill().unwrap();
        for (writer, ended) in (0..WRITERS).zip(writers) {
            acknowledged.push((round, writer * (LAST / WRITERS), ended.await.unwrap()));
        }
    }
    assert!(acknowledged.iter().any(|(_, first, next)| next > first));
    let _running = Running(started(dir.path(), "127.0.0.1:0").spawn().unwrap());
    let store = store();
    while store.get(vec![]).await.is_err() {}
    for (round, first, next) in acknowledged {
        for n in first..=next {
            let ids = vec![write(round, n, None).id, write(round, n + LAST, None).id];
            let pair = store.get(ids).await.unwrap();
            assert_eq!(pair[0].is_some(), pair[1].is_some(), "half of a pair");
            // the last one was not acknowledged: it may be there
            assert!(
                n == next || pair[0].is_some(),
                "round {round}, commit {n} is lost"
            );
        }
    }
}

/// A log that nothing takes ends no thread, and an error that nothing takes keeps its status.
#[test]
fn output_that_nothing_takes_does_not_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let mut command = started(dir.path(), "127.0.0.1:0");
    let mut serving = Running(command.stdout(full()).stderr(full()).spawn().unwrap());
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(serving.0.try_wait().unwrap(), None);
    let mut wrong = started(dir.path(), "127.0.0.1:0");
    wrong.args(["--log", "x=y=z"]).stderr(full());
    assert_eq!(wrong.status().unwrap().code(), Some(2));
}
