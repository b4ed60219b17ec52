use proptest::prelude::*;

use super::*;

/// The vector of docs/ra-tls.md: a synthetic "document" of 26 bytes.
const VECTOR: &[u8] = include_bytes!("vector.bin");

#[test]
fn c1_the_vector_is_written_and_read_byte_for_byte() {
    let document: Vec<u8> = (b'a'..=b'z').collect();
    assert_eq!(encode(&document).unwrap(), VECTOR);
    assert_eq!(decode(VECTOR).unwrap(), document);
    assert_eq!(VECTOR[..4], [0x83, 0x12, 0x58, 26]);
    assert_eq!(VECTOR.last(), Some(&0x04));
}

#[test]
fn lengths_have_one_form() {
    for length in [1, 23, 24, 255, 256, 4400, MAX_DOCUMENT] {
        let document = vec![7; length];
        assert_eq!(decode(&encode(&document).unwrap()).unwrap(), document);
    }
    assert_eq!(encode(&[]), Err(ExtensionError::Document(0)));
    let long = vec![0; MAX_DOCUMENT + 1];
    assert_eq!(encode(&long), Err(ExtensionError::Document(long.len())));
}

#[test]
fn other_wrappers_are_refused() {
    let of = |bytes: &[u8]| decode(bytes).unwrap_err();
    // Two elements, an indefinite array, a tag, a text type, another content format.
    for head in [
        &[0x82, 0x12][..],
        &[0x9f, 0x12],
        &[0xd8, 0x12],
        &[0x83, 0x61],
        &[0x83, 0x11],
        &[0x83, 0x18],
    ] {
        assert_eq!(of(&[head, &[0x41, 7, 4]].concat()), ExtensionError::Wrapper);
    }
    // Lengths that could be shorter, an indefinite string, a text, 32 bits of length.
    for length in [
        &[0x58, 23][..],
        &[0x59, 0, 255],
        &[0x5f, 0x41],
        &[0x61, 7],
        &[0x5a, 0, 0, 0, 1],
    ] {
        let value = [&HEAD[..], length, &[7; 300]].concat();
        assert_eq!(of(&value), ExtensionError::Length, "{length:?}");
    }
    assert_eq!(of(&[0x83, 0x12, 0x40, 4]), ExtensionError::Document(0));
    let long = [&HEAD[..], &[0x59, 0xff, 0xff], &[0; 70_000]].concat();
    assert_eq!(of(&long), ExtensionError::Document(0xffff));
    for indicator in [0x00, 0x01, 0x02, 0x03, 0x05, 0x08, 0x0c, 0x18] {
        assert_eq!(
            of(&[0x83, 0x12, 0x41, 7, indicator]),
            ExtensionError::Indicator
        );
    }
    assert_eq!(of(&[0x83, 0x12, 0x41, 7, 4, 4]), ExtensionError::Trailing);
}

#[test]
fn every_cut_is_refused() {
    for end in 0..VECTOR.len() {
        assert_eq!(
            decode(&VECTOR[..end]),
            Err(ExtensionError::Truncated),
            "{end}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(document in proptest::collection::vec(any::<u8>(), 1..600)) {
        let value = encode(&document).unwrap();
        prop_assert_eq!(decode(&value).unwrap(), &document[..]);
    }

    /// Nothing but the one encoding is read.
    #[test]
    fn what_is_read_is_written_so(value in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut value = value;
        // Half of the time, past the first hurdle.
        if value.len() > 3 && value[0] & 1 == 0 {
            value[..2].copy_from_slice(&HEAD);
        }
        if let Ok(document) = decode(&value) {
            prop_assert_eq!(encode(document).unwrap(), value);
        }
    }

    #[test]
    fn one_changed_bit_outside_the_document_is_refused(
        document in proptest::collection::vec(any::<u8>(), 24..400),
        bit in 0_usize..8,
        place in 0_usize..3,
    ) {
        let mut value = encode(&document).unwrap();
        let at = [0, 1, value.len() - 1][place];
        value[at] ^= 1 << bit;
        prop_assert!(decode(&value).is_err());
    }
}
