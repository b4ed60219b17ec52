//! Evidence for a channel: no nonce, an age of its own, and no way to or from the other kinds.

use core::time::Duration;

use openkey_attestation::{ChainError, Party, Refusal, UnixMillis};

use crate::common::{Drafts, Enclave, HOUR, LEAF, MODULE_ID, NOW, SECOND, nonce, policy};

#[test]
fn f7_a_document_for_a_question_is_none_for_a_channel_and_the_reverse() {
    let enclave = Enclave::hardware();
    let verifier = enclave.verifier();
    let for_a_channel = enclave.document_with(|p| p.nonce = None);
    assert!(verifier.channel(&for_a_channel, &policy(), NOW).is_ok());
    assert_eq!(
        verifier.fresh(&for_a_channel, &policy(), &nonce(), NOW),
        Err(Refusal::NonceMissing)
    );
    for nonce in [&b""[..], b"x", nonce().as_bytes()] {
        let for_a_question = enclave.document_with(|p| p.nonce = Some(nonce));
        assert_eq!(
            verifier.channel(&for_a_question, &policy(), NOW),
            Err(Refusal::NoncePresent)
        );
    }
}

#[test]
fn f2_a_channels_evidence_has_an_age_of_its_own() {
    let enclave = Enclave::hardware();
    let document = enclave.document_with(|p| p.nonce = None);
    let policy = policy()
        .max_age(Duration::from_secs(1))
        .unwrap()
        .max_channel_age(Duration::from_secs(600))
        .unwrap();
    let at = |now: u64| {
        let verifier = enclave.verifier();
        verifier.channel(&document, &policy, UnixMillis(now))
    };
    assert!(at(NOW.0 + 600_000).is_ok());
    assert_eq!(
        at(NOW.0 + 600_001),
        Err(Refusal::TooOld {
            age_ms: 600_001,
            max_age_ms: 600_000
        })
    );
    assert!(at(NOW.0 - 60_000).is_ok());
    assert!(matches!(
        at(NOW.0 - 60_001),
        Err(Refusal::InTheFuture { .. })
    ));
}

#[test]
fn f2_a_channels_evidence_ends_with_its_certificate() {
    // As on hardware, where a leaf may be in its third hour already.
    let mut drafts = Drafts::of(MODULE_ID);
    drafts.0[LEAF].until = SECOND + HOUR / 2;
    let enclave = drafts.issue();
    let document = enclave.document_with(|p| p.nonce = None);
    let policy = policy().max_channel_age(Duration::from_secs(60 * 60));
    let after = UnixMillis::from_seconds(u64::try_from(SECOND + HOUR / 2 + 1).unwrap());
    assert_eq!(
        enclave
            .verifier()
            .channel(&document, &policy.unwrap(), after),
        Err(Refusal::Chain(ChainError::Expired(Party::Leaf)))
    );
}

#[test]
fn f8_a_simulators_channel_evidence_is_refused_unless_asked_for() {
    let enclave = Enclave::simulator();
    let document = enclave.document_with(|p| p.nonce = None);
    let verifier = enclave.verifier();
    assert_eq!(
        verifier.channel(&document, &policy(), NOW),
        Err(Refusal::Simulator)
    );
    let simulated = policy().simulator(true);
    assert!(verifier.channel(&document, &simulated, NOW).is_ok());
    let hardware = Enclave::hardware();
    let document = hardware.document_with(|p| p.nonce = None);
    assert_eq!(
        hardware.verifier().channel(&document, &simulated, NOW),
        Err(Refusal::NotSimulator)
    );
}
