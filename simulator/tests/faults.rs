//! Each fault does what it says to the running system, and what the enclave makes of it.

// Tests say what they expect by failing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Instant;

use openkey_protocol::message::{Action, ErrorCode, KeyId, Payload, Request};
use openkey_simulator::person::{Person, PersonError};
use openkey_simulator::simulation::{Options, Simulation};
use openkey_verifier::client::ClientError;

const BINARY: &str = env!("CARGO_BIN_EXE_openkey-sim");

fn start() -> (Simulation, Person) {
    let simulation = Simulation::start(Options::new(BINARY)).unwrap();
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    ada.sign_text("before").unwrap();
    (simulation, ada)
}

fn works_again(simulation: &Simulation, person: &mut Person) {
    simulation.clear_faults().unwrap();
    simulation.wait_until_it_answers().unwrap();
    person.sign_text("after").unwrap();
    person.account().unwrap();
}

#[test]
fn e2_an_older_or_hidden_record_is_rolled_back_and_never_a_fresh_account() {
    let (simulation, mut ada) = start();
    for fault in ["store-older=always", "store-hide=always"] {
        simulation.set_fault(fault).unwrap();
        let refused = ada.sign_text("no").unwrap_err();
        assert_eq!(
            refused.refusal(),
            Some(ErrorCode::RolledBack),
            "{fault}: {refused}"
        );
        works_again(&simulation, &mut ada);
    }
    // Across a restart of the enclave the head that the person holds is what tells.
    let killed = simulation.kill("enclave").unwrap();
    simulation.wait_for_another("enclave", killed).unwrap();
    simulation.set_fault("store-older=always").unwrap();
    let refused = ada.sign_text("no").unwrap_err();
    assert_eq!(refused.refusal(), Some(ErrorCode::RolledBack));
    works_again(&simulation, &mut ada);
}

#[test]
fn e1_a_swapped_record_does_not_open() {
    let (simulation, mut ada) = start();
    let mut bob = simulation.person().unwrap();
    bob.sign_up("Bob").unwrap();
    simulation.set_fault("store-swap=always").unwrap();
    for person in [&mut ada, &mut bob] {
        let refused = person.sign_text("no").unwrap_err();
        assert_eq!(
            refused.refusal(),
            Some(ErrorCode::RecordCorrupt),
            "{refused}"
        );
    }
    works_again(&simulation, &mut ada);
    works_again(&simulation, &mut bob);
}

#[test]
fn a_failing_store_fails_requests_and_nothing_is_lost() {
    let (simulation, mut ada) = start();
    simulation.set_fault("store-error=0.5").unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..30 {
        match ada.sign_text(&format!("message {number}")) {
            Ok(signed) => acknowledged.push(signed.digest),
            Err(error) => assert!(error.refusal().is_some(), "{error}"),
        }
    }
    assert!(!acknowledged.is_empty() && acknowledged.len() < 30);
    works_again(&simulation, &mut ada);
    let history = ada.history().unwrap();
    for digest in acknowledged {
        assert!(history.iter().any(|entry| entry.digest == digest));
    }
}

#[test]
fn a_failing_nsm_stops_evidence_and_not_signing() {
    let (simulation, mut ada) = start();
    simulation.set_fault("nsm-error=always").unwrap();
    let refused = ada.site().evidence().unwrap_err();
    // Before evidence nobody vouches for the key that signs refusals.
    assert_eq!(refused.refusal(), None, "{refused}");
    assert!(refused.to_string().contains("does not answer"), "{refused}");
    ada.sign_text("goes on").unwrap();
    works_again(&simulation, &mut ada);
    ada.site().evidence().unwrap();
}

#[test]
fn a_slow_nsm_delays_evidence_and_not_signing() {
    let (simulation, mut ada) = start();
    simulation.set_fault("nsm-slow=5s").unwrap();
    std::thread::scope(|scope| {
        let site = simulation.site().unwrap();
        let began = Instant::now();
        let evidence = scope.spawn(move || site.evidence().map(|_| began.elapsed()));
        let mut signed = 0;
        while !evidence.is_finished() {
            ada.sign_text("goes on").unwrap();
            signed += 1;
            if signed == 20 {
                break;
            }
        }
        assert_eq!(signed, 20, "signing waited for evidence");
        assert!(evidence.join().unwrap().unwrap().as_secs() >= 5);
    });
    works_again(&simulation, &mut ada);
}

#[test]
fn lost_frames_and_broken_connections_are_said_and_survived() {
    let (simulation, mut ada) = start();
    simulation.set_fault("connection-reset=0.3").unwrap();
    let mut failed = 0;
    for _ in 0..20 {
        match ada.sign_text("again") {
            Ok(_) => {}
            Err(PersonError::Client(ClientError::Host { status, .. })) => {
                assert!([502, 503, 504].contains(&status), "{status}");
                failed += 1;
            }
            // The enclave lost its own connection, the one to the store.
            Err(error) => {
                assert!(error.refusal().is_some(), "{error}");
                failed += 1;
            }
        }
    }
    assert!(failed > 0);
    works_again(&simulation, &mut ada);

    simulation.set_fault("frame-drop=always").unwrap();
    match ada.site().client().ask(&Request::Status) {
        Err(ClientError::Host { status, .. }) => assert_eq!(status, 504),
        other => panic!("{other:?}"),
    }
    works_again(&simulation, &mut ada);

    simulation.set_fault("frame-slow=20ms").unwrap();
    ada.sign_text("late").unwrap();
}

#[test]
fn e6_the_hosts_clock_moves_nothing_but_earlier_ends() {
    let (simulation, mut ada) = start();
    let now = |person: &Person| person.site().glance().unwrap().now;
    let before = now(&ada);
    simulation.set_fault("clock-offset=-2h").unwrap();
    let later = now(&ada);
    assert!(later >= before && later < before + 3_600_000);
    ada.sign_text("the host says it is two hours ago").unwrap();

    // An open prompt and a read token end early by a clock that is put forward.
    let action = Action::Sign {
        key: KeyId(0),
        payload: Payload::Text("open".to_owned()),
    };
    let open = ada.propose(action).unwrap();
    simulation.set_fault("clock-offset=+2h").unwrap();
    assert!(
        now(&ada) < before + 3_600_000,
        "the time itself is the NSM's"
    );
    let refused = ada
        .sign_text("the host says it is two hours later")
        .unwrap_err();
    assert_eq!(
        refused.refusal(),
        Some(ErrorCode::SignInNeeded),
        "{refused}"
    );
    let refused = ada.approve(&open).unwrap_err();
    assert_eq!(
        refused.refusal(),
        Some(ErrorCode::ContextExpired),
        "{refused}"
    );
    works_again(&simulation, &mut ada);
}
