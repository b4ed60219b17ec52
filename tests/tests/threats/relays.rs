//! E5, F12: a relay between page and enclave that changes what passes.

use openkey_protocol::message::{Action, KeyId, Payload, Request, Response};
use openkey_simulator::authenticator::{Authenticator, Behaviour};
use openkey_simulator::person::{Person, PersonError, Site};
use openkey_simulator::simulation::Simulation;
use openkey_tests::relay::{self, Meddle, Relay};
use openkey_tests::{said, simulation, verify};

/// Somebody whose every message passes through this relay.
fn behind(simulation: &Simulation, requests: Meddle, answers: Meddle) -> (Relay, Person) {
    let relay = Relay::start(simulation.page(), requests, answers);
    let api = simulation
        .enclave_api()
        .replace(simulation.page(), &relay.origin());
    let policy = std::fs::read(simulation.policy()).unwrap();
    let person = Person::new(Site::new(&api, simulation.page(), &policy).unwrap());
    (relay, person)
}

#[test]
fn e5_one_changed_byte_of_the_page_is_found() {
    let simulation = simulation(|it| it);
    let release = simulation.dir().path().join("page.json");
    let release = release.to_str().unwrap();
    // The code is the released one. A simulator's anchor is a file that no release names.
    let served = verify(&["page", simulation.page(), "--release", release]);
    let anchor = "error: page_not_released: anchor.json is not a file of the release";
    assert_eq!(said(&served).trim(), anchor);
    assert_eq!(served.status.code(), Some(1));
    for file in ["/app.js", "/style.css", "/verifier.wasm", "/"] {
        let relay = Relay::start(
            simulation.page(),
            relay::honestly(),
            Box::new(move |path, mut body| {
                if path == file || (file == "/" && path == "/index.html") {
                    let middle = body.len() / 2;
                    body[middle] ^= 1;
                }
                body
            }),
        );
        let changed = verify(&["page", &relay.origin(), "--release", release]);
        let words = said(&changed);
        assert!(words.contains("error: page_differs: "), "{file}: {words}");
    }
}

#[test]
fn e5_a_prompt_that_covers_other_bytes_than_asked_is_refused_by_the_client() {
    let simulation = simulation(|it| it);
    // the relay asks for another text than the person does; the prompt is genuine
    let (_relay, mut ada) = behind(
        &simulation,
        relay::requests(|request| {
            if let Request::Propose(propose) = request
                && let Action::Sign {
                    payload: Payload::Text(text),
                    ..
                } = &mut propose.action
            {
                *text = "all seats for Mallory".into();
            }
        }),
        relay::honestly(),
    );
    ada.sign_up("Ada").unwrap();
    let refused = ada.sign_text("one seat for Bob").unwrap_err();
    assert!(matches!(refused, PersonError::Answer(_)), "{refused:?}");

    // the relay changes what the prompt says; the signature is no longer the enclave's
    let (_relay, mut bob) = behind(
        &simulation,
        relay::honestly(),
        relay::responses(|response| {
            if let Response::Prompted(prompted) = response {
                prompted.prompt.summary.title.push('!');
            }
        }),
    );
    let refused = bob.sign_up("Bob").unwrap_err();
    assert!(matches!(refused, PersonError::Answer(_)), "{refused:?}");
}

#[test]
fn f12_a_credential_swapped_at_registration_is_noticed_by_the_receipt() {
    let simulation = simulation(|it| it);
    let origin = simulation.page().to_owned();
    let mut options = None;
    // the relay registers its own passkey in place of the person's
    let answers_options: std::sync::Arc<std::sync::Mutex<Option<_>>> = std::sync::Arc::default();
    let seen = answers_options.clone();
    let (_relay, mut ada) = behind(
        &simulation,
        relay::requests(move |request| {
            if let Request::SignUpFinish(finish) = request {
                let options = options.get_or_insert_with(|| seen.lock().unwrap().clone().unwrap());
                finish.credential = Authenticator::new()
                    .create(options, &Behaviour::at(&origin))
                    .unwrap();
            }
        }),
        Box::new(move |_, body| {
            if let Some(Response::SignUpStarted(started)) = relay::response(&body) {
                *answers_options.lock().unwrap() = Some(started.options);
            }
            body
        }),
    );
    // the answer is to another request than the one that was sent
    let refused = ada.sign_up("Ada").unwrap_err();
    assert!(matches!(refused, PersonError::Answer(_)), "{refused:?}");
}

#[test]
fn f12_a_credential_swapped_at_adding_a_passkey_needs_an_approval_it_does_not_get() {
    let simulation = simulation(|it| it);
    let origin = simulation.page().to_owned();
    let options: std::sync::Arc<std::sync::Mutex<Option<_>>> = std::sync::Arc::default();
    let seen = options.clone();
    let (_relay, mut ada) = behind(
        &simulation,
        relay::requests(move |request| {
            if let Request::PasskeyCreated(created) = request {
                let options = seen.lock().unwrap().clone().unwrap();
                created.credential = Authenticator::new()
                    .create(&options, &Behaviour::at(&origin))
                    .unwrap();
            }
        }),
        Box::new(move |_, body| {
            if let Some(Response::NewPasskey(new)) = relay::response(&body) {
                *options.lock().unwrap() = Some(new.options);
            }
            body
        }),
    );
    ada.sign_up("Ada").unwrap();
    let mut phone = Authenticator::new();
    let refused = ada.add_passkey("phone", &mut phone).unwrap_err();
    assert!(matches!(refused, PersonError::Answer(_)), "{refused:?}");
    assert_eq!(ada.account().unwrap().passkeys.len(), 1);
}

#[test]
fn f12_a_new_passkey_cannot_approve_itself() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let mut phone = Authenticator::new();
    let proposal = ada.propose_passkey("phone", &mut phone).unwrap();
    let mut options = proposal.prompted.options.clone();
    options.allow = Vec::new();
    let assertion = phone.get(&options, &ada.behaviour).unwrap();
    let refused = ada
        .approve_with(&proposal, assertion, None)
        .unwrap_err()
        .refusal();
    use openkey_protocol::message::ErrorCode::{AssertionRefused, UnknownPasskey};
    assert!(
        matches!(refused, Some(AssertionRefused | UnknownPasskey)),
        "{refused:?}"
    );
    assert_eq!(ada.account().unwrap().passkeys.len(), 1);
    assert!(ada.sign(KeyId(0), Payload::Text("x".into())).is_ok());
}
