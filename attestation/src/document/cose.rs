//! The COSE_Sign1 envelope (RFC 9052 §4.2): constants and what is signed.

/// Bytes of an ES384 signature (RFC 9053 §2.1: `r ‖ s`).
pub(super) const SIGNATURE_BYTES: usize = 96;

/// The only protected header of a document: {1: -35}, ES384.
pub(super) const PROTECTED: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

/// The only unprotected header of a document: the empty map.
pub(super) const UNPROTECTED: u8 = 0xa0;

/// The head of an array of four.
pub(super) const ARRAY_OF_FOUR: u8 = 0x84;

/// The `Sig_structure` of RFC 9052 §4.4 for a payload: an array of the context `Signature1`, the
/// protected header, no external data, and the payload. Built over the bytes as they came, because
/// a re-encoded payload is another one.
pub(super) fn sig_structure(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 32);
    bytes.push(ARRAY_OF_FOUR);
    bytes.push(0x60 | 10);
    bytes.extend_from_slice(b"Signature1");
    bytes.push(0x40 | PROTECTED.len() as u8);
    bytes.extend_from_slice(&PROTECTED);
    bytes.push(0x40);
    byte_string_head(&mut bytes, payload.len());
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of a byte string: major type 2 and the length in the fewest bytes.
pub(super) fn byte_string_head(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=23 => out.push(0x40 | length as u8),
        24..=0xff => out.extend_from_slice(&[0x58, length as u8]),
        0x100..=0xffff => {
            out.push(0x59);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x5a);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}
