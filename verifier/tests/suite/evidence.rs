//! The library: what a document binds.

use openkey_attestation::{Measurements, Nonce, Pcr, Policy, UnixMillis};
use openkey_protocol::{
    cbor,
    message::{Answer, Call, Error, ErrorCode, EvidenceBinding, Hash32, Request, Verdict},
};
use openkey_verifier::{
    answer::{self, Asked},
    evidence::{self, EvidenceError, Fresh},
};
use sha2::{Digest, Sha256};

use crate::{
    enclaves::PCRS,
    harness::{Live, now},
};

const NONCE: &[u8] = &[9; 32];

fn policy() -> Policy {
    let set = Measurements::new([(0, Pcr(PCRS[0]))]).unwrap();
    Policy::one_of([set]).unwrap().simulator(true)
}

fn judge(live: &Live, user_data: Option<&[u8]>) -> Result<Fresh, EvidenceError> {
    let now = now();
    let document = live.document_of(NONCE, now, user_data);
    let nonce = Nonce::new(NONCE).unwrap();
    evidence::fresh(&live.enclave.verifier(), &document, &policy(), &nonce, now)
}

#[test]
fn evidence_vouches_for_the_key_that_signs() {
    let live = Live::new();
    let binding = cbor::encode(&live.binding()).unwrap();
    let fresh = judge(&live, Some(&binding)).unwrap();
    assert_eq!(fresh.binding(), &live.binding());
    let call = Call {
        nonce: NONCE.into(),
        request: Request::Status,
    };
    let call = cbor::encode(&call).unwrap();
    let refusal = Answer {
        request: Hash32(Sha256::digest(&call).into()),
        nonce: NONCE.into(),
        at: now().0,
        continued: None,
        result: Verdict::Refused(Error {
            code: ErrorCode::Unavailable,
            message: String::new(),
            advice: String::new(),
        }),
    };
    let asked = Asked::new(&call, now().0);
    let signed = live.sign(&refusal);
    assert_eq!(
        answer::check(fresh.identity(), &signed, &asked),
        Ok(refusal)
    );
}

#[test]
fn a_genuine_document_without_a_binding_is_no_evidence() {
    let live = Live::new();
    let bent = |change: fn(&mut EvidenceBinding)| {
        let mut binding = live.binding();
        change(&mut binding);
        judge(&live, Some(&cbor::encode(&binding).unwrap())).unwrap_err()
    };
    let missing = judge(&live, None).unwrap_err();
    assert_eq!(missing, EvidenceError::BindingMissing);
    let malformed = Err(EvidenceError::BindingMalformed);
    assert_eq!(judge(&live, Some(b"")), malformed);
    assert_eq!(judge(&live, Some(b"{}")), malformed);
    let trailing = [cbor::encode(&live.binding()).unwrap(), vec![0]].concat();
    assert_eq!(judge(&live, Some(&trailing)), malformed);
    assert_eq!(bent(|b| b.version = 1), EvidenceError::BindingVersion(1));
    assert_eq!(
        bent(|b| b.identity = vec![1; 31].into()),
        EvidenceError::Identity
    );
    // The neutral element of the curve: signatures under it prove nothing.
    assert_eq!(
        bent(|b| {
            b.identity = [0; 32].into();
            b.identity.0[0] = 1;
        }),
        EvidenceError::Identity
    );
}

#[test]
fn archival_evidence_compares_the_nonce_it_is_given() {
    let live = Live::new();
    let document = live.document(NONCE);
    let archival = |nonce: Option<&[u8]>| {
        let nonce = nonce.map(|nonce| Nonce::new(nonce).unwrap());
        evidence::archival(
            &live.enclave.verifier(),
            &document,
            &policy(),
            nonce.as_ref(),
        )
        .map_err(|error| error.rule())
    };
    assert!(archival(None).is_ok());
    assert!(archival(Some(NONCE)).is_ok());
    assert_eq!(archival(Some(b"other")).unwrap_err(), "nonce_mismatch");
}

#[test]
fn f9_clocks_may_differ_a_little() {
    let live = Live::new();
    let binding = cbor::encode(&live.binding()).unwrap();
    let at = now();
    let document = live.document_of(NONCE, at, Some(&binding));
    let nonce = Nonce::new(NONCE).unwrap();
    let judge = |now: u64| {
        evidence::fresh(
            &live.enclave.verifier(),
            &document,
            &policy(),
            &nonce,
            UnixMillis(now),
        )
        .map(|_| ())
        .map_err(|error| error.rule())
    };
    assert_eq!(judge(at.0 - 60_000), Ok(()));
    assert_eq!(judge(at.0 - 60_001), Err("timestamp_in_the_future"));
    assert_eq!(judge(at.0 + 300_000), Ok(()));
    assert_eq!(judge(at.0 + 300_001), Err("too_old"));
}
