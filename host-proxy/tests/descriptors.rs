//! H1: what strangers hold, when a process may have few open files.
#![cfg(target_os = "linux")]
// a test that meets the unexpected should stop right there
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n";

/// Kills what a failed test leaves behind.
struct Running {
    child: Child,
    address: SocketAddr,
    metrics: SocketAddr,
    log: mpsc::Receiver<Value>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under a limit that the shell sets.
fn command(dir: &Path, limit: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .env_clear()
        .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_openkey-host-proxy"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--origin",
            "http://localhost:7100",
        ])
        .args(["--host", "health", "--metrics-listen", "127.0.0.1:0"])
        .args([
            "--enclave",
            &format!(
                "e1=unix:{0}/e1.sock,channel=unix:{0}/channel.sock",
                dir.display()
            ),
        ])
        .args([
            "--services",
            &format!("unix:{}/services.sock", dir.display()),
        ])
        .args(["--dir", &format!("{}/db", dir.display())])
        .args(["--log-format", "json"])
        .stderr(Stdio::piped());
    command
}

fn started(dir: &Path, limit: &str) -> Running {
    started_with(dir, limit, &[])
}

fn started_with(dir: &Path, limit: &str, more: &[&str]) -> Running {
    let mut child = command(dir, limit).args(more).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (say, log) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = say.send(serde_json::from_str(&line).unwrap());
        }
    });
    let (mut before, mut metrics) = (Vec::new(), None);
    let address = loop {
        let line: Value = log.recv().unwrap();
        if line["message"] == "listening" {
            break line["address"].as_str().unwrap().parse().unwrap();
        }
        if line["message"] == "listening for metrics" {
            metrics = Some(line["metrics"].as_str().unwrap().parse().unwrap());
        }
        before.push(line);
    };
    let (again, seen) = mpsc::channel();
    before
        .into_iter()
        .for_each(|line| again.send(line).unwrap());
    std::thread::spawn(move || log.into_iter().try_for_each(|line| again.send(line)));
    Running {
        child,
        address,
        metrics: metrics.unwrap(),
        log: seen,
    }
}

fn connect(to: SocketAddr, from: u8) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from: SocketAddr = ([127, 0, 0, from], 0).into();
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

fn ask(mut stream: Socket, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn is_not_accepted(line: &Value) -> bool {
    line["message"] == "a connection could not be accepted"
}

impl Running {
    fn connect(&self, from: u8) -> Socket {
        connect(self.address, from)
    }

    /// Connections of two addresses on which nobody says anything.
    fn idle(&self, each: usize) -> Vec<Socket> {
        let mut held = Vec::new();
        for _ in 0..each {
            held.extend([self.connect(2), self.connect(3)]);
        }
        held
    }

    fn ask(&self, from: u8) -> String {
        ask(self.connect(from), HEALTH)
    }

    /// How many connections of all listeners could not be accepted.
    fn not_accepted(&self) -> usize {
        self.metric("openkey_accept_failures_total")
    }

    fn metric(&self, name: &str) -> usize {
        let asked = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = ask(connect(self.metrics, 1), asked);
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        let value = answer.lines().find_map(value);
        value.unwrap_or_else(|| panic!("{answer}"))
    }

    /// From now on it may have no more open files than so many beside those that it has.
    fn may_open(&self, more: usize) {
        let most = u64::try_from(self.files() + more).unwrap();
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        let child = Pid::from_child(&self.child);
        prlimit(Some(child), Resource::Nofile, limit).unwrap();
    }

    fn serves_others(&self) {
        for from in 4..24 {
            let began = Instant::now();
            let answer = self.ask(from);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{from}: {answer}");
            assert!(began.elapsed() < Duration::from_secs(5));
        }
    }

    fn files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).unwrap().count()
    }
}

/// Two addresses within their shares, and a process that may have fewer files than they have connections.
#[test]
fn h1_silent_connections_leave_files_for_others_under_a_small_limit() {
    openkey_edge::descriptors::raise();
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path(), "ulimit -n 400");
    let said = |line: &Value| line["message"].as_str().unwrap().contains("fewer places");
    assert!(running.log.try_iter().any(|line| said(&line)));
    let _held = running.idle(220);
    running.serves_others();
    assert!(running.files() < 300, "{} are open", running.files());
}

/// Something else has taken the files that connections were meant to have.
#[test]
fn h1_silent_connections_give_way_when_no_file_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path(), "ulimit -n 1000");
    running.may_open(30);
    let began = Instant::now();
    let _held = running.idle(60);
    running.serves_others();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let lines = running.log.try_iter().filter(is_not_accepted).count();
    assert!((1..=seconds + 2).contains(&lines), "{lines} in {seconds} s");
    assert!(running.not_accepted() >= 20, "each is counted");
}

/// Addresses within their shares of the channel, and an enclave that takes every connection.
#[test]
fn h1_silent_channels_leave_files_for_others_under_a_small_limit() {
    openkey_edge::descriptors::raise();
    let dir = tempfile::tempdir().unwrap();
    let enclave = UnixListener::bind(dir.path().join("channel.sock")).unwrap();
    std::thread::spawn(move || {
        // No `collect`: an endless iterator says so, and a list would want room for all of it.
        let mut held = Vec::new();
        for stream in enclave.incoming() {
            held.push(stream);
        }
    });
    // a port that is free a moment later, too
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let channel = free.local_addr().unwrap();
    drop(free);
    let listen = ["--channel-listen", &channel.to_string()];
    let running = started_with(dir.path(), "ulimit -n 600", &listen);
    let mut held = Vec::new();
    for from in 2..22 {
        held.extend((0..12).map(|_| connect(channel, from)));
    }
    running.serves_others();
    // 328 files are left of 600, and all places would want 4 096 and twice 1 024
    assert_eq!(
        running.metric("openkey_channel_connections"),
        1024 * 328 / 6144
    );
    let files = running.files();
    assert!((120..200).contains(&files), "{files} are open");
    drop(held);
}

/// Nobody's connection gives way there: who asks are enclaves.
#[test]
fn h1_a_listener_for_enclaves_says_that_no_file_is_left_and_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path(), "ulimit -n 1000");
    let connect = || UnixStream::connect(dir.path().join("services.sock")).unwrap();
    running.may_open(4);
    let held: Vec<_> = (0..10).map(|_| connect()).collect();
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if is_not_accepted(&running.log.recv_timeout(left).unwrap()) {
            break;
        }
    }
    drop(held);
    // its hello
    let mut served = connect();
    served
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    served.read_exact(&mut [0]).unwrap();
    assert!(running.not_accepted() > 0);
}

#[test]
fn the_soft_limit_is_raised_and_too_small_a_hard_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let running = started(dir.path(), "ulimit -S -n 64");
    assert!(running.ask(4).starts_with("HTTP/1.1 200 "));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.child.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<_> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[3], words[4]);
    drop(running);
    let output = command(dir.path(), "ulimit -n 200").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    for said in ["error: this process may have 200 open files", "LimitNOFILE"] {
        assert!(text.contains(said), "{text}");
    }
}
