//! A1, A10, D5: what was approved is what happens, once.

use std::sync::Barrier;

use openkey_protocol::message::{Action, ErrorCode, KeyId, Outcome, Payload};
use openkey_simulator::person::{Person, Proposal};
use openkey_tests::simulation;
use sha3::{Digest, Keccak256};

use crate::refusal;

fn text(text: &str) -> Action {
    Action::Sign {
        key: KeyId(0),
        payload: Payload::Text(text.to_owned()),
    }
}

/// EIP-191, written down again here: 0x19 "Ethereum Signed Message:\n" length text.
fn eip191(text: &str) -> [u8; 32] {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", text.len());
    Keccak256::new_with_prefix(prefix)
        .chain_update(text)
        .finalize()
        .into()
}

/// The proposal with the sealed context of another.
fn with_context(proposal: &Proposal, other: &Proposal) -> Proposal {
    let mut mixed = proposal.clone();
    mixed.prompted.context = other.prompted.context.clone();
    mixed
}

#[test]
fn a1_only_the_approved_bytes_are_signed() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let shown = ada.propose(text("one seat for Bob")).unwrap();
    let hidden = ada.propose(text("all seats for Mallory")).unwrap();

    // the assertion answers the harmless prompt's challenge, the context is the other's
    let assertion = ada.assert(&shown).unwrap();
    let swapped = with_context(&shown, &hidden);
    assert_eq!(
        refusal(ada.approve_with(&swapped, assertion, None)),
        ErrorCode::AssertionRefused
    );
    // a context that was changed in one bit, anywhere
    for place in [0, 20, 60, shown.prompted.context.0.len() - 1] {
        let mut changed = shown.clone();
        changed.prompted.context.0[place] ^= 1;
        assert_eq!(
            refusal(ada.approve(&changed)),
            ErrorCode::ContextInvalid,
            "byte {place}"
        );
    }
    // and nothing is lost: what was shown can still be approved, and is what is signed
    let outcome = ada.approve(&shown).unwrap();
    let signature = ada.check_signature(KeyId(0), &shown, &outcome).unwrap();
    assert_eq!(signature.digest.0, eip191("one seat for Bob"));
    assert_eq!(signature.address, ada.keys()[0].address);
    let history = ada.history().unwrap();
    assert_eq!(
        history
            .iter()
            .filter(|entry| entry.signature.is_some())
            .count(),
        1
    );
}

#[test]
fn a10_a_prompt_and_an_approval_cannot_be_of_different_requests() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    let mut bob = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    bob.sign_up("Bob").unwrap();
    let preview = ada.propose(text("a")).unwrap();
    let label = ada
        .propose(Action::LabelKey {
            key: KeyId(0),
            label: "mine".into(),
        })
        .unwrap();
    // the same person's other prompt, and another person's (whose account the head is not of)
    let theirs = bob.propose(text("a")).unwrap();
    for (other, expected) in [
        (&label, ErrorCode::AssertionRefused),
        (&theirs, ErrorCode::Malformed),
    ] {
        let assertion = ada.assert(&preview).unwrap();
        let mixed = with_context(&preview, other);
        assert_eq!(refusal(ada.approve_with(&mixed, assertion, None)), expected);
    }
    assert!(matches!(
        ada.approve(&preview).unwrap(),
        Outcome::Signature { .. }
    ));
    assert!(matches!(ada.approve(&label).unwrap(), Outcome::Changed));
}

#[test]
fn d5_a_context_is_used_once_and_only_after_all_checks() {
    let simulation = simulation(|it| it);
    let mut ada = simulation.person().unwrap();
    ada.sign_up("Ada").unwrap();
    let proposal = ada.propose(text("once")).unwrap();

    // refused approvals use nothing up
    ada.behaviour.user_verified = false;
    assert_eq!(refusal(ada.approve(&proposal)), ErrorCode::AssertionRefused);
    ada.behaviour.user_verified = true;
    let mut forged = ada.assert(&proposal).unwrap();
    let last = forged.signature.0.len() - 1;
    forged.signature.0[last] ^= 1;
    assert_eq!(
        refusal(ada.approve_with(&proposal, forged, None)),
        ErrorCode::AssertionRefused
    );

    // eight at once: one wins
    let assertion = ada.assert(&proposal).unwrap();
    let barrier = Barrier::new(8);
    let attempts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let mut me = Person::new(simulation.site().unwrap());
                me.resume(&ada);
                let (proposal, assertion, barrier) = (&proposal, assertion.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    me.approve_with(proposal, assertion, None)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(attempts.iter().filter(|attempt| attempt.is_ok()).count(), 1);
    for refused in attempts.into_iter().filter(Result::is_err) {
        let code = refusal(refused);
        assert!(
            matches!(
                code,
                ErrorCode::Busy | ErrorCode::ContextUsed | ErrorCode::OutcomeUnknown
            ),
            "{code:?}"
        );
    }
    // and never again, also after a restart
    let before = simulation.kill("enclave").unwrap();
    simulation.wait_for_another("enclave", before).unwrap();
    assert_eq!(
        refusal(ada.approve_with(&proposal, assertion, None)),
        ErrorCode::ContextUsed
    );
    let history = ada.history().unwrap();
    assert_eq!(
        history
            .iter()
            .filter(|entry| entry.signature.is_some())
            .count(),
        1
    );
}
