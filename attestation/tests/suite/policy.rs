//! Measurements and key binding.

use openkey_attestation::{Measurements, Pcr, Policy, Refusal};

use crate::common::{Enclave, NOW, PCRS, measurements, nonce, policy};

fn set(pcrs: &[(u8, [u8; 48])]) -> Measurements {
    Measurements::new(pcrs.iter().map(|(i, pcr)| (*i, Pcr(*pcr)))).unwrap()
}

fn verdict(policy: &Policy) -> Result<(), Refusal> {
    let enclave = Enclave::hardware();
    enclave
        .verifier()
        .fresh(&enclave.document(), policy, &nonce(), NOW)
        .map(|_| ())
}

#[test]
fn one_set_must_match_whole() {
    let other = [0xee; 48];
    let wrong = set(&[(0, other), (1, PCRS[1]), (2, PCRS[2])]);
    let one_of = |sets: Vec<Measurements>| verdict(&Policy::one_of(sets).unwrap());
    assert_eq!(one_of(vec![measurements()]), Ok(()));
    assert_eq!(one_of(vec![wrong.clone(), measurements()]), Ok(()));
    assert_eq!(
        one_of(vec![wrong.clone()]),
        Err(Refusal::Measurements {
            sets: 1,
            differ: vec![0]
        })
    );
    // Halves of two sets do not make one; the nearest is told.
    let half = set(&[(0, PCRS[0]), (1, other), (2, other)]);
    assert_eq!(
        one_of(vec![half, wrong]),
        Err(Refusal::Measurements {
            sets: 2,
            differ: vec![0]
        })
    );
}

#[test]
fn a_measured_pcr_must_be_in_the_document() {
    let enclave = Enclave::hardware();
    // Zero is a value: an absent PCR is not it.
    let policy = Policy::one_of([set(&[(0, PCRS[0]), (16, [0; 48])])]).unwrap();
    assert_eq!(
        verdict(&policy),
        Err(Refusal::Measurements {
            sets: 1,
            differ: vec![16]
        })
    );
    static LOCKED: [u8; 48] = [0x16; 48];
    let policy = Policy::one_of([set(&[(0, PCRS[0]), (16, LOCKED)])]).unwrap();
    let document = enclave.document_with(|p| assert!(p.pcrs.insert(16, &LOCKED)));
    assert!(
        enclave
            .verifier()
            .fresh(&document, &policy, &nonce(), NOW)
            .is_ok()
    );
}

#[test]
fn any_measurement_is_any() {
    assert_eq!(verdict(&Policy::any_measurement()), Ok(()));
}

#[test]
fn keys_and_data_can_be_bound() {
    let enclave = Enclave::hardware();
    let document = |key: Option<&'static [u8]>, data: Option<&'static [u8]>| {
        enclave.document_with(|p| {
            p.public_key = key;
            p.user_data = data;
        })
    };
    let verdict = |policy: &Policy, document: &[u8]| {
        enclave
            .verifier()
            .fresh(document, policy, &nonce(), NOW)
            .map(|_| ())
    };
    let key = policy().bind_public_key(b"key".to_vec());
    assert_eq!(verdict(&key, &document(Some(b"key"), None)), Ok(()));
    for (other, error) in [
        (None, Refusal::PublicKeyMissing),
        (Some(&b""[..]), Refusal::PublicKeyMismatch),
        (Some(b"kex"), Refusal::PublicKeyMismatch),
        (Some(b"key2"), Refusal::PublicKeyMismatch),
    ] {
        assert_eq!(verdict(&key, &document(other, Some(b"key"))), Err(error));
    }

    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"data");
    let data = policy().bind_user_data_sha256(hash.as_ref().try_into().unwrap());
    assert_eq!(verdict(&data, &document(None, Some(b"data"))), Ok(()));
    for (other, error) in [
        (None, Refusal::UserDataMissing),
        (Some(&b""[..]), Refusal::UserDataMismatch),
        (Some(b"date"), Refusal::UserDataMismatch),
    ] {
        assert_eq!(verdict(&data, &document(Some(b"data"), other)), Err(error));
    }
    // An absent field is not an empty one.
    let empty = policy().bind_public_key(Vec::new());
    assert_eq!(verdict(&empty, &document(Some(b""), None)), Ok(()));
    assert_eq!(
        verdict(&empty, &document(None, None)),
        Err(Refusal::PublicKeyMissing)
    );
}
