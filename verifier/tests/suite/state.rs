//! `--state`: several runs, links, modes, and directories that cannot be written.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::Child,
    thread,
};

use openkey_protocol::message::Hash32;
use serde_json::{Value, json};

use crate::harness::{Files, Live, program, verify};

fn live(root_id: u8, epoch: u32) -> Live {
    let mut live = Live::new();
    live.root_id = Some(Hash32([root_id; 32]));
    live.epoch = epoch;
    live
}

struct Case {
    files: Files,
}

impl Case {
    fn new() -> Self {
        Self {
            files: Files::new(),
        }
    }

    /// The flags that judge a document of this deployment and epoch.
    fn args(&self, root_id: u8, epoch: u32, state: &str) -> Vec<String> {
        let live = live(root_id, epoch);
        let name = |kind: &str| format!("{kind}-{root_id}-{epoch}");
        let document = self.files.write(&name("document"), live.document(&[9; 32]));
        let policy = self.files.write(&name("policy"), live.policy());
        let nonce = "09".repeat(32);
        let args = [
            "document", &document, "--policy", &policy, "--nonce", &nonce, "--state", state,
        ];
        args.map(ToOwned::to_owned).to_vec()
    }

    fn state(&self) -> String {
        self.files.path("epochs.json").to_str().unwrap().to_owned()
    }

    fn epochs(&self) -> Value {
        let text = fs::read_to_string(self.files.path("epochs.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["epochs"].clone()
    }
}

fn id(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

#[test]
fn p2_runs_at_the_same_time_lose_no_epoch() {
    let case = Case::new();
    let state = case.state();
    for round in 0..4_u32 {
        let children: Vec<Child> = (1..=12)
            .map(|root_id| {
                let mut command = program();
                command.args(case.args(root_id, 3 + round, &state));
                command.stdout(std::process::Stdio::null()).spawn().unwrap()
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        for root_id in 1..=12 {
            assert_eq!(case.epochs()[id(root_id)], 3 + round, "{}", case.epochs());
        }
    }
    let names: Vec<_> = fs::read_dir(case.files.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("epochs"))
        .collect();
    assert_eq!(
        names.len(),
        2,
        "the file and its lock, no leftovers: {names:?}"
    );
}

#[test]
fn p2_a_run_that_waits_for_the_lock_merges_by_maximum() {
    let case = Case::new();
    let state = case.state();
    verify(case.args(1, 3, &state)).accepted();
    let lock = fs::File::options()
        .write(true)
        .open(case.files.path("epochs.json.lock"))
        .unwrap();
    lock.lock().unwrap();
    let args = case.args(2, 5, &state);
    let waiting = thread::spawn(move || verify(args));
    thread::sleep(std::time::Duration::from_millis(500));
    assert!(!waiting.is_finished(), "it waits for the lock");
    // What another run writes meanwhile.
    let epochs = json!({ id(1): 9, id(2): 4, id(3): 7 });
    let file = json!({ "version": 1, "epochs": epochs });
    case.files.write("epochs.json", file.to_string());
    lock.unlock().unwrap();
    waiting.join().unwrap().accepted();
    let epochs = json!({ id(1): 9, id(2): 5, id(3): 7 });
    assert_eq!(case.epochs(), epochs);
    verify(case.args(1, 8, &state)).refused("epoch_too_old");
}

#[test]
fn p2_a_link_stays_a_link_and_the_mode_stays() {
    let case = Case::new();
    let state = case.state();
    fs::create_dir(case.files.path("kept")).unwrap();
    // A relative link, to a file that is not there yet.
    symlink("kept/epochs", &state).unwrap();
    verify(case.args(1, 3, &state)).accepted();
    let target = case.files.path("kept/epochs");
    assert!(fs::symlink_metadata(&state).unwrap().is_symlink());
    assert!(target.is_file());
    for mode in [0o600, 0o640, 0o664] {
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        verify(case.args(1, mode, &state)).accepted();
        let kept = target.metadata().unwrap().permissions().mode();
        assert_eq!(kept & 0o777, mode);
        assert!(fs::symlink_metadata(&state).unwrap().is_symlink());
    }
    assert_eq!(case.epochs()[id(1)], 0o664);
    let cycle = case.files.path("cycle");
    symlink("cycle", &cycle).unwrap();
    let ran = verify(case.args(1, 3, cycle.to_str().unwrap()));
    ran.not_judged("cannot_open");
}

#[test]
fn what_cannot_be_remembered_is_not_accepted() {
    let case = Case::new();
    let nowhere = case.files.path("missing/epochs.json");
    let ran = verify(case.args(1, 3, nowhere.to_str().unwrap())).not_judged("cannot_write");
    assert!(ran.stderr.contains("No such file or directory"), "{ran:?}");
    assert!(!ran.stderr.contains("os error"), "{ran:?}");
    let ran = verify(case.args(1, 3, "/proc/epochs.json"));
    ran.not_judged("cannot_write");
    // A device: read to its bound, refused, and never replaced.
    verify(case.args(1, 3, "/dev/zero")).not_judged("epochs_file");
    verify(case.args(1, 3, "/dev/null")).not_judged("epochs_file");
    let directory = case.files.path(".");
    verify(case.args(1, 3, directory.to_str().unwrap())).not_judged("cannot_open");
    for damaged in [
        r#"[1,{}]"#.to_owned(),
        format!(r#"{{"version":1,"epochs":{{"{0}":9,"{0}":1}}}}"#, id(1)),
    ] {
        case.files.write("epochs.json", damaged);
        verify(case.args(1, 3, &case.state())).not_judged("epochs_file");
    }
}

/// A memory that keeps nothing must not pass for one that does.
#[test]
fn p2_what_has_no_root_id_is_not_remembered_and_that_is_said() {
    let case = Case::new();
    let state = case.state();
    let live = Live::new();
    assert_eq!(live.root_id, None);
    let document = case.files.write("document", live.document(&[9; 32]));
    // Another program's document, whose user data are no binding.
    let foreign = live.document_of(&[9; 32], crate::harness::now(), Some(b"mine"));
    let foreign = case.files.write("foreign", foreign);
    let policy = case.files.write("policy", live.policy());
    let nonce = "09".repeat(32);
    for (file, why) in [(&document, "root id"), (&foreign, "root id")] {
        let args = [
            "document", file, "--policy", &policy, "--nonce", &nonce, "--state", &state,
        ];
        let ran = verify(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        let said = ran.said();
        assert!(said.starts_with("note: "), "{ran:?}");
        assert!(said.contains(&state) && said.contains(why), "{ran:?}");
        let ran = verify(args.iter().chain(&["--json"]));
        assert_eq!(ran.json()["remembered"], false);
        assert!(!case.files.path("epochs.json").exists());
        // Without --state nothing is to be said.
        let ran = verify(&args[..6]).accepted();
        assert!(!ran.stdout.contains("remembered"), "{ran:?}");
    }
    let ran = verify(
        case.args(1, 3, &state)
            .iter()
            .map(String::as_str)
            .chain(["--json"]),
    );
    assert_eq!(ran.accepted().json()["remembered"], true);
}

#[test]
fn p2_an_enclave_without_a_root_id_is_not_remembered_and_that_is_said() {
    let case = crate::policy::Case::new(live(1, 5));
    let state = case.files.path("epochs.json");
    let state = ["--state", state.to_str().unwrap()];
    let json = [&state[..], &["--json"]].concat();
    let known = case.with(&json).accepted().json();
    assert_eq!(known["enclaves"][0]["remembered"], true);
    // Nor is one of a deployment that has not its root key yet.
    let mut awaits = live(1, 9);
    awaits.root_source = None;
    let before = std::fs::read(state[1]).unwrap();
    for (of, why) in [(Live::new(), "no root id"), (awaits, "no root key yet")] {
        let case = crate::policy::Case::new(of);
        let ran = case.with(&state);
        assert_eq!(ran.code, 0, "{ran:?}");
        let said = ran.said();
        assert!(said.starts_with("note: "), "{ran:?}");
        for words in ["enclave e1", state[1], why] {
            assert!(said.contains(words), "{words} in {ran:?}");
        }
        assert_eq!(case.with(&json).json()["enclaves"][0]["remembered"], false);
        assert_eq!(std::fs::read(state[1]).unwrap(), before);
    }
    let case = crate::policy::Case::new(Live::new());
    let alone = case.with(&["--json"]).accepted().json();
    assert!(alone["enclaves"][0].get("remembered").is_none(), "{alone}");
}
