//! F6: what real hardware sends and strict parsers trip over. Each is accepted.

use openkey_attestation::{Claims, Document, Pcrs};

use crate::common::{
    Drafts, Enclave, INSTANCE, LEAF, MODULE_ID, NOW, PCRS, REGION, REGIONAL, ZONAL, envelope,
    nonce, policy,
};

fn accept(enclave: &Enclave, document: &[u8]) -> Claims {
    let fresh = enclave.verifier().fresh(document, &policy(), &nonce(), NOW);
    fresh.unwrap().claims().clone()
}

#[test]
fn f6_the_whole_of_it() {
    let enclave = Enclave::hardware();
    let claims = accept(&enclave, &enclave.document());
    assert_eq!(claims.module_id, MODULE_ID);
    assert_eq!(claims.region, REGION);
    assert_eq!(claims.timestamp, NOW);
    assert_eq!(claims.pcrs.iter().len(), 16);
    assert_eq!(claims.public_key, None);
    assert_eq!(claims.user_data, None);
    assert_eq!(claims.nonce.as_deref(), Some(nonce().as_bytes()));
    assert!(!claims.debug && !claims.simulator);
}

#[test]
fn f6_indefinite_and_definite_payload_maps() {
    let enclave = Enclave::hardware();
    let indefinite = enclave.payload().encode().unwrap();
    assert_eq!(indefinite[0], 0xbf);
    let definite = [&[0xa9], &indefinite[1..indefinite.len() - 1]].concat();
    for payload in [indefinite, definite] {
        accept(&enclave, &enclave.sign_raw(&payload));
    }
}

#[test]
fn f6_tagged_and_untagged_envelopes() {
    let enclave = Enclave::hardware();
    let document = enclave.document();
    assert_eq!(document[0], 0x84);
    accept(&enclave, &document);
    accept(&enclave, &[&[0xd2], &document[..]].concat());
}

#[test]
fn f6_optionals_null_absent_and_empty_are_three_things() {
    let enclave = Enclave::hardware();
    let null = enclave.payload().encode().unwrap();
    assert_eq!(accept(&enclave, &enclave.sign_raw(&null)).public_key, None);
    // Cut both null fields out.
    let cut = b"\x6apublic_key\xf6\x69user_data\xf6";
    let at = null.windows(cut.len()).position(|w| w == cut).unwrap();
    let absent = [&null[..at], &null[at + cut.len()..]].concat();
    let claims = accept(&enclave, &enclave.sign_raw(&absent));
    assert_eq!((claims.public_key, claims.user_data), (None, None));

    let empty = enclave.document_with(|p| {
        p.public_key = Some(b"");
        p.user_data = Some(b"");
    });
    let claims = accept(&enclave, &empty);
    assert_eq!(claims.public_key, Some(vec![]));
    assert_eq!(claims.user_data, Some(vec![]));
}

#[test]
fn f6_fields_of_1024_bytes() {
    let enclave = Enclave::hardware();
    let long = [0x5a; 1024];
    let document = enclave.document_with(|p| {
        p.public_key = Some(&long);
        p.user_data = Some(&long);
    });
    let claims = accept(&enclave, &document);
    assert_eq!(claims.public_key.as_deref(), Some(&long[..]));
    assert_eq!(claims.user_data.as_deref(), Some(&long[..]));
    let nonce = openkey_attestation::Nonce::new(&long).unwrap();
    let document = enclave.document_with(|p| p.nonce = Some(&long));
    assert!(
        enclave
            .verifier()
            .fresh(&document, &policy(), &nonce, NOW)
            .is_ok()
    );
}

#[test]
fn f6_seventeen_and_thirty_two_pcrs() {
    let enclave = Enclave::hardware();
    for count in [17, 32] {
        let document = enclave.document_with(|p| {
            p.pcrs = Pcrs::new();
            for index in 0..count {
                assert!(p.pcrs.insert(index, &PCRS[usize::from(index % 16)]));
            }
        });
        let claims = accept(&enclave, &document);
        assert_eq!(claims.pcrs.iter().len(), usize::from(count));
    }
}

#[test]
fn f6_keys_in_another_order() {
    let enclave = Enclave::hardware();
    let payload = enclave.payload().encode().unwrap();
    // The nonce to the front, where deterministic CBOR would have it.
    let nonce = [b"\x65nonce\x58\x20", nonce().as_bytes()].concat();
    let at = payload.windows(nonce.len()).position(|w| w == nonce);
    let at = at.unwrap();
    let rest = [&payload[1..at], &payload[at + nonce.len()..]].concat();
    accept(
        &enclave,
        &enclave.sign_raw(&[&[0xbf], &nonce[..], &rest].concat()),
    );
}

/// Half of hardware's signatures have a high `s`; both halves of the range verify.
#[test]
fn f6_high_and_low_s() {
    // The order of P-384 (FIPS 186-5, SP 800-186).
    let order: [u8; 48] = hex(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    );
    let enclave = Enclave::hardware();
    let document = enclave.document();
    let parsed = Document::parse(&document).unwrap();
    let (r, s) = parsed.signature().split_at(48);
    let mirrored = subtract(&order, s);
    let other = envelope(parsed.signed_bytes(), &[r, &mirrored].concat());
    assert_ne!(other, document);
    accept(&enclave, &document);
    accept(&enclave, &other);
}

fn hex(digits: &str) -> [u8; 48] {
    digits.parse::<openkey_attestation::Pcr>().unwrap().0
}

fn subtract(from: &[u8; 48], what: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference: Vec<u8> = (from.iter().rev())
        .zip(what.iter().rev())
        .map(|(a, b)| {
            let wide = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(wide < 0);
            wide.rem_euclid(256) as u8
        })
        .collect();
    difference.reverse();
    difference
}

/// Twenty octets with the top bit set are twenty-one in DER, which is one too many for readers
/// that count the encoding.
#[test]
fn f6_serial_numbers_of_twenty_one_content_octets() {
    let enclave = Enclave::hardware();
    let encoded = [&[0x02, 0x15, 0x00][..], &[0x9f; 20]].concat();
    let instance = &enclave.bundle[INSTANCE];
    assert!(instance.windows(23).any(|w| w == encoded));
    accept(&enclave, &enclave.document());
}

#[test]
fn f6_missing_and_present_key_identifiers() {
    // The instance certificate has none here, as before 2024-07, and the leaf never has.
    let enclave = Enclave::hardware();
    accept(&enclave, &enclave.document());
    let mut drafts = Drafts::of(MODULE_ID);
    for place in [REGIONAL, ZONAL, INSTANCE, LEAF] {
        drafts.0[place].authority_key_id = place == INSTANCE;
    }
    let enclave = drafts.issue();
    accept(&enclave, &enclave.document());
}

/// The leaf's key usage is not critical; AWS's is never.
#[test]
fn f6_key_usage_critical_or_not() {
    let enclave = Enclave::hardware();
    // SEQUENCE { OID keyUsage, OCTET STRING }, no BOOLEAN between.
    let plain = [
        0x06, 0x03, 0x55, 0x1d, 0x0f, 0x04, 0x04, 0x03, 0x02, 0x06, 0xc0,
    ];
    assert!(enclave.leaf.windows(11).any(|w| w == plain));
    accept(&enclave, &enclave.document());
    let mut drafts = Drafts::of(MODULE_ID);
    drafts.0[LEAF].key_usage(crate::common::SIGNS_DATA);
    let enclave = drafts.issue();
    accept(&enclave, &enclave.document());
}
