//! Deterministic CBOR (placeholder until the strict pass lands in this file).

use serde::{Serialize, de::DeserializeOwned};

/// A value could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode: {0}")]
pub struct EncodeError(pub String);

/// Bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot decode: {0}")]
pub struct DecodeError(pub String);

/// Encodes.
///
/// # Errors
///
/// [`EncodeError`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    minicbor_serde::to_vec(value).map_err(|e| EncodeError(e.to_string()))
}

/// Decodes.
///
/// # Errors
///
/// [`DecodeError`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    minicbor_serde::from_slice(bytes).map_err(|e| DecodeError(e.to_string()))
}
