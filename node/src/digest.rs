//! Hashes as text.

/// A hash of 32 bytes, written in lower-case hexadecimal digits and in no other way.
pub(crate) fn parse(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let is_lower = !text.bytes().any(|digit| digit.is_ascii_uppercase());
    let read = hex::decode_to_slice(text, &mut hash);
    read.ok().filter(|()| is_lower).map(|()| hash)
}
