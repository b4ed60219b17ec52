//! Documents made by AWS hardware.
//!
//! One is committed; more are read from the folder that `NITRO_DOCUMENTS` names, and each must get
//! the verdict of the table below. Their verdicts are at their own times: all have expired.

use std::path::PathBuf;
use std::{env, fs};

use openkey_attestation::{
    Archival, ChainError, Document, Malformed, Nonce, Pcr, Policy, Refusal, Roots, UnixMillis,
    Verifier,
};

/// From the crate `nitro_attest` 0.2.0 (MIT); see `tests/data/README.md`.
const COMMITTED: &[u8] = include_bytes!("../data/hardware/attestation.cose");

/// Fewer judged than this means that the folder is not what it should be.
const AT_LEAST: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Must {
    /// Accepted by the default policy under the AWS root.
    BeAccepted,
    /// Refused as debug mode, and accepted when that is allowed.
    BeDebug,
    /// Refused by this rule.
    BeRefused(&'static str),
    /// Refused under the AWS root, accepted under `fake-root.der`.
    HaveTheFakeRoot,
}

const TABLE: &[(&str, Must)] = &[
    ("valid_20240907_prod_72ffd835.bin", Must::BeAccepted),
    ("valid_20240917_debug_1ddb8b27.bin", Must::BeDebug),
    ("valid_20241130_prod_69d51f98.bin", Must::BeAccepted),
    ("valid_20250106_prod_19b71700.bin", Must::BeAccepted),
    ("valid_20250818_debug_050f82ac.bin", Must::BeDebug),
    ("valid_20251110_prod_8e5652f3.bin", Must::BeAccepted),
    ("valid_20251225_prod_54ae0f97.bin", Must::BeAccepted),
    ("valid_20260206_prod_1ad417fa.bin", Must::BeAccepted),
    (
        "nitrotpm_20260201_799ae6d1.bin",
        Must::BeRefused("nitrotpm_document"),
    ),
    ("mut-tag18.bin", Must::BeAccepted),
    ("mut-trailing-byte.bin", Must::BeRefused("trailing_bytes")),
    ("mut-pcr0-bit.bin", Must::BeRefused("document_signature")),
    (
        "mut-payload-definite.bin",
        Must::BeRefused("document_signature"),
    ),
    ("fake-root-ok.bin", Must::HaveTheFakeRoot),
];

fn stored(bytes: &[u8], policy: &Policy) -> Result<Archival, Refusal> {
    Verifier::new(Roots::aws()).archival(bytes, policy, None)
}

fn judge(name: &str, bytes: &[u8], must: Must, fake_root: &[u8]) {
    let any = Policy::any_measurement();
    let answer = stored(bytes, &any);
    match must {
        Must::BeAccepted => {
            let evidence = answer.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            fresh_too(name, bytes, evidence);
        }
        Must::BeDebug => {
            assert_eq!(answer, Err(Refusal::DebugMode), "{name}");
            let evidence = stored(bytes, &any.allow_debug(true));
            assert!(evidence.unwrap().claims().debug, "{name}");
        }
        Must::BeRefused(rule) => assert_eq!(answer.unwrap_err().rule(), rule, "{name}"),
        Must::HaveTheFakeRoot => {
            let unknown = Err(Refusal::Chain(ChainError::UnknownRoot));
            assert_eq!(answer, unknown, "{name}");
            let roots = Roots::custom([fake_root]).unwrap();
            let answer = Verifier::new(roots).archival(bytes, &any, None);
            assert!(answer.is_ok(), "{name}: {answer:?}");
        }
    }
}

/// With its own nonce, at its own time, a document is fresh.
fn fresh_too(name: &str, bytes: &[u8], evidence: Archival) {
    let claims = evidence.claims();
    let Some(nonce) = claims.nonce.as_deref().filter(|nonce| !nonce.is_empty()) else {
        return;
    };
    let nonce = Nonce::new(nonce).unwrap();
    let verifier = Verifier::new(Roots::aws());
    let fresh = |now| verifier.fresh(bytes, &Policy::any_measurement(), &nonce, now);
    assert_eq!(fresh(claims.timestamp).unwrap().claims(), claims, "{name}");
    let years_later = UnixMillis(claims.timestamp.0 + 100_000_000_000);
    assert!(
        matches!(fresh(years_later), Err(Refusal::TooOld { .. })),
        "{name}"
    );
}

#[test]
fn documents_of_hardware_get_their_verdicts() {
    let Some(folder) = env::var_os("NITRO_DOCUMENTS").map(PathBuf::from) else {
        println!("NOT RUN: NITRO_DOCUMENTS names no folder of real documents");
        return;
    };
    let read = |name: &str| fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let fake_root = read("fake-root.der");
    for (name, must) in TABLE {
        judge(name, &read(name), *must, &fake_root);
    }
    assert!(TABLE.len() >= AT_LEAST);
    // A document without a verdict is an oversight.
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let judged = TABLE.iter().any(|(known, _)| *known == name);
        assert!(judged || !name.ends_with(".bin"), "{name} has no verdict");
    }
    println!("{} documents judged", TABLE.len());
}

/// The committed document, in full.
#[test]
fn f6_a_document_of_hardware() {
    let evidence = stored(COMMITTED, &Policy::any_measurement()).unwrap();
    let claims = evidence.claims();
    assert!(claims.module_id.starts_with("i-"));
    assert!(!claims.debug && !claims.simulator);
    assert_eq!(claims.root_sha256, openkey_attestation::AWS_ROOT_SHA256);
    assert_eq!(claims.pcrs.iter().len(), 16);
    assert!(claims.certificate_expires > claims.timestamp);
    // Leaf keys live three hours.
    assert!(claims.certificate_expires.0 - claims.timestamp.0 <= 3 * 3_600_000 + 3_000);
    // PCR4 is the instance's: SHA-384 of 48 zero bytes and the instance id, extended once.
    let instance = claims.module_id.split("-enc").next().unwrap();
    let extended = [&[0; 48][..], instance.as_bytes()].concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, &extended);
    let pcr4 = Pcr(digest.as_ref().try_into().unwrap());
    assert_eq!(claims.pcrs.get(4), Some(&pcr4));
    fresh_too("committed", COMMITTED, evidence.clone());
}

/// The committed document, bent.
#[test]
fn f5_a_document_of_hardware_does_not_survive_changes() {
    let any = Policy::any_measurement();
    let document = Document::parse(COMMITTED).unwrap();
    let measured = document.payload().pcrs.get(0).unwrap();
    let at = COMMITTED.windows(48).position(|w| w == measured).unwrap();
    let mut changed = COMMITTED.to_vec();
    changed[at] ^= 1;
    assert_eq!(stored(&changed, &any), Err(Refusal::Signature));
    let longer = [COMMITTED, &[0]].concat();
    assert_eq!(
        stored(&longer, &any),
        Err(Refusal::Malformed(Malformed::TrailingBytes))
    );
    let tagged = [&[0xd2], COMMITTED].concat();
    assert!(stored(&tagged, &any).is_ok());
}
