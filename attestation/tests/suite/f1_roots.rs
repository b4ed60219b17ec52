//! F1: another root with the same subject, serial and shape as the pinned one.

use openkey_attestation::{ChainError, Refusal, Roots, Verifier};

use crate::common::{Enclave, NOW, nonce, policy};

/// A document that is perfect under a root which looks like the pinned one.
#[test]
fn f1_a_root_that_only_looks_like_the_pinned_one_is_refused() {
    let genuine = Enclave::hardware();
    let forger = Enclave::hardware();
    let document = forger.document();
    let fresh = |roots| Verifier::new(roots).fresh(&document, &policy(), &nonce(), NOW);
    assert_eq!(
        fresh(genuine.roots()),
        Err(Refusal::Chain(ChainError::UnknownRoot))
    );
    assert_eq!(
        fresh(Roots::aws()),
        Err(Refusal::Chain(ChainError::UnknownRoot))
    );
    // It is the root alone that it lacks.
    assert!(fresh(forger.roots()).is_ok());
}

/// The pinned root's own bytes in front do not help: it did not sign what follows.
#[test]
fn f1_the_genuine_root_before_a_forged_chain_is_refused() {
    let genuine = Enclave::hardware();
    let mut forger = Enclave::hardware();
    forger.bundle[0].clone_from(&genuine.bundle[0]);
    let answer = genuine
        .verifier()
        .fresh(&forger.document(), &policy(), &nonce(), NOW);
    assert_eq!(answer, Err(Refusal::Chain(ChainError::Signature)));
    // Nor does the forged root after it.
    let root = Enclave::hardware().bundle[0].clone();
    forger.bundle.insert(1, root);
    let answer = genuine
        .verifier()
        .fresh(&forger.document(), &policy(), &nonce(), NOW);
    assert!(matches!(answer, Err(Refusal::Chain(_))), "{answer:?}");
}

/// A custom root replaces the AWS root: nothing accepts both unless both are named.
#[test]
fn f1_pinned_roots_are_exactly_those_named() {
    let one = Enclave::hardware();
    let two = Enclave::hardware();
    let both = Roots::custom([one.bundle[0].clone(), two.bundle[0].clone()]).unwrap();
    let verifier = Verifier::new(both);
    for enclave in [&one, &two] {
        let answer = verifier.fresh(&enclave.document(), &policy(), &nonce(), NOW);
        let root = sha256(&enclave.bundle[0]);
        assert_eq!(answer.unwrap().claims().root_sha256, root);
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().unwrap()
}
