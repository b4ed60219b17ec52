//! F5: documents that were changed, cut, extended or re-encoded.

use openkey_attestation::{ChainCache, Document, Malformed, Policy, Refusal, Verifier};

use crate::common::{Enclave, NOW, envelope, nonce, policy};

/// Every bit of a valid document, one at a time.
#[test]
fn f5_every_flipped_bit_is_noticed() {
    let enclave = Enclave::hardware();
    let verifier = enclave.verifier().with_cache(ChainCache::default());
    let document = enclave.document();
    let policy = Policy::any_measurement();
    assert!(verifier.fresh(&document, &policy, &nonce(), NOW).is_ok());
    for place in 0..document.len() {
        // All bits of the envelope's and the payload's first bytes, one bit of each other byte.
        let bits = if place < 64 {
            0..8
        } else {
            place % 8..place % 8 + 1
        };
        for bit in bits {
            let mut changed = document.clone();
            changed[place] ^= 1 << bit;
            let answer = verifier.fresh(&changed, &policy, &nonce(), NOW);
            assert!(answer.is_err(), "byte {place} bit {bit}");
        }
    }
}

#[test]
fn f5_every_truncation_is_refused() {
    let document = Enclave::hardware().document();
    for length in 0..document.len() {
        assert!(Document::parse(&document[..length]).is_err(), "{length}");
    }
    assert_eq!(Document::parse(b""), Err(Malformed::Truncated));
}

#[test]
fn f5_trailing_bytes_and_doubled_documents_are_refused() {
    let document = Enclave::hardware().document();
    for more in [&[0][..], &[0xf6], &[0xff], &document] {
        let longer = [&document[..], more].concat();
        assert_eq!(Document::parse(&longer), Err(Malformed::TrailingBytes));
    }
    let endless = [&document[..], &vec![0; 20_000]].concat();
    assert_eq!(Document::parse(&endless), Err(Malformed::TooLong));
}

/// The same map in another encoding is another payload: the signature is over the bytes.
#[test]
fn f5_a_reencoded_payload_is_refused() {
    let enclave = Enclave::hardware();
    let document = enclave.document();
    let parsed = Document::parse(&document).unwrap();
    let payload = parsed.signed_bytes();
    // Indefinite to definite.
    let definite = [&[0xa9], &payload[1..payload.len() - 1]].concat();
    let changed = envelope(&definite, parsed.signature());
    assert_eq!(
        Document::parse(&changed).unwrap().payload(),
        parsed.payload()
    );
    let verifier = enclave.verifier();
    assert_eq!(
        verifier.fresh(&changed, &policy(), &nonce(), NOW),
        Err(Refusal::Signature)
    );
    // Signed in that form it is as good.
    let signed = enclave.sign_raw(&definite);
    assert!(verifier.fresh(&signed, &policy(), &nonce(), NOW).is_ok());
}

/// Even the genuine key does not make an irregular payload a document: two readers could read it
/// in two ways.
#[test]
fn f5_irregular_payloads_are_refused_under_a_good_signature() {
    let enclave = Enclave::hardware();
    let good = enclave.payload().encode().unwrap();
    let inner = &good[1..good.len() - 1];
    let swap = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|w| w == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let pcr0 = [&[0x00, 0x58, 0x30][..], &[0xa0; 48]].concat();
    let pcr1_as_0 = [&[0x00, 0x58, 0x30][..], &[0xa1; 48]].concat();
    let pcr1 = [&[0x01, 0x58, 0x30][..], &[0xa1; 48]].concat();
    for (payload, rule) in [
        (
            [b"\xbf", inner, b"\x65nonce\x40\xff"].concat(),
            "duplicate_key",
        ),
        (
            [b"\xaa", inner, b"\x69user_data\x41\x01"].concat(),
            "duplicate_key",
        ),
        (swap(&pcr1, &pcr1_as_0), "duplicate_pcr"),
        (
            swap(&pcr0, &[&[0x5f], &pcr0[..], &[0xff]].concat()),
            "field_type",
        ),
        (
            swap(b"\x66SHA384", b"\x7f\x66SHA384\xff"),
            "indefinite_length",
        ),
        (swap(b"\x66SHA384", b"\xc1\x66SHA384"), "unexpected_tag"),
        (swap(b"user_data\xf6", b"user_data\xf7"), "field_type"),
        ([b"\xbf", inner, b"\x61x\xf6\xff"].concat(), "unknown_key"),
        ([&good[..], &[0]].concat(), "trailing_payload_bytes"),
    ] {
        let document = enclave.sign_raw(&payload);
        let refusal = enclave
            .verifier()
            .fresh(&document, &policy(), &nonce(), NOW)
            .unwrap_err();
        assert_eq!(refusal.rule(), rule);
    }
    // Beside the signature stands nothing: no header that it does not cover.
    let document = enclave.document();
    let header = [&document[..6], b"\xa1\x01\x38\x22", &document[7..]].concat();
    assert_eq!(document[6], 0xa0);
    assert_eq!(Document::parse(&header), Err(Malformed::UnprotectedHeader));
}

/// A signature in DER, of another length, or of zeros; another algorithm's header.
#[test]
fn f5_other_signatures_and_algorithms_are_refused() {
    let enclave = Enclave::hardware();
    let payload = enclave.payload().encode().unwrap();
    let der = [
        &[0x30, 0x64, 0x02, 0x30][..],
        &[1; 48],
        &[0x02, 0x30],
        &[1; 48],
    ]
    .concat();
    for signature in [&der[..], &[], &[1; 64], &[1; 95], &[1; 97], &[1; 132]] {
        assert_eq!(
            Document::parse(&envelope(&payload, signature)),
            Err(Malformed::SignatureLength)
        );
    }
    for signature in [[0; 96], [0xff; 96], [1; 96]] {
        assert_eq!(
            enclave
                .verifier()
                .fresh(&envelope(&payload, &signature), &policy(), &nonce(), NOW),
            Err(Refusal::Signature)
        );
    }
    // A good signature by another key, of the same chain shape.
    let stranger = Enclave::hardware();
    let message = crate::common::sig_structure(&payload);
    assert_eq!(
        enclave.verifier().fresh(
            &envelope(&payload, &stranger.sign(&message)),
            &policy(),
            &nonce(),
            NOW
        ),
        Err(Refusal::Signature)
    );
}

/// Deep nesting and huge lengths cost neither memory nor time: they end at the first byte that
/// is not a document's.
#[test]
fn f5_bombs_are_refused_at_once() {
    let nested = vec![0x81; 16_000];
    assert_eq!(Document::parse(&nested), Err(Malformed::NotCoseSign1));
    let tags = vec![0xc1; 16_000];
    assert_eq!(Document::parse(&tags), Err(Malformed::Tag));
    let huge_array = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(Document::parse(&huge_array), Err(Malformed::NotCoseSign1));
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        let huge = [&[head][..], &[0xff; 8], &[0; 100]].concat();
        // As the protected header, the payload's map, and a value in it.
        let places = [
            [&[0x84][..], &huge].concat(),
            envelope(&huge, &[1; 96]),
            envelope(&[b"\xa1\x65nonce", &huge[..]].concat(), &[1; 96]),
            envelope(&[b"\xa1\x64pcrs", &huge[..]].concat(), &[1; 96]),
            envelope(&[b"\xa1\x68cabundle", &huge[..]].concat(), &[1; 96]),
        ];
        for bytes in places {
            assert!(Document::parse(&bytes).is_err());
        }
    }
}

/// A verifier is not thrown by anything a document can hold in place of certificates.
#[test]
fn f5_broken_certificates_are_refused_by_name() {
    let mut enclave = Enclave::hardware();
    let verifier: Verifier = enclave.verifier();
    for place in 1..=4 {
        let mut broken = enclave.clone();
        let der = broken.bundle.get_mut(place).unwrap_or(&mut broken.leaf);
        der.truncate(der.len() - 1);
        let answer = verifier.fresh(&broken.document(), &policy(), &nonce(), NOW);
        assert_eq!(answer.unwrap_err().rule(), "certificate_malformed");
    }
    enclave.leaf = vec![0x30];
    let answer = verifier.fresh(&enclave.document(), &policy(), &nonce(), NOW);
    assert_eq!(answer.unwrap_err().rule(), "certificate_malformed");
}
