//! F2: replays. F9: clocks that are a little wrong.

use core::time::Duration;

use openkey_attestation::{ChainError, Nonce, Party, Refusal, UnixMillis};

use crate::common::{Enclave, HOUR, NOW, SECOND, nonce, policy};

#[test]
fn f2_a_nonce_must_be_there_and_be_the_verifiers() {
    let enclave = Enclave::hardware();
    let verifier = enclave.verifier();
    let fresh = |document: &[u8]| verifier.fresh(document, &policy(), &nonce(), NOW);
    assert!(fresh(&enclave.document()).is_ok());
    assert_eq!(
        fresh(&enclave.document_with(|p| p.nonce = None)),
        Err(Refusal::NonceMissing)
    );
    assert_eq!(
        fresh(&enclave.document_with(|p| p.nonce = Some(b""))),
        Err(Refusal::NonceEmpty)
    );
    let own = nonce();
    let own = own.as_bytes();
    let longer = [own, &[0]].concat();
    let mut other = own.to_vec();
    other[own.len() - 1] ^= 1;
    for nonce in [&own[1..], &own[..own.len() - 1], &longer, &other] {
        assert_eq!(
            fresh(&enclave.document_with(|p| p.nonce = Some(nonce))),
            Err(Refusal::NonceMismatch)
        );
    }
    // In another field it is not a nonce.
    assert_eq!(
        fresh(&enclave.document_with(|p| {
            p.user_data = p.nonce;
            p.nonce = None;
        })),
        Err(Refusal::NonceMissing)
    );
}

/// The same document again, for the next question.
#[test]
fn f2_a_document_answers_one_question() {
    let enclave = Enclave::hardware();
    let document = enclave.document();
    let next = Nonce::new(b"the next question's nonce").unwrap();
    assert_eq!(
        enclave.verifier().fresh(&document, &policy(), &next, NOW),
        Err(Refusal::NonceMismatch)
    );
}

#[test]
fn f2_age_is_bounded_to_the_millisecond() {
    let enclave = Enclave::hardware();
    let policy = policy().max_age(Duration::from_secs(60)).unwrap();
    let at = |ms: u64| {
        let now = UnixMillis(NOW.0 + ms);
        enclave
            .verifier()
            .fresh(&enclave.document(), &policy, &nonce(), now)
    };
    assert!(at(0).is_ok());
    assert!(at(60_000).is_ok());
    assert_eq!(
        at(60_001),
        Err(Refusal::TooOld {
            age_ms: 60_001,
            max_age_ms: 60_000
        })
    );
}

/// The leaf is valid for three hours, the document is not.
#[test]
fn f2_an_old_document_under_a_valid_chain_is_refused() {
    let enclave = Enclave::hardware();
    let now = UnixMillis::from_seconds((SECOND + 2 * HOUR) as u64);
    assert!(matches!(
        enclave
            .verifier()
            .fresh(&enclave.document(), &policy(), &nonce(), now),
        Err(Refusal::TooOld { .. })
    ));
    // Even the widest age does not outlive the chain.
    let widest = policy().max_age(Duration::from_secs(3 * 60 * 60)).unwrap();
    let late = enclave.document_with(|p| p.timestamp.0 += 60_000);
    let fresh = |second: i64| {
        let now = UnixMillis(second as u64 * 1_000 + 999);
        enclave.verifier().fresh(&late, &widest, &nonce(), now)
    };
    assert!(fresh(SECOND + 3 * HOUR + 3).is_ok());
    assert_eq!(
        fresh(SECOND + 3 * HOUR + 4),
        Err(Refusal::Chain(ChainError::Expired(Party::Leaf)))
    );
}

/// A stored document is judged at its own time, whatever its age and whoever asked for it.
#[test]
fn f2_a_stored_document_is_archival_evidence_only() {
    let enclave = Enclave::hardware();
    let document = enclave.document_with(|p| p.nonce = None);
    let verifier = enclave.verifier();
    let stored = verifier.archival(&document, &policy(), None).unwrap();
    assert_eq!(stored.claims().timestamp, NOW);
    assert_eq!(
        verifier.archival(&document, &policy(), Some(&nonce())),
        Err(Refusal::NonceMissing)
    );
    let document = enclave.document();
    assert!(
        verifier
            .archival(&document, &policy(), Some(&nonce()))
            .is_ok()
    );
    let other = Nonce::new(b"another").unwrap();
    assert_eq!(
        verifier.archival(&document, &policy(), Some(&other)),
        Err(Refusal::NonceMismatch)
    );
    // Its own time must lie in its chain's.
    for (ms, party) in [(-1_000, "yet"), (4 * HOUR * 1_000, "expired")] {
        let document = enclave.document_with(|p| p.timestamp.0 = (NOW.0 as i64 + ms) as u64);
        let refusal = verifier.archival(&document, &policy(), None).unwrap_err();
        assert!(refusal.to_string().contains(party), "{refusal}");
    }
}

/// A clock that is slow sees a document from the future, and perhaps a leaf from the future.
#[test]
fn f9_a_slow_clock_within_the_skew_is_accepted() {
    let enclave = Enclave::hardware();
    let document = enclave.document();
    let policy = policy().max_skew(Duration::from_secs(30)).unwrap();
    let at = |behind: u64| {
        let now = UnixMillis(NOW.0 - behind);
        enclave.verifier().fresh(&document, &policy, &nonce(), now)
    };
    // The leaf began 123 ms before the time stamp, so both are in the future here.
    assert!(at(124).is_ok());
    assert!(at(30_000).is_ok());
    assert_eq!(
        at(30_001),
        Err(Refusal::InTheFuture {
            ahead_ms: 30_001,
            max_skew_ms: 30_000
        })
    );
}

/// A clock that is fast sees an older document: the age bounds it, and the skew adds nothing.
#[test]
fn f9_a_fast_clock_is_bounded_by_the_age() {
    let enclave = Enclave::hardware();
    let document = enclave.document();
    let policy = policy()
        .max_age(Duration::from_secs(30))
        .and_then(|p| p.max_skew(Duration::from_secs(300)))
        .unwrap();
    let at = |ahead: u64| {
        let now = UnixMillis(NOW.0 + ahead);
        enclave.verifier().fresh(&document, &policy, &nonce(), now)
    };
    assert!(at(30_000).is_ok());
    assert!(matches!(at(30_001), Err(Refusal::TooOld { .. })));
}

/// Without skew, the same instant is the last that is accepted; the extremes do not overflow.
#[test]
fn f9_no_skew_and_the_ends_of_time() {
    let enclave = Enclave::hardware();
    let document = enclave.document();
    let policy = policy().max_skew(Duration::ZERO).unwrap();
    let at = |now| enclave.verifier().fresh(&document, &policy, &nonce(), now);
    assert!(at(NOW).is_ok());
    assert!(matches!(
        at(UnixMillis(NOW.0 - 1)),
        Err(Refusal::InTheFuture { ahead_ms: 1, .. })
    ));
    assert!(matches!(
        at(UnixMillis(0)),
        Err(Refusal::InTheFuture { .. })
    ));
    assert!(matches!(
        at(UnixMillis(u64::MAX)),
        Err(Refusal::TooOld { .. })
    ));
    let never = enclave.document_with(|p| p.timestamp = UnixMillis(u64::MAX));
    assert!(enclave.verifier().archival(&never, &policy, None).is_err());
}
