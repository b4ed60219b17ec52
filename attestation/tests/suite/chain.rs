//! Our own rules about certificates, each broken by one change to a valid hierarchy.

use openkey_attestation::{ChainError, Party, Refusal};

use crate::common::{
    AUTHORITY, DAY, Draft, Drafts, EXTENDED_KEY_USAGE, Enclave, HOUR, INSTANCE, LEAF, MODULE_ID,
    NO_AUTHORITY, NOW, REGIONAL, ROOT, SECOND, SIGNS_CERTIFICATES, SIGNS_DATA, ZONAL, extension,
    nonce, path_length, policy,
};

fn verdict(enclave: &Enclave) -> Result<(), Refusal> {
    enclave
        .verifier()
        .fresh(&enclave.document(), &policy(), &nonce(), NOW)
        .map(|_| ())
}

/// The verdict on a hierarchy with one certificate changed before it was issued.
fn bent(place: usize, bend: impl FnOnce(&mut Draft)) -> Result<(), Refusal> {
    let mut drafts = Drafts::of(MODULE_ID);
    bend(&mut drafts.0[place]);
    verdict(&drafts.issue())
}

fn refused(error: ChainError) -> Result<(), Refusal> {
    Err(Refusal::Chain(error))
}

const PARTIES: [Party; 5] = [
    Party::Root,
    Party::Intermediate(1),
    Party::Intermediate(2),
    Party::Intermediate(3),
    Party::Leaf,
];

#[test]
fn every_certificate_must_be_valid() {
    for (place, party) in PARTIES.into_iter().enumerate() {
        assert_eq!(bent(place, |draft| draft.from = SECOND), Ok(()));
        assert_eq!(
            bent(place, |draft| draft.from = SECOND + 1),
            refused(ChainError::NotYetValid(party))
        );
        assert_eq!(bent(place, |draft| draft.until = SECOND), Ok(()));
        assert_eq!(
            bent(place, |draft| {
                draft.from = SECOND - DAY;
                draft.until = SECOND - 1;
            }),
            refused(ChainError::Expired(party))
        );
    }
}

#[test]
fn every_issuer_must_be_an_authority() {
    for place in [ROOT, REGIONAL, ZONAL, INSTANCE] {
        assert_eq!(
            bent(place, |draft| draft.constraints(NO_AUTHORITY)),
            refused(ChainError::NotAnAuthority(PARTIES[place]))
        );
        // Without any basic constraints, too.
        assert_eq!(
            bent(place, |draft| draft
                .extensions
                .remove(0)
                .set_criticality(true)),
            refused(ChainError::NotAnAuthority(PARTIES[place]))
        );
    }
}

#[test]
fn every_issuer_must_be_allowed_to_sign_certificates() {
    for place in [ROOT, REGIONAL, ZONAL, INSTANCE] {
        assert_eq!(
            bent(place, |draft| draft.key_usage(SIGNS_DATA)),
            refused(ChainError::KeyUsage(PARTIES[place]))
        );
        assert_eq!(
            bent(place, Draft::no_key_usage),
            refused(ChainError::KeyUsage(PARTIES[place]))
        );
    }
}

#[test]
fn path_lengths_are_respected() {
    for (place, below) in [(ROOT, 3), (REGIONAL, 2), (ZONAL, 1)] {
        let length = |n| bent(place, |draft| draft.constraints(&path_length(n)));
        assert_eq!(length(below), Ok(()));
        assert_eq!(
            length(below - 1),
            refused(ChainError::PathLength(PARTIES[place]))
        );
        assert_eq!(bent(place, |draft| draft.constraints(AUTHORITY)), Ok(()));
    }
}

#[test]
fn the_leaf_must_sign_data_and_nothing_else() {
    for constraints in [AUTHORITY, &path_length(0)] {
        assert_eq!(
            bent(LEAF, |draft| draft.constraints(constraints)),
            refused(ChainError::LeafIsAuthority)
        );
    }
    // A path length on something that is no authority.
    assert_eq!(
        bent(LEAF, |draft| draft
            .constraints(&[0x30, 0x03, 0x02, 0x01, 0x00])),
        refused(ChainError::LeafIsAuthority)
    );
    // Neither: certificates only, both, keyAgreement, nothing.
    for usage in [SIGNS_CERTIFICATES, &[3, 2, 2, 0x84], &[3, 2, 3, 8]] {
        assert_eq!(
            bent(LEAF, |draft| draft.key_usage(usage)),
            refused(ChainError::KeyUsage(Party::Leaf))
        );
    }
    assert_eq!(
        bent(LEAF, Draft::no_key_usage),
        refused(ChainError::KeyUsage(Party::Leaf))
    );
}

#[test]
fn certificates_for_other_purposes_are_refused() {
    // serverAuth.
    let purpose = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
    let answer = bent(LEAF, |draft| {
        draft
            .extensions
            .push(extension(EXTENDED_KEY_USAGE, false, purpose));
    });
    assert_eq!(answer.unwrap_err().rule(), "certificate_path");
    // An unknown extension that is critical, and one that is not.
    let unknown = |critical| {
        bent(LEAF, |draft| {
            let private = &[1, 3, 6, 1, 4, 1, 55_555, 1];
            draft
                .extensions
                .push(extension(private, critical, &[0x05, 0x00]));
        })
    };
    assert_eq!(unknown(true).unwrap_err().rule(), "certificate_path");
    assert_eq!(unknown(false), Ok(()));
}

#[test]
fn an_extension_occurs_once() {
    for place in [REGIONAL, LEAF] {
        assert_eq!(
            bent(place, |draft| {
                let again = draft.extensions[0].clone();
                draft.extensions.push(again);
            }),
            refused(ChainError::Malformed(PARTIES[place]))
        );
    }
}

#[test]
fn the_bundle_is_root_first_and_in_order() {
    let enclave = Enclave::hardware();
    assert_eq!(verdict(&enclave), Ok(()));
    // Entry 0 is the root: without it, or elsewhere, nothing is looked at.
    let mut reversed = enclave.clone();
    reversed.bundle.reverse();
    let mut without = enclave.clone();
    without.bundle.remove(0);
    for bundle in [&reversed.bundle, &without.bundle] {
        let document = enclave.document_with(|p| {
            p.cabundle = bundle.iter().map(Vec::as_slice).collect();
        });
        let answer = enclave
            .verifier()
            .fresh(&document, &policy(), &nonce(), NOW)
            .map(|_| ());
        assert_eq!(answer, refused(ChainError::UnknownRoot));
    }
    for (a, b) in [(1, 2), (2, 3), (1, 3)] {
        let mut swapped = enclave.clone();
        swapped.bundle.swap(a, b);
        assert_eq!(
            verdict(&swapped),
            refused(ChainError::Order(Party::Intermediate(a)))
        );
    }
}

#[test]
fn every_entry_of_the_bundle_is_used() {
    let enclave = Enclave::hardware();
    let stranger = Enclave::hardware();
    for place in 1..=4 {
        // A certificate of another hierarchy, of the same names; one twice; the root again.
        let extra = |der: &[u8]| {
            let mut more = enclave.clone();
            more.bundle.insert(place, der.to_vec());
            let answer = verdict(&more);
            assert!(matches!(answer, Err(Refusal::Chain(_))), "{answer:?}");
        };
        extra(&stranger.bundle[place.min(3)]);
        extra(&enclave.bundle[place.min(3)]);
        extra(&enclave.bundle[0]);
    }
    for place in 1..=3 {
        let mut less = enclave.clone();
        less.bundle.remove(place);
        assert!(matches!(
            verdict(&less),
            Err(Refusal::Chain(ChainError::Order(_)))
        ));
    }
}

/// Two authorities of one name and key can both be issuers of the next certificate. The path takes
/// one of them; the bundle must hold just that one.
#[test]
fn a_second_certificate_of_the_same_authority_is_refused() {
    let keys: Vec<rcgen::KeyPair> = (0..5)
        .map(|_| rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap())
        .collect();
    let first = Drafts::of(MODULE_ID).issue_with(&keys);
    let mut drafts = Drafts::of(MODULE_ID);
    // Issued under its own name, so that the order of names holds.
    drafts.0[ZONAL].names = drafts.0[REGIONAL].names.clone();
    let second = drafts.issue_with(&keys);
    let mut both = first;
    both.bundle.insert(2, second.bundle[2].clone());
    assert!(matches!(verdict(&both), Err(Refusal::Chain(_))));
}

#[test]
fn signatures_bind_each_certificate_to_its_issuer() {
    let enclave = Enclave::hardware();
    for place in 1..=4 {
        let mut changed = enclave.clone();
        let der = changed.bundle.get_mut(place).unwrap_or(&mut changed.leaf);
        // The serial number, which only the signature protects.
        let at = der
            .windows(8)
            .position(|w| w == [0x11; 8] || w == [0x9f; 8]);
        der[at.unwrap() + 2] ^= 1;
        assert_eq!(verdict(&changed), refused(ChainError::Signature), "{place}");
    }
}

#[test]
fn the_leaf_is_named_after_the_module() {
    let named = |name: &str| {
        bent(LEAF, |draft| {
            draft.names = vec![(rcgen::DnType::CommonName, name.into())];
        })
    };
    assert_eq!(named(&format!("{MODULE_ID}.us-gov-west-1.aws")), Ok(()));
    for name in [
        format!("{MODULE_ID}0.eu-central-1.aws"),
        format!("x{MODULE_ID}.eu-central-1.aws"),
        format!("{MODULE_ID}.eu-central-1.sim"),
        format!("{MODULE_ID}.eu-central-1.aws."),
        format!("{MODULE_ID}.eu.central.aws"),
        format!("{MODULE_ID}..aws"),
        format!("{MODULE_ID}.aws"),
        format!("{MODULE_ID}.EU.aws"),
        MODULE_ID.to_owned(),
        "i-0.eu-central-1.aws".to_owned(),
    ] {
        assert_eq!(named(&name), Err(Refusal::LeafName), "{name}");
    }
    // No name at all.
    assert_eq!(
        bent(LEAF, |draft| draft.names.truncate(3)),
        refused(ChainError::Malformed(Party::Leaf))
    );
}

#[test]
fn keys_and_signatures_are_p384() {
    for place in [ROOT, REGIONAL, ZONAL, INSTANCE] {
        let answer = bent(place, |draft| draft.curve = &rcgen::PKCS_ECDSA_P256_SHA256);
        assert!(matches!(answer, Err(Refusal::Chain(_))), "{answer:?}");
    }
    let mut drafts = Drafts::of(MODULE_ID);
    drafts.0[LEAF].curve = &rcgen::PKCS_ECDSA_P256_SHA256;
    let mut enclave = drafts.issue();
    // The document is signed by some P-384 key: its own certificate names none.
    enclave.key = Enclave::hardware().key;
    assert_eq!(verdict(&enclave), refused(ChainError::LeafKey));
}

#[test]
fn the_expiry_that_is_told_is_the_earliest_of_the_chain() {
    let until = |place: usize, at: i64| {
        let mut drafts = Drafts::of(MODULE_ID);
        drafts.0[place].until = at;
        let enclave = drafts.issue();
        let fresh = enclave
            .verifier()
            .fresh(&enclave.document(), &policy(), &nonce(), NOW);
        fresh.unwrap().claims().certificate_expires.seconds() as i64
    };
    assert_eq!(until(LEAF, SECOND + HOUR), SECOND + HOUR);
    assert_eq!(until(INSTANCE, SECOND + 60), SECOND + 60);
    assert_eq!(until(ROOT, SECOND + 30), SECOND + 30);
}
