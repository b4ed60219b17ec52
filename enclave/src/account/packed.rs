//! Lists of numbers inside an account record, as one byte string each: an account in heavy use holds
//! hundreds of them, and reading as many items would cost more than the signature itself.

use openkey_protocol::message::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A value of fixed length.
pub(super) trait Packed<const N: usize>: Sized {
    fn pack(&self) -> [u8; N];
    fn unpack(bytes: &[u8; N]) -> Self;
}

impl Packed<8> for u64 {
    fn pack(&self) -> [u8; 8] {
        self.to_be_bytes()
    }

    fn unpack(bytes: &[u8; 8]) -> Self {
        Self::from_be_bytes(*bytes)
    }
}

pub(super) fn serialize<const N: usize, T: Packed<N>, S: Serializer>(
    values: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = values.iter().flat_map(Packed::pack).collect();
    Bytes(bytes).serialize(serializer)
}

pub(super) fn deserialize<'de, const N: usize, T: Packed<N>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let bytes = Bytes::deserialize(deserializer)?;
    let (chunks, rest) = bytes.as_slice().as_chunks::<N>();
    if !rest.is_empty() {
        return Err(D::Error::custom(
            "a list that is not a whole number of entries",
        ));
    }
    Ok(chunks.iter().map(T::unpack).collect())
}
