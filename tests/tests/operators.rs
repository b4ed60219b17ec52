//! A deployment provisioned, backed up and upgraded by hand, with the commands of docs/operations.md
//! and nothing else: on processes, or on the image that `OPENKEY_TEST_IMAGE` names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may stop at once

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use openkey_protocol::message::{RootSource, RootState, Status};
use openkey_simulator::dir::RootKind;
use openkey_simulator::simulation::{Options, Simulation};
use openkey_tests::{image, program, said, start, verify};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Three operators and three maintainers with their files, and a host.
struct Deployment {
    _temporary: TempDir,
    dir: PathBuf,
    page: String,
}

impl Deployment {
    /// Makes everybody's keys.
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        let keys = dir.join("sim/operators");
        fs::create_dir_all(&keys).unwrap();
        for name in ["anna", "ben", "cleo"] {
            let file = keys.join(format!("{name}.json"));
            let entry = done(run(
                &["operator", "keygen", "--name", name, "--json"],
                |it| it.arg("--out").arg(&file),
            ));
            assert_eq!(entry["name"], name);
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        for number in 1..=3 {
            let file = keys.join(format!("maintainer-{number}.json"));
            done(run(&["release", "keygen", "--json"], |it| {
                it.arg("--out").arg(file)
            }));
        }
        Self {
            _temporary: temporary,
            dir,
            page: String::new(),
        }
    }

    /// The host's part: whatever lies there is run, and nobody is played.
    fn boot(&mut self) -> Simulation {
        let mut options = Options::new(program("openkey-sim"))
            .dir(self.path("sim"))
            .root(RootKind::Operators)
            .no_operators();
        if let Some(image) = image() {
            options = options.image(image);
        }
        let simulation = start(options).unwrap();
        simulation.status(1).unwrap();
        self.page = simulation.page().to_owned();
        // accepts the image with any configuration, which --configuration names
        let mut policy: Value = read(simulation.policy());
        policy["measurements"][0]
            .as_object_mut()
            .unwrap()
            .remove("16");
        fs::write(self.path("image-policy.json"), policy.to_string()).unwrap();
        simulation
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn key(&self, name: &str) -> String {
        self.text(&format!("sim/operators/{name}.json"))
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `openkey operator COMMAND`, with JSON.
    fn operator(&self, command: &[&str]) -> Output {
        run(&["operator"], |it| it.args(command).arg("--json"))
    }

    /// The same at the enclave, whose image and configuration must be right.
    fn at_enclave(&self, command: &[&str], configuration: &str) -> Output {
        let policy = self.text("image-policy.json");
        let configuration = self.text(configuration);
        let flags = [
            "--host",
            &self.page,
            "--policy",
            &policy,
            "--configuration",
            &configuration,
        ];
        self.operator(&[command, &flags].concat())
    }

    fn post_share(&self, name: &str, configuration: &str) -> Output {
        let (key, genesis) = (self.key(name), self.text("sim/genesis/genesis.json"));
        let approval = self.approval(name);
        let command = ["post-share", "--key", &key, "--genesis", &genesis];
        let command = [&command[..], &["--approval", &approval]].concat();
        self.at_enclave(&command, configuration)
    }

    /// Where an operator keeps their word on the configuration.
    fn approval(&self, name: &str) -> String {
        self.text(&format!("{name}-approval.json"))
    }

    /// An operator decides on a configuration.
    fn approve(&self, name: &str, configuration: &str) -> Output {
        let (key, genesis) = (self.key(name), self.text("sim/genesis/genesis.json"));
        let (configuration, out) = (self.text(configuration), self.approval(name));
        let files = ["--genesis", &genesis, "--configuration", &configuration];
        let command = ["approve", "--key", &key, "--out", &out, "--yes"];
        self.operator(&[&command[..], &files].concat())
    }

    fn set_secret(&self, name: &str, secret: &[u8]) -> Output {
        let (policy, key) = (self.text("image-policy.json"), self.key("anna"));
        let configuration = self.text("sim/genesis/configuration.json");
        let mut child = openkey()
            .args([
                "operator",
                "set-secret",
                name,
                "--json",
                "--host",
                &self.page,
            ])
            .args([
                "--policy",
                &policy,
                "--configuration",
                &configuration,
                "--key",
                &key,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(secret).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn openkey() -> Command {
    Command::new(program("openkey"))
}

fn run(arguments: &[&str], more: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = openkey();
    more(command.args(arguments)).output().unwrap()
}

/// What it printed.
fn done(output: Output) -> Value {
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// That it was refused by this rule, which is exit status 1, or not judged, which is 2.
fn stopped(output: &Output, status: i32, rule: &str) {
    assert_eq!(output.status.code(), Some(status), "{}", said(output));
    let expected = format!("error: {rule}: ");
    assert!(said(output).contains(&expected), "{}", said(output));
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn is_ready(status: &Status) -> bool {
    status.root.state == RootState::Ready
}

#[test]
fn k9_p1_by_hand_from_keys_to_a_serving_deployment_and_its_successor() {
    let mut deployment = Deployment::new();
    let (before, after) = ("sim/configuration.json", "sim/genesis/configuration.json");

    // genesis: held by one operator, checked by another
    let simulation = deployment.boot();
    let state = done(deployment.operator(&["status", "--host", simulation.page()]));
    assert_eq!(state["state"], "awaiting_genesis");
    let (anna, out) = (deployment.key("anna"), deployment.text("sim/genesis"));
    let hold = ["genesis", "--key", &anna, "--out", &out];
    let genesis = done(deployment.at_enclave(&hold, before));
    let root_id = genesis["root_id"].as_str().unwrap().to_owned();
    assert_eq!(genesis["operators"], json!(["anna", "ben", "cleo"]));
    assert_eq!(genesis["own_share"], 0);
    stopped(&deployment.at_enclave(&hold, before), 2, "cannot_write");
    let ben = deployment.key("ben");
    let check = |name: &str, configuration: &str| {
        let (file, key) = (
            deployment.text("sim/genesis/genesis.json"),
            deployment.key(name),
        );
        let (policy, configuration) = (
            deployment.text("image-policy.json"),
            deployment.text(configuration),
        );
        let flags = [
            "--policy",
            &policy,
            "--configuration",
            &configuration,
            "--key",
            &key,
        ];
        deployment.operator(&[&["check-genesis", "--genesis", &file][..], &flags].concat())
    };
    fs::copy(deployment.path(before), deployment.path("before.json")).unwrap();
    assert_eq!(done(check("ben", "before.json"))["own_share"], 1);
    // a stranger's key, and a configuration with other operators
    let stranger = ["operator", "keygen", "--name", "anna", "--json"];
    let file = deployment.text("sim/operators/stranger.json");
    done(run(&stranger, |it| it.args(["--out", &file])));
    stopped(&check("stranger", "before.json"), 1, "not_an_operator");
    let mut other = read(&deployment.path(before));
    other["operators"]["keys"]
        .as_array_mut()
        .unwrap()
        .swap(0, 1);
    fs::write(deployment.path("other.json"), other.to_string()).unwrap();
    stopped(&check("ben", "other.json"), 1, "measurement_mismatch");
    // everybody decides on the configuration; who held the genesis has
    for name in ["ben", "cleo"] {
        let approved = done(deployment.approve(name, after));
        assert_eq!(approved["configuration"]["upgrade_consent"], 1);
    }
    stopped(&deployment.approve("stranger", after), 1, "not_an_operator");
    let word = deployment.path("sim/genesis/approval.json");
    fs::copy(&word, deployment.approval("anna")).unwrap();
    drop(simulation);

    // shares, to the enclave with exactly this configuration
    let simulation = deployment.boot();
    assert_eq!(simulation.ready.root_id.as_deref(), Some(&*root_id));
    let mut changed = read(&deployment.path(after));
    changed["upgrade_delay_seconds"] = json!(2);
    fs::write(deployment.path("changed.json"), changed.to_string()).unwrap();
    let refused = deployment.post_share("anna", "changed.json");
    stopped(&refused, 1, "approval");
    fs::copy(&word, deployment.approval("stranger")).unwrap();
    let refused = deployment.post_share("stranger", after);
    stopped(&refused, 1, "approval_signature");
    let status = simulation.status(1).unwrap();
    assert_eq!(status.root.state, RootState::Waiting { have: 0, need: 2 });
    let status = done(deployment.post_share("anna", after));
    assert_eq!((&status["have"], &status["need"]), (&json!(1), &json!(2)));
    done(deployment.post_share("ben", after));
    let status = simulation.wait_for_status(1, is_ready).unwrap();
    assert_eq!(status.root_source, Some(RootSource::Operators));
    let mut ada = simulation.person().unwrap();
    let receipt = ada.sign_up("Ada").unwrap().receipt;

    // a secret, which shows nowhere
    let kept = done(deployment.set_secret("oidc.example", b"hunter-22\n"));
    assert_eq!(kept["secrets"][0]["name"], "oidc.example");
    assert_eq!(kept["secrets"][0]["version"], 1);
    let again = done(deployment.set_secret("oidc.example", b"hunter-23\n"));
    assert_eq!(again["secrets"][0]["version"], 2);
    stopped(
        &deployment.set_secret("oidc.example", b"\n"),
        2,
        "secret_length",
    );

    // evidence beside the status
    let state = done(deployment.at_enclave(&["status"], after));
    assert_eq!(state["state"], "ready");
    let operators = &state["sources"][1];
    assert_eq!(operators["source"], "operators");
    assert_eq!(operators["explanation"], "The root key came from here.");
    assert_eq!(state["evidence"]["binding"]["root_id"], json!(root_id));

    // a successor, which takes enough maintainers
    let manifest = deployment.path("release-2.json");
    let draft = deployment.path("draft.json");
    let mut text = read(&deployment.path("sim/draft.json"));
    let measured = &simulation.ready.enclaves[0].measurements;
    assert_eq!(text["measurements"]["1"], measured[&1]);
    assert_eq!(text["epoch"], state["epoch"]);
    // another image: what runs is no successor
    text["measurements"]["1"] = json!("1".repeat(96));
    text["release"] = json!("9.9.9");
    text["epoch"] = json!(state["epoch"].as_u64().unwrap() + 1);
    fs::write(&draft, text.to_string()).unwrap();
    let configuration = deployment.text(after);
    done(run(
        &["release", "prepare", "--days", "30", "--json"],
        |it| {
            let flags = ["--configuration", &configuration];
            it.arg(&draft).args(flags).arg("--out").arg(&manifest)
        },
    ));
    let sign = |number: u8| {
        let key = deployment.key(&format!("maintainer-{number}"));
        run(&["release", "sign", "--json", "--yes"], |it| {
            it.arg(&manifest).args(["--key", &key])
        })
    };
    let path = manifest.to_str().unwrap();
    let announce = ["upgrade", "--manifest", path];
    done(sign(1));
    stopped(
        &deployment.at_enclave(&announce, after),
        1,
        "release_signatures",
    );
    done(sign(3));
    let keys = deployment.path("release-keys.json");
    let configured = read(&deployment.path(after));
    fs::write(&keys, configured["release_keys"].to_string()).unwrap();
    let output = verify(&["release", path, "--keys", keys.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let known = done(deployment.at_enclave(&announce, after));
    assert_eq!(known["consents_needed"], 1);
    // strangers see what waits, by evidence
    let pinned = deployment.text("image-policy.json");
    let output = verify(&[
        "host",
        simulation.page(),
        "--policy",
        &pinned,
        "--configuration",
        &configuration,
    ]);
    assert!(said(&output).is_empty(), "{}", said(&output));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("9.9.9") && shown.contains("0 of 1 consents"),
        "{shown}"
    );
    // an operator looks and consents
    let consent = ["consent", "--manifest", path, "--key", &ben];
    let approval = deployment.approval("ben");
    let consent = [&consent[..], &["--yes", "--approval", &approval]].concat();
    let given = done(deployment.at_enclave(&consent, after));
    assert_eq!(given["enclaves"][0]["consents"], json!([1]));
    let wait = [&announce[..], &["--wait"]].concat();
    let known = done(deployment.at_enclave(&wait, after));
    assert_eq!(
        (&known["release"], &known["waited"]),
        (&json!("9.9.9"), &json!(true))
    );
    let status = simulation.status(1).unwrap();
    assert_eq!(status.root.upgrades.len(), 1);
    assert!(status.now >= status.root.upgrades[0].allowed_from);
    // another one takes it back, for good
    let approval = deployment.approval("anna");
    let withdraw = ["withdraw", "--manifest", path, "--key", &anna];
    let withdraw = [&withdraw[..], &["--approval", &approval]].concat();
    let taken = done(deployment.at_enclave(&withdraw, after));
    assert_eq!(taken["enclaves"][0]["withdrawn"], true);
    assert!(simulation.status(1).unwrap().root.upgrades.is_empty());
    // neither an announcement nor a consent is sent for what evidence names as withdrawn
    for again in [&announce[..], &consent] {
        stopped(&deployment.at_enclave(again, after), 1, "withdrawn");
    }

    // a backup brings everything back but the operators' keys and the records
    let backup = deployment.text("backup.json");
    let mut flags = vec!["--root-id", &root_id, "--key", &anna];
    done(deployment.operator(&[&["backup", "--dir", &out, "--out", &backup][..], &flags].concat()));
    drop(simulation);
    let saved = deployment.path("sim/genesis");
    fs::rename(&saved, deployment.path("saved")).unwrap();
    let restore = ["restore", &backup, "--dir", &out];
    let wrong = "00".repeat(32);
    flags[1] = &wrong;
    stopped(
        &deployment.operator(&[&restore[..], &flags].concat()),
        1,
        "root_id",
    );
    assert!(!saved.exists());
    flags[1] = &root_id;
    done(deployment.operator(&[&restore[..], &flags].concat()));
    for entry in fs::read_dir(deployment.path("saved")).unwrap().flatten() {
        let restored = fs::read(saved.join(entry.file_name())).unwrap();
        assert_eq!(restored, fs::read(entry.path()).unwrap());
    }
    let simulation = deployment.boot();
    done(deployment.post_share("cleo", after));
    done(deployment.post_share("ben", after));
    let status = simulation.wait_for_status(1, is_ready).unwrap();
    assert_eq!(status.root.secrets.len(), 1);
    ada.use_site(simulation.site().unwrap());
    let signed = ada.sign_text("after a restore").unwrap();
    assert_eq!(signed.address, receipt.keys[0].address);
}
