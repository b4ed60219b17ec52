//! The chain cache from outside: same answers, bounded, and no longer than the certificates live.

use std::num::NonZeroUsize;

use openkey_attestation::{ChainCache, ChainError, Party, Policy, Refusal, UnixMillis};

use crate::common::{Drafts, Enclave, HOUR, LEAF, MODULE_ID, NOW, SECOND, ZONAL, nonce, policy};

fn seconds(second: i64) -> UnixMillis {
    UnixMillis(second as u64 * 1_000 + 500)
}

#[test]
fn a_cached_chain_ends_with_the_first_certificate_that_expires() {
    for (place, party) in [(LEAF, Party::Leaf), (ZONAL, Party::Intermediate(2))] {
        let mut drafts = Drafts::of(MODULE_ID);
        drafts.0[place].until = SECOND + 10;
        let enclave = drafts.issue();
        let verifier = enclave.verifier().with_cache(ChainCache::default());
        let fresh = |now| verifier.fresh(&enclave.document(), &policy(), &nonce(), now);
        assert!(fresh(NOW).is_ok());
        assert!(fresh(seconds(SECOND + 10)).is_ok());
        assert_eq!(
            fresh(seconds(SECOND + 11)),
            Err(Refusal::Chain(ChainError::Expired(party)))
        );
    }
}

#[test]
fn a_cached_chain_does_not_begin_earlier() {
    let enclave = Enclave::hardware();
    let verifier = enclave.verifier().with_cache(ChainCache::default());
    let any = Policy::any_measurement();
    assert!(verifier.archival(&enclave.document(), &any, None).is_ok());
    let early = enclave.document_with(|p| p.timestamp = seconds(SECOND - 1));
    assert_eq!(
        verifier.archival(&early, &any, None),
        Err(Refusal::Chain(ChainError::NotYetValid(Party::Leaf)))
    );
}

/// The signature of the document is checked on every call, warm or cold.
#[test]
fn a_warm_cache_does_not_vouch_for_documents() {
    let enclave = Enclave::hardware();
    let verifier = enclave.verifier().with_cache(ChainCache::default());
    let document = enclave.document();
    assert!(verifier.fresh(&document, &policy(), &nonce(), NOW).is_ok());
    let mut forged = document;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(
        verifier.fresh(&forged, &policy(), &nonce(), NOW),
        Err(Refusal::Signature)
    );
    // The leaf of one enclave with the bundle of another is a chain of its own.
    let other = Enclave::hardware();
    let mixed = Enclave {
        bundle: enclave.bundle,
        ..other
    };
    assert_eq!(
        verifier.fresh(&mixed.document(), &policy(), &nonce(), NOW),
        Err(Refusal::Chain(ChainError::Signature))
    );
}

#[test]
fn answers_are_the_same_with_a_cache_of_one() {
    let keys: Vec<rcgen::KeyPair> = (0..5)
        .map(|_| rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap())
        .collect();
    let enclaves: Vec<Enclave> = (0..3)
        .map(|i| {
            let mut drafts = Drafts::of(MODULE_ID);
            drafts.0[LEAF].serial[0] = i;
            drafts.0[LEAF].until = SECOND + HOUR * (i64::from(i) + 1);
            drafts.issue_with(&keys)
        })
        .collect();
    let cold = enclaves[0].verifier();
    let warm = enclaves[0]
        .verifier()
        .with_cache(ChainCache::with_capacity(NonZeroUsize::MIN));
    for _ in 0..2 {
        for enclave in &enclaves {
            for second in [0, HOUR, 2 * HOUR, 4 * HOUR] {
                let document = enclave.document_with(|p| p.timestamp = seconds(SECOND + second));
                for _ in 0..2 {
                    assert_eq!(
                        warm.archival(&document, &policy(), None),
                        cold.archival(&document, &policy(), None)
                    );
                }
            }
        }
    }
}
