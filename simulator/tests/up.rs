//! `openkey-sim up` as people use it: the real program, its processes, signals.

// Tests say what they expect by failing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "up/forks.rs"]
mod forks;
#[path = "up/starts.rs"]
mod starts;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use openkey_simulator::person::{Person, Site};
use openkey_simulator::simulation::{Options, Simulation, SimulationError};
use openkey_simulator::up::Ready;
use openkey_verifier::client::Host;
use rustix::process::{Pid, Signal, test_kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_openkey-sim");

fn lives(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

fn wait_until_gone(pids: &[u32]) {
    for _ in 0..1000 {
        if !pids.iter().any(|pid| lives(*pid)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("still there: {pids:?}");
}

fn pids(simulation: &Simulation) -> Vec<u32> {
    simulation.ready.processes.iter().map(|it| it.pid).collect()
}

#[test]
fn everything_answers_and_the_same_accounts_are_there_after_a_restart() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let mut first = Simulation::start(Options::new(BINARY).dir(&dir)).unwrap();

    let ready = first.ready.clone();
    assert_eq!(ready.node, None);
    assert_eq!(ready.dir, dir.canonicalize().unwrap());
    assert!(ready.root_certificate.is_file() && ready.policy.is_file());
    assert_eq!(ready.enclaves.len(), 1);
    let measured: Vec<u8> = ready.enclaves[0].measurements.keys().copied().collect();
    assert_eq!(measured, [0, 1, 2, 16]);
    let names: Vec<&str> = ready.processes.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["enclave", "host-proxy"]);
    let host = Host::new(first.page()).unwrap();
    assert_eq!(host.enclaves().unwrap()[0].id, "e1");
    let page = host.get("", 1 << 20).unwrap();
    assert_eq!(page.status, 200);
    let release = std::fs::read(first.dir().page_release()).unwrap();
    let release = openkey_verifier::page::Release::from_json(&release).unwrap();
    assert_eq!(release.check("index.html", &page.body), Ok(()));

    let mut ada = first.person().unwrap();
    let receipt = ada.sign_up("Ada").unwrap().receipt;
    let signed = ada.sign_text("before").unwrap();
    assert_eq!(signed.address, receipt.keys[0].address);

    // A second one in the same directory is told so.
    match Simulation::start(Options::new(BINARY).dir(&dir)) {
        Err(SimulationError::Start { status, stderr }) => {
            assert_eq!(status.code(), Some(1));
            assert!(stderr.contains("running in"), "{stderr}");
        }
        other => panic!("{other:?}"),
    }

    let (status, rest) = first.end(Signal::INT).unwrap();
    assert!(status.success());
    assert!(rest.is_empty(), "one line and nothing else: {rest}");
    wait_until_gone(&pids(&first));

    let second = Simulation::start(Options::new(BINARY).dir(&dir)).unwrap();
    assert_eq!(second.page(), first.page(), "the port is kept");
    assert_eq!(second.ready.enclaves, ready.enclaves);
    ada.use_site(second.site().unwrap());
    let again = ada.sign_text("after").unwrap();
    assert_eq!(again.address, signed.address);
    assert_eq!(ada.sign_in().unwrap(), receipt.account);
    let history = ada.history().unwrap();
    assert!(history.iter().any(|entry| entry.digest == signed.digest));
}

#[test]
fn a_dead_process_is_started_again_with_the_same_state() {
    let simulation = Simulation::start(Options::new(BINARY)).unwrap();
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    for name in ["enclave", "host-proxy"] {
        let killed = simulation.kill(name).unwrap();
        let other = simulation.wait_for_another(name, killed).unwrap();
        assert_ne!(killed, other);
        ada.sign_text(name).unwrap();
        let said = simulation.said().unwrap();
        assert!(
            said.contains(&format!("{name} (process {killed}) ended: signal: 9")),
            "{said}"
        );
    }
    ada.account().unwrap();
}

#[test]
fn without_restart_a_dead_process_stays_dead() {
    let simulation = Simulation::start(Options::new(BINARY).no_restart()).unwrap();
    let killed = simulation.kill("enclave").unwrap();
    wait_until_gone(&[killed]);
    while !simulation.said().unwrap().contains("it stays down") {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(
        simulation.pid("enclave").is_err(),
        "said only when it is so"
    );
    assert!(simulation.pid("host-proxy").is_ok());
}

#[test]
fn nobody_outlives_a_killed_supervisor() {
    let mut simulation = Simulation::start(Options::new(BINARY)).unwrap();
    let pids = pids(&simulation);
    simulation.end(Signal::KILL).unwrap();
    wait_until_gone(&pids);
}

#[test]
fn an_interrupt_reaches_the_whole_group_and_loses_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let mut up = Command::new(BINARY)
        .args(["up", "--json", "--port=0", "--rate-limit=off", "--dir"])
        .arg(&dir)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(up.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let ready: Ready = serde_json::from_str(&line).unwrap();
    let site = |ready: &Ready| {
        let policy = std::fs::read(&ready.policy).unwrap();
        Site::new(&ready.enclaves[0].api, &ready.page, &policy).unwrap()
    };
    let mut ada = Person::new(site(&ready));
    ada.sign_up("Ada").unwrap();
    // Signs until nobody answers; what was acknowledged is remembered.
    let signing = std::thread::spawn(move || {
        let mut signed = Vec::new();
        while let Ok(one) = ada.sign_text(&format!("message {}", signed.len())) {
            signed.push(one);
        }
        (ada, signed)
    });
    std::thread::sleep(Duration::from_millis(300));
    let group = Pid::from_raw(i32::try_from(up.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::INT).unwrap();
    let output = up.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("again"), "nothing is started again: {said}");
    wait_until_gone(&ready.processes.iter().map(|it| it.pid).collect::<Vec<_>>());

    let (mut ada, signed) = signing.join().unwrap();
    let second = Simulation::start(Options::new(BINARY).dir(&dir)).unwrap();
    ada.use_site(second.site().unwrap());
    ada.sign_in().unwrap();
    let history = ada.history().unwrap();
    for one in &signed {
        assert!(history.iter().any(|entry| entry.digest == one.digest));
    }
}

#[test]
fn a_simulation_ends_with_the_program_that_started_it() {
    let temporary = tempfile::tempdir().unwrap();
    let mut up = Command::new(BINARY)
        .args(["up", "--json", "--port=0", "--until-eof", "--dir"])
        .arg(temporary.path().join("sim"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(up.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(up.stdin.take());
    assert!(up.wait().unwrap().success());
}

#[test]
fn a_node_runs_beside_the_rest_and_keeps_its_port_and_its_name() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let info = |ready: &Ready| {
        let node = Host::new(ready.node.as_ref().unwrap()).unwrap();
        let answer = node.get("info", 1 << 16).unwrap();
        assert_eq!(answer.status, 200);
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
    };
    let mut first = Simulation::start(Options::new(BINARY).dir(&dir).node()).unwrap();
    let names = first.ready.processes.iter().map(|it| it.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["enclave", "host-proxy", "node"]);
    let (url, before) = (first.ready.node.clone().unwrap(), info(&first.ready));
    let config = Host::new(first.page()).unwrap().get("config.json", 1 << 20);
    let config: serde_json::Value = serde_json::from_slice(&config.unwrap().body).unwrap();
    assert_eq!(config["node"], *url);
    // It is kept alive like everything else.
    let killed = first.kill("node").unwrap();
    first.wait_for_another("node", killed).unwrap();
    let pids = pids(&first);
    first.end(Signal::INT).unwrap();
    wait_until_gone(&pids);

    let second = Simulation::start(Options::new(BINARY).dir(&dir).node()).unwrap();
    assert_eq!(second.ready.node, Some(url));
    assert_eq!(info(&second.ready)["nodeId"], before["nodeId"]);
}

#[test]
fn a_node_moves_where_its_port_is_taken_unless_the_port_was_asked_for() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("sim");
    let asked = format!("--node-listen={address}");
    let output = Command::new(BINARY)
        .args(["up", "--port=0", &asked, "--dir"])
        .arg(&dir)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let told = format!("error: {address} is taken");
    assert!(
        stderr.contains(&told) && stderr.contains("--node-listen"),
        "{stderr}"
    );
    drop(taken);

    let first = Simulation::start(Options::new(BINARY).dir(&dir).node()).unwrap();
    let url = first.ready.node.clone().unwrap();
    drop(first);
    let port = url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let second = Simulation::start(Options::new(BINARY).dir(&dir).node()).unwrap();
    assert_ne!(second.ready.node, Some(url));
}

#[test]
fn a_taken_port_names_the_flag() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .args(["up", "--port", &port.to_string(), "--dir"])
        .arg(temporary.path().join("sim"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains(&format!("error: port {port} is taken")),
        "{stderr}"
    );
    assert!(stderr.contains("--port"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn faults_begin_and_end_at_run_time() {
    let simulation = Simulation::start(Options::new(BINARY).fault("nsm-debug=on")).unwrap();
    std::thread::sleep(openkey_simulator::fault::NOTICED_WITHIN);
    let site = simulation.site().unwrap();
    let refused = site.evidence().unwrap_err().to_string();
    assert!(refused.contains("debug mode"), "{refused}");
    let fault = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .arg("fault")
            .args(arguments)
            .arg("--dir")
            .arg(simulation.dir().path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        std::thread::sleep(openkey_simulator::fault::NOTICED_WITHIN);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(fault(&["clear"]), "seed=0\n");
    site.evidence().unwrap();
    let set = fault(&["set", "store-error=always", "--seed", "3"]);
    assert_eq!(set, "seed=3\nstore-error=always\n");
    let mut ada = simulation.person().unwrap();
    assert!(ada.sign_up("Ada").is_err());
    simulation.clear_faults().unwrap();
    ada.sign_up("Ada").unwrap();
}

#[test]
fn status_and_down_work_from_another_terminal() {
    let mut simulation = Simulation::start(Options::new(BINARY)).unwrap();
    let run = |command: &str| {
        Command::new(BINARY)
            .args([command, "--dir"])
            .arg(simulation.dir().path())
            .output()
            .unwrap()
    };
    let status = run("status");
    assert!(status.status.success());
    assert!(
        String::from_utf8(status.stdout)
            .unwrap()
            .contains(simulation.page())
    );
    // Nobody reads it: no panic, and no success.
    let acks = simulation.dir().path().join("acks");
    std::fs::write(&acks, "").unwrap();
    let acks = format!("--verify={}", acks.display());
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["fault", "show"],
        &["load", &acks],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = Command::new(BINARY)
            .args(command)
            .arg("--dir")
            .arg(simulation.dir().path())
            .stdout(full.unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?} {said}");
        assert!(said.contains("error: cannot_write: stdout: "), "{said}");
    }
    assert!(run("down").status.success());
    let again = run("down");
    assert_eq!(again.status.code(), Some(1));
    assert!(
        String::from_utf8(again.stderr)
            .unwrap()
            .contains("no simulation is running")
    );
    assert!(!run("status").status.success());
    assert!(simulation.end(Signal::TERM).unwrap().0.success());
}
