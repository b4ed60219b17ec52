//! D13, D18 and what authenticators must not do: who may answer, from where, how often.

use openkey_protocol::message::{Action, ErrorCode, KeyId, Payload};
use openkey_simulator::person::{Person, Proposal};
use openkey_tests::simulation;

use crate::refusal;

fn ask(ada: &Person) -> Proposal {
    ada.propose(Action::Sign {
        key: KeyId(0),
        payload: Payload::Text("hello".into()),
    })
    .unwrap()
}

#[test]
fn d13_a_challenge_is_bound_to_person_origin_and_prompt() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    let mut bob = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    bob.sign_up("Bob").unwrap();
    let proposal = ask(&ada);

    // another person answers it
    let mut options = proposal.prompted.options.clone();
    options.allow = Vec::new();
    let theirs = bob.device.get(&options, &bob.behaviour).unwrap();
    let code = refusal(ada.approve_with(&proposal, theirs, None));
    assert!(
        matches!(
            code,
            ErrorCode::AssertionRefused | ErrorCode::UnknownPasskey
        ),
        "{code:?}"
    );

    // another page, however near
    let good = ada.behaviour.clone();
    for origin in [
        "http://localhost",
        "https://localhost:7100",
        "http://localhost.evil.example",
        "null",
        &format!("{}/", simulation.page()),
        &simulation.page().to_uppercase(),
        &simulation.page().replace("localhost", "127.0.0.1"),
    ] {
        ada.behaviour.origin = origin.to_owned();
        assert_eq!(
            refusal(ada.approve(&proposal)),
            ErrorCode::AssertionRefused,
            "{origin}"
        );
    }
    ada.behaviour = good.clone();

    // another prompt's challenge, also one that contains this one
    for challenge in [
        ask(&ada).prompted.options.challenge.0,
        [proposal.prompted.options.challenge.as_slice(), b"x"].concat(),
        [b"x", proposal.prompted.options.challenge.as_slice()].concat(),
        Vec::new(),
    ] {
        ada.behaviour.challenge = Some(challenge);
        assert_eq!(refusal(ada.approve(&proposal)), ErrorCode::AssertionRefused);
    }
    ada.behaviour = good;
    ada.approve(&proposal).unwrap();
}

#[test]
fn s2_assertions_that_authenticators_must_not_make_are_refused() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let good = ada.behaviour.clone();
    let proposal = ask(&ada);
    let mut refused =
        |name: &str, change: &dyn Fn(&mut openkey_simulator::authenticator::Behaviour)| {
            ada.behaviour = good.clone();
            change(&mut ada.behaviour);
            assert_eq!(
                refusal(ada.approve(&proposal)),
                ErrorCode::AssertionRefused,
                "{name}"
            );
        };
    refused("no user verification", &|it| it.user_verified = false);
    refused("nobody there", &|it| it.user_present = false);
    refused("cross-origin", &|it| it.cross_origin = Some(true));
    refused("another relying party", &|it| {
        it.rp_id = Some("evil.example".into())
    });
    refused("another user handle", &|it| {
        it.user_handle = Some(vec![9; 16])
    });
    refused("a registration's client data", &|it| {
        it.ceremony = Some("webauthn.create")
    });

    // a counter that goes back: one authenticator became two
    ada.behaviour = good.clone();
    ada.behaviour.counter = 5;
    ada.approve(&proposal).unwrap();
    let proposal = ask(&ada);
    for counter in [0, 4, 5] {
        ada.behaviour.counter = counter;
        assert_eq!(
            refusal(ada.approve(&proposal)),
            ErrorCode::AssertionRefused,
            "{counter}"
        );
    }
    ada.behaviour.counter = 6;
    ada.approve(&proposal).unwrap();
}

#[test]
fn d18_a_header_of_the_client_buys_no_quota() {
    let simulation = simulation(openkey_simulator::simulation::Options::rate_limits);
    let url = format!("{}/sign-up", simulation.enclave_api());
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let statuses: Vec<u16> = (0..200_u32)
        .map(|i| {
            let somebody = format!("10.{}.{}.7", i / 256, i % 256);
            let answer = agent
                .post(&url)
                .header("content-type", "application/cbor")
                .header("x-forwarded-for", &somebody)
                .header("forwarded", format!("for={somebody}"))
                .header("x-real-ip", &somebody)
                .header("cf-connecting-ip", &somebody)
                .send(&b"\xa0"[..])
                .unwrap();
            answer.status().as_u16()
        })
        .collect();
    let first = statuses.iter().position(|&status| status == 429);
    assert!(first.is_some_and(|first| first > 0), "{statuses:?}");
    assert!(
        statuses[first.unwrap()..]
            .iter()
            .filter(|&&status| status == 429)
            .count()
            > 50
    );
}
