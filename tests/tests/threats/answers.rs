//! E16: a host that changes what an enclave answers.

use std::sync::{Arc, Mutex};

use openkey_protocol::message::{
    Action, Bytes, ErrorCode, HistoryEntry, KeyId, Outcome, Payload, Response, RootState,
};
use openkey_simulator::authenticator::Authenticator;
use openkey_simulator::person::{Person, PersonError, Site};
use openkey_simulator::simulation::Simulation;
use openkey_tests::relay::{self, Meddle, Relay};
use openkey_tests::simulation;

/// Somebody who signed up honestly, and from now on speaks through this relay.
fn behind(simulation: &Simulation, mut person: Person, answers: Meddle) -> (Relay, Person) {
    let relay = Relay::start(simulation.page(), relay::honestly(), answers);
    let api = simulation
        .enclave_api()
        .replace(simulation.page(), &relay.origin());
    let policy = std::fs::read(simulation.policy()).unwrap();
    person.use_site(Site::new(&api, simulation.page(), &policy).unwrap());
    (relay, person)
}

/// An account with two passkeys, two keys and five decisions.
fn ada(simulation: &Simulation) -> Person {
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    ada.add_passkey("phone", &mut Authenticator::new()).unwrap();
    ada.perform(Action::CreateKey {
        label: "second".into(),
    })
    .unwrap();
    ada.sign_text("one").unwrap();
    ada
}

fn unproven<T: core::fmt::Debug>(result: Result<T, PersonError>) {
    let error = result.expect_err("a changed answer was accepted");
    assert!(
        matches!(error, PersonError::Answer(_)),
        "refused for another reason: {error:?}"
    );
}

#[test]
fn e16_a_passkey_taken_out_of_the_account_view_is_noticed() {
    let simulation = simulation(|it| it);
    let person = ada(&simulation);
    let (_relay, mut person) = behind(
        &simulation,
        person,
        relay::responses(|response| {
            if let Response::Account(view) = response {
                view.passkeys.pop();
            }
        }),
    );
    unproven(person.account());
}

#[test]
fn e16_a_name_or_address_changed_in_the_account_view_is_noticed() {
    let simulation = simulation(|it| it);
    let person = ada(&simulation);
    let (relay, mut person) = behind(
        &simulation,
        person,
        relay::responses(|response| {
            if let Response::Account(view) = response {
                view.passkeys[1].name = "Your old phone".into();
            }
        }),
    );
    unproven(person.account());
    drop(relay);
    let (_relay, mut person) = behind(
        &simulation,
        person,
        relay::responses(|response| {
            if let Response::Account(view) = response {
                view.keys[1].address.0 = [0xbb; 20];
            }
        }),
    );
    unproven(person.account());
}

#[test]
fn e16_an_entry_taken_out_of_the_history_is_noticed() {
    let simulation = simulation(|it| it);
    let person = ada(&simulation);
    let taken = |at: fn(&mut Vec<HistoryEntry>)| {
        relay::responses(move |response| {
            if let Response::History(page) = response {
                at(&mut page.entries);
            }
        })
    };
    let (relay, person) = behind(
        &simulation,
        person,
        taken(|entries| {
            entries.remove(0);
        }),
    );
    unproven(person.history());
    drop(relay);
    let (relay, person) = behind(
        &simulation,
        person,
        taken(|entries| {
            entries.remove(2);
        }),
    );
    unproven(person.history());
    drop(relay);
    let (_relay, person) = behind(
        &simulation,
        person,
        taken(|entries| {
            entries[0].title = "Sign in".into();
        }),
    );
    unproven(person.history());
}

#[test]
fn e16_an_old_view_does_not_answer_a_new_request() {
    let simulation = simulation(|it| it);
    let person = ada(&simulation);
    let recorded: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let (_relay, mut person) = behind(
        &simulation,
        person,
        Box::new(move |_, body| {
            let mut body = Some(body);
            let view = relay::response(body.as_deref().unwrap());
            if matches!(view, Some(Response::Account(_))) {
                return recorded
                    .lock()
                    .unwrap()
                    .get_or_insert_with(|| body.take().unwrap())
                    .clone();
            }
            body.unwrap()
        }),
    );
    // The very same question a second time: another device may have changed the account meanwhile.
    person.account().unwrap();
    unproven(person.account());
}

#[test]
fn e16_a_refusal_that_the_host_invents_is_not_the_enclaves() {
    let simulation = simulation(|it| it);
    let mut person = ada(&simulation);
    for code in [
        ErrorCode::UnknownAccount,
        ErrorCode::RolledBack,
        ErrorCode::AccountChanged,
        ErrorCode::ContextUsed,
        ErrorCode::NotConfirmed,
    ] {
        let (_relay, mut told) = behind(
            &simulation,
            person,
            Box::new(move |path, body| match path.ends_with("/request") {
                true => relay::invented(code),
                false => body,
            }),
        );
        for refused in [
            told.sign_in().map(drop),
            told.account().map(drop),
            told.sign_text("x").map(drop),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.refusal(), None, "taken for the enclave's: {error:?}");
        }
        person = told;
    }
}

#[test]
fn e16_a_swapped_outcome_is_noticed() {
    let simulation = simulation(|it| it);
    let person = ada(&simulation);
    let other = Outcome::SignedIn {
        token: Bytes(vec![7; 64]),
        expires_at: u64::MAX >> 12,
    };
    let (relay, mut person) = behind(
        &simulation,
        person,
        relay::responses(move |response| {
            if let Response::Approved(approved) = response {
                match &mut approved.outcome {
                    Outcome::KeyCreated(key) => key.address.0 = [0xbb; 20],
                    outcome => *outcome = other.clone(),
                }
            }
        }),
    );
    let before = person.keys().to_vec();
    unproven(person.perform(Action::CreateKey {
        label: "mine".into(),
    }));
    assert_eq!(person.keys(), before);
    unproven(person.perform(Action::LabelKey {
        key: KeyId(0),
        label: "mine".into(),
    }));
    assert_ne!(person.token(), Some(&Bytes(vec![7; 64])));

    // Two honest outcomes of two requests, changed for each other.
    drop(relay);
    let earlier: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let (_relay, mut person) = behind(
        &simulation,
        person,
        Box::new(move |_, body| match relay::response(&body) {
            Some(Response::Approved(_)) => {
                let before = earlier.lock().unwrap().replace(body.clone());
                before.unwrap_or(body)
            }
            _ => body,
        }),
    );
    let sign = |text: &str| Action::Sign {
        key: KeyId(0),
        payload: Payload::Text(text.into()),
    };
    person.perform(sign("first")).unwrap();
    unproven(person.perform(sign("second")));
}

#[test]
fn e16_a_status_changed_on_the_way_is_noticed() {
    let simulation = simulation(|it| it);
    let person = simulation.person().unwrap();
    let (_relay, person) = behind(
        &simulation,
        person,
        relay::responses(|response| {
            if let Response::Status(status) = response {
                status.root.state = RootState::AwaitingGenesis;
            }
        }),
    );
    let refused = person
        .site()
        .call(&openkey_protocol::message::Request::Status);
    unproven(refused);
}
