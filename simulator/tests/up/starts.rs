//! How a simulation starts: what goes on from an earlier start, and what keeps one from starting.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use openkey_protocol::message::RootState;
use openkey_simulator::dir::RootKind;
use openkey_simulator::operators::Staff;
use openkey_simulator::simulation::{Options, Simulation};
use rustix::process::{Pid, Signal, kill_process};

use super::BINARY;

/// Exit status and standard error of a start that fails.
fn fails(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .args(["up", "--no-node", "--dir"])
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn the_next_start_goes_on_with_as_many_enclaves_stores_and_operators() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let options = || Options::new(BINARY).dir(&dir);
    let first = options().replicas(2).fork_store().root(RootKind::Operators);
    let mut first = Simulation::start(first.no_operators()).unwrap();
    assert_eq!(first.ready.hosts.len(), 2);
    let said = first.said().unwrap();
    assert!(said.contains("wait for a genesis"), "{said}");
    assert!(said.contains("then stop this simulation"), "{said}");
    // A release of what runs can be prepared.
    let draft = std::fs::read(first.dir().draft()).unwrap();
    let draft: serde_json::Value = serde_json::from_slice(&draft).unwrap();
    let measured = &first.ready.enclaves[0].measurements;
    assert_eq!(draft["measurements"]["0"], measured[&0]);
    first.end(Signal::INT).unwrap();

    let mut second = Simulation::start(options()).unwrap();
    assert_eq!(second.ready.hosts, first.ready.hosts);
    assert_eq!(second.ready.enclaves.len(), 2);
    let status = second.status(2).unwrap();
    assert_eq!(status.root.state, RootState::AwaitingGenesis);
    second.end(Signal::INT).unwrap();

    let other = ["--replicas=1", "--fork-store=off", "--no-operators=off"];
    let other = other
        .into_iter()
        .fold(options(), |it, flag| it.argument(flag));
    let mut third = Simulation::start(other).unwrap();
    assert_eq!(third.ready.hosts.len(), 1);
    assert_eq!(third.status(1).unwrap().root.state, RootState::Ready);
    third.end(Signal::INT).unwrap();
    let fourth = Simulation::start(options()).unwrap();
    assert_eq!(fourth.ready.enclaves.len(), 1);
    assert_eq!(fourth.status(1).unwrap().root.state, RootState::Ready);
    drop(fourth);

    // Shares by hand: it is said when the key is there.
    let fifth = Simulation::start(options().no_operators()).unwrap();
    assert!(!fifth.said().unwrap().contains("has its root key"));
    let staff = Staff::open(&fifth.dir().operators()).unwrap();
    for operator in 0..staff.threshold() {
        let site = fifth.site().unwrap();
        staff
            .post_share(&site, &fifth.dir().genesis(), operator)
            .unwrap();
    }
    let began = Instant::now();
    let says = "enclave e1 has its root key (from operators)";
    while !fifth.said().unwrap().contains(says) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            fifth.said()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_start_that_fails_leaves_no_directory_behind() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let (status, said) = fails(&dir, &["--port", &port, "--root=operators"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(!dir.exists());
    // A flag that is refused after keys were made.
    let wrong = ["--port=0", "--root=operators", "--fork-store"];
    let (status, said) = fails(&dir, &wrong);
    assert_eq!(status, Some(2), "{said}");
    assert!(!dir.exists());
    std::fs::create_dir(&dir).unwrap();
    fails(&dir, &wrong);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_directory_that_is_no_simulation_is_refused_and_left_as_it_is() {
    let temporary = tempfile::tempdir().unwrap();
    let letter = temporary.path().join("letter.txt");
    std::fs::write(&letter, "dear").unwrap();
    let (status, said) = fails(temporary.path(), &["--port=0"]);
    assert_eq!(status, Some(1));
    assert!(
        said.contains("holds no simulation (there is letter.txt)"),
        "{said}"
    );
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 1);
    let (status, said) = fails(&letter, &["--port=0"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("letter.txt is not a directory"), "{said}");
}

#[test]
fn flags_that_contradict_each_other_are_named() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let (status, said) = fails(&dir, &["--port=0", "--no-operators"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("add --root operators"), "{said}");
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let output = Command::new(BINARY)
        .args(["up", "--port", &port.to_string(), "--dir"])
        .arg(&dir)
        .arg(format!("--node-listen=127.0.0.1:{port}"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let rule = format!("cannot both have port {port}: choose another one with --port or with");
    assert!(said.contains(&rule), "{said}");
    assert!(!dir.exists());
}

#[test]
fn an_early_interrupt_is_answered_at_once() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let mut up = Command::new(BINARY)
        .args(["up", "--no-node", "--port=0", "--dir"])
        .arg(&dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(up.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("preparing"), "{line}");
    let pid = Pid::from_raw(i32::try_from(up.id()).unwrap()).unwrap();
    let began = Instant::now();
    kill_process(pid, Signal::INT).unwrap();
    line.clear();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "stopping\n");
    assert!(began.elapsed() < Duration::from_secs(2), "{began:?}");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "nothing starts after it");
    assert!(up.wait().unwrap().success());
    assert!(!dir.exists());
}
