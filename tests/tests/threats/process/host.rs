//! E4, E6, F3: a host that owns the files, the clock and the NSM's mode.

use openkey_protocol::message::{Action, KeyId, Payload};
use openkey_simulator::person::{Person, PersonError};
use openkey_simulator::simulation::Simulation;
use openkey_tests::{said, simulation, verify};

fn person(simulation: &Simulation, name: &str) -> Person {
    let mut person = simulation.person().unwrap();
    person.sign_up(name).unwrap();
    person
}

#[test]
fn e4_a_changed_configuration_is_another_measurement() {
    let simulation = simulation(|it| it);
    let mut ada = person(&simulation, "Ada");
    let policy = std::fs::read(simulation.policy()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("sim");
    copy_dir(simulation.dir().path(), &copy);
    drop(simulation);

    // the host edits the measured configuration: other origins for the same accounts
    let config = copy.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let changed = text.replacen("http://localhost:", "http://evil.localhost:", 1);
    assert_ne!(text, changed, "{text}");
    std::fs::write(&config, changed).unwrap();
    let started = std::panic::catch_unwind(|| openkey_tests::simulation(|it| it.dir(&copy)));
    if let Ok(evil) = started {
        let site =
            openkey_simulator::person::Site::new(evil.enclave_api(), evil.page(), &policy).unwrap();
        ada.use_site(site);
        match ada.site().evidence() {
            Err(PersonError::Evidence(error)) => {
                assert!(
                    error.to_string().contains("PCR16") || error.to_string().contains("16"),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn e6_a_host_clock_that_is_moved_extends_nothing() {
    let simulation = simulation(|it| it);
    let mut ada = person(&simulation, "Ada");
    let now = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::try_from(now.unwrap().as_millis()).unwrap()
    };
    let propose = |ada: &Person| {
        ada.propose(Action::Sign {
            key: KeyId(0),
            payload: Payload::Text("x".into()),
        })
        .unwrap()
    };
    // back: prompts are dated by the NSM, not by the host, and live two minutes of real time
    for offset in ["clock-offset=-1d", "clock-offset=-1h"] {
        simulation.set_fault(offset).unwrap();
        let prompt = propose(&ada).prompt;
        assert!(prompt.issued_at.abs_diff(now()) < 60_000, "{offset}");
        assert_eq!(prompt.expires_at - prompt.issued_at, 120_000);
    }
    // moved back to where it should be, nothing stays behind; that a clock moved ahead ends things
    // early, and never the other way, takes a virtual clock: the enclave's own e6 tests have one
    simulation.clear_faults().unwrap();
    ada.sign_text("in between").unwrap();
}

#[test]
fn f3_an_enclave_in_debug_mode_is_refused() {
    let simulation = simulation(|it| it);
    let policy = simulation.policy().to_str().unwrap();
    simulation.set_fault("nsm-debug=on").unwrap();
    let before = simulation.kill("enclave").unwrap();
    // it never answers as it should again: only that it runs is waited for
    let mut answer = verify(&["host", simulation.page(), "--policy", policy]);
    for _ in 0..200 {
        if simulation.pid("enclave").is_ok_and(|pid| pid != before)
            && said(&answer).contains("debug")
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        answer = verify(&["host", simulation.page(), "--policy", policy]);
    }
    assert_eq!(answer.status.code(), Some(1), "{}", said(&answer));
    assert!(said(&answer).contains("debug"), "{}", said(&answer));
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else if path.is_file() {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
