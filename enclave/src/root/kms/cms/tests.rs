use aws_lc_rs::rsa::PrivateDecryptingKey;
use proptest::prelude::*;

use super::*;

const KEY: &[u8] = include_bytes!("../../../../tests/data/kms/recipient.pkcs8");
/// What AWS sends, by hand: content in three chunks.
const AWS_SHAPE: &[u8] = include_bytes!("../../../../tests/data/kms/aws-shape.ber");
/// Another program's indefinite lengths and chunks.
const OPENSSL_BER: &[u8] = include_bytes!("../../../../tests/data/kms/openssl-chunks.ber");
/// Definite lengths, content as one primitive string.
const OPENSSL_DER: &[u8] = include_bytes!("../../../../tests/data/kms/openssl-definite.der");
/// A real answer of AWS KMS; whose, nobody knows.
const AWS_PUBLIC: &[u8] = include_bytes!("../../../../tests/data/kms/aws-public.ber");

/// Tag and length of what is replaced must be those that the vector has there.
const RECIPIENTS: &[u8] = &[0x31, 0x82, 0x01, 0x6b];
const RECIPIENT: &[u8] = &[0x30, 0x82, 0x01, 0x67];

fn key() -> OaepPrivateDecryptingKey {
    OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(KEY).unwrap()).unwrap()
}

fn open(bytes: &[u8]) -> Result<Vec<u8>, CmsError> {
    Ok(Enveloped::parse(bytes)?.open(&key())?.to_vec())
}

fn content() -> Vec<u8> {
    (0..32).collect()
}

fn find(bytes: &[u8], needle: &[u8]) -> usize {
    let mut found = bytes.windows(needle.len()).enumerate();
    found.find(|(_, window)| *window == needle).unwrap().0
}

/// The vector with the first `from` replaced by `to`, of the same length or within indefinite
/// lengths only.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = find(AWS_SHAPE, from);
    [&AWS_SHAPE[..at], to, &AWS_SHAPE[at + from.len()..]].concat()
}

fn refused(bytes: &[u8], why: &str) {
    let result = open(bytes);
    assert!(
        matches!(result, Err(CmsError::Shape(_))),
        "{why}: {result:?}"
    );
}

#[test]
fn k2_what_aws_writes_is_read() {
    for (name, vector) in [
        ("aws-shape", AWS_SHAPE),
        ("openssl-chunks", OPENSSL_BER),
        ("openssl-definite", OPENSSL_DER),
    ] {
        assert_eq!(open(vector), Ok(content()), "{name}");
    }
    let real = Enveloped::parse(AWS_PUBLIC).unwrap();
    assert_eq!(real.content.len(), 16);
    assert_eq!(real.open(&key()).err(), Some(CmsError::ContentKey));
}

#[test]
fn k2_every_truncation_and_every_trailing_byte_is_refused() {
    for vector in [AWS_SHAPE, OPENSSL_BER, OPENSSL_DER, AWS_PUBLIC] {
        for length in 0..vector.len() {
            let result = Enveloped::parse(&vector[..length]);
            assert!(matches!(result, Err(CmsError::Shape(_))), "{length}");
        }
        for more in [&[0][..], &[0, 0], &[5, 0], vector] {
            let result = Enveloped::parse(&[vector, more].concat());
            assert_eq!(result, Err(CmsError::Trailing));
        }
    }
    assert_eq!(
        Enveloped::parse(&vec![0x30; MAX_CMS + 1]),
        Err(CmsError::TooLong)
    );
}

/// What a flipped bit may change at most is the content that comes out, where the bit stands in
/// what CBC does not authenticate (the initialisation vector, the ciphertext); the key identifier
/// changes nothing.
#[test]
fn k2_every_flipped_bit_is_refused_or_gives_another_content() {
    for vector in [AWS_SHAPE, OPENSSL_BER, OPENSSL_DER] {
        let id_length = if vector == AWS_SHAPE { 32 } else { 20 };
        let id = find(vector, &[2, 1, 2, 0x80, id_length]) + 5;
        let id = id..id + usize::from(id_length);
        let iv = find(vector, &[0x65, 3, 4, 1, 42, 4, 16]) + 7;
        let mut refused = 0;
        for bit in 0..vector.len() * 8 {
            let (at, mask) = (bit / 8, 1 << (bit % 8));
            let mut changed = vector.to_vec();
            changed[at] ^= mask;
            match open(&changed) {
                Err(_) => refused += 1,
                Ok(same) if same == content() => assert!(id.contains(&at), "byte {at}"),
                Ok(_) => assert!(at >= iv, "byte {at}"),
            }
        }
        assert!(refused > 3000, "{refused}");
    }
}

#[test]
fn k2_another_number_of_recipients_is_refused() {
    let at = find(AWS_SHAPE, RECIPIENTS);
    let recipient = &AWS_SHAPE[at + 4..at + 4 + 0x16b];
    assert_eq!(&recipient[..4], RECIPIENT);
    let after = &AWS_SHAPE[at + 4 + 0x16b..];
    let with = |set: &[u8]| [&AWS_SHAPE[..at], set, after].concat();
    // The construction itself is sound: one recipient in a set of indefinite length is read.
    let one = with(&[&[0x31, 0x80], recipient, &[0, 0]].concat());
    assert_eq!(open(&one), Ok(content()));
    refused(&with(&[0x31, 0x80, 0, 0]), "none");
    refused(&with(&[0x31, 0]), "none");
    refused(
        &with(&[&[0x31, 0x80], recipient, recipient, &[0, 0]].concat()),
        "two",
    );
    // [1] KeyAgreeRecipientInfo in the place of a KeyTransRecipientInfo, and beside one.
    let mut agree = recipient.to_vec();
    agree[0] = 0xa1;
    refused(&with(&[&[0x31, 0x80], &*agree, &[0, 0]].concat()), "agree");
    refused(
        &with(&[&[0x31, 0x80], recipient, &*agree, &[0, 0]].concat()),
        "beside",
    );
}

#[test]
fn k2_other_algorithms_are_refused() {
    let oid = |arcs: &[u8]| [&[6, arcs.len() as u8], arcs].concat();
    // RSAES-PKCS1-v1_5 for OAEP
    refused(
        &replaced(RSAES_OAEP.0, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]),
        "pkcs1",
    );
    // SHA-1 would be shorter; SHA-384 and SHA-512 are not.
    for hash in [2, 3] {
        let other = [&SHA256.0[..8], &[hash]].concat();
        refused(&replaced(SHA256.0, &other), "hash");
        let mask = [MGF1.0, &[0x30, 13], &oid(SHA256.0)].concat();
        let other = [MGF1.0, &[0x30, 13], &oid(&other)].concat();
        refused(&replaced(&mask, &other), "mask");
    }
    // AES-128-CBC, AES-192-CBC, AES-256-GCM
    for cipher in [2, 22, 46] {
        let other = [&AES_256_CBC.0[..8], &[cipher]].concat();
        refused(&replaced(AES_256_CBC.0, &other), "cipher");
    }
    // SignedData for EnvelopedData, EnvelopedData for Data
    refused(&replaced(ENVELOPED_DATA.0, DATA.0), "data");
    refused(&replaced(DATA.0, ENVELOPED_DATA.0), "content type");
    // OAEP by its defaults, which are SHA-1's
    let at = find(AWS_SHAPE, RSAES_OAEP.0) + RSAES_OAEP.0.len();
    assert_eq!(&AWS_SHAPE[at..at + 2], [0x30, 47]);
    let mut defaults = AWS_SHAPE.to_vec();
    defaults[at] = 5;
    refused(&defaults, "parameters");
}

#[test]
fn k2_optional_parts_and_other_versions_are_refused() {
    // [0] originatorInfo after the version; the version a 3, a 0
    let version = [&[0x30, 0x80, 2, 1, 2][..], RECIPIENTS].concat();
    refused(
        &replaced(
            &version,
            &[&[0x30, 0x80, 2, 1, 2, 0xa0, 0], RECIPIENTS].concat(),
        ),
        "originator",
    );
    for other in [0, 3] {
        refused(
            &replaced(&version, &[&[0x30, 0x80, 2, 1, other], RECIPIENTS].concat()),
            "version",
        );
    }
    // [1] unprotectedAttrs at the end of EnvelopedData
    let end = AWS_SHAPE.len() - 6;
    let attributes = [&AWS_SHAPE[..end], &[0xa1, 0], &AWS_SHAPE[end..]].concat();
    refused(&attributes, "attributes");
}

#[test]
fn k2_contents_of_other_shapes_are_refused() {
    let at = find(AWS_SHAPE, &[0xa0, 0x80, 4, 20]);
    let end = AWS_SHAPE.len() - 10;
    let with = |content: &[u8]| [&AWS_SHAPE[..at], content, &AWS_SHAPE[end + 2..]].concat();
    let ciphertext = Enveloped::parse(AWS_SHAPE).unwrap().content;
    assert_eq!(ciphertext.len(), 48);
    let whole = with(&[&[0x80, 48], &*ciphertext].concat());
    assert_eq!(open(&whole), Ok(content()));
    let definite = with(&[&[0xa0, 50, 4, 48], &*ciphertext].concat());
    assert_eq!(open(&definite), Ok(content()));

    refused(&with(&[]), "no content");
    refused(&with(&[0x80, 0]), "empty content");
    refused(&with(&[0xa0, 0x80, 0, 0]), "no chunk");
    refused(
        &with(&[&[0x80, 47], &ciphertext[..47]].concat()),
        "half a block",
    );
    // Chunks within chunks are BER, but nobody writes them.
    let nested = [
        &[0xa0, 0x80, 0x24, 0x80, 4, 48],
        &*ciphertext,
        &[0, 0, 0, 0],
    ]
    .concat();
    refused(&with(&nested), "nested");
    let integer = [&[0xa0, 0x80, 2, 48], &*ciphertext, &[0, 0]].concat();
    refused(&with(&integer), "another tag");
    let blocks = MAX_CONTENT / BLOCK + 1;
    let chunk = [&[4, 16], &ciphertext[..16]].concat();
    let long = [&[0xa0, 0x80], &*chunk.repeat(blocks), &[0, 0]].concat();
    refused(&with(&long), "too long");
}

#[test]
fn k2_a_content_with_another_padding_does_not_decrypt() {
    let mut enveloped = Enveloped::parse(AWS_SHAPE).unwrap();
    // CBC: a bit in one block of ciphertext flips that bit of the next block's plaintext, which is
    // padding of 16 times 16.
    enveloped.content[16] ^= 1;
    assert_eq!(enveloped.open(&key()).err(), Some(CmsError::Content));
}

proptest! {
    #[test]
    fn k2_nothing_that_is_sent_stops_the_parser(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..16,
    ) {
        let _ = Enveloped::parse(&bytes);
        // A splice of the vector and anything.
        let at = at.index(AWS_SHAPE.len());
        let rest = AWS_SHAPE.get(at + cut..).unwrap_or_default();
        let short = &bytes[..bytes.len().min(16)];
        let spliced = [&AWS_SHAPE[..at], short, rest].concat();
        if let Ok(enveloped) = Enveloped::parse(&spliced) {
            prop_assert!(enveloped.content.len() <= MAX_CONTENT);
        }
    }
}
