//! Statements signed by an enclave's identity key.

use core::marker::PhantomData;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Bytes;
use crate::cbor;

/// A kind of statement. The label keeps a signature over one kind from being read as another.
pub trait Statement: Serialize + DeserializeOwned {
    /// Goes in front of the signed bytes, ended by a zero byte.
    const LABEL: &'static str;
}

/// The bytes of a statement with an Ed25519 signature (RFC 8032) of the identity key that the
/// enclave's evidence vouches for, over `LABEL ‖ 0x00 ‖ body`.
///
/// Reading the body is no check of the signature: `openkey-verifier` does both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(bound = "T: schemars::JsonSchema"))]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// Deterministic CBOR of the statement.
    pub body: Bytes,
    /// 64 bytes.
    pub signature: Bytes,
    #[serde(skip)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    kind: PhantomData<fn() -> T>,
}

impl<T: Statement> Signed<T> {
    /// Encodes a statement and signs it with `sign`, which is given [`Signed::input`].
    ///
    /// # Errors
    ///
    /// [`cbor::EncodeError`] if the statement cannot be encoded, which a test excludes for each kind.
    pub fn new(
        statement: &T,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<Self, cbor::EncodeError> {
        let body = cbor::encode(statement)?;
        let signature = sign(&Self::input(&body));
        Ok(Self::from_parts(body.into(), signature.into()))
    }

    /// The bytes under the signature for a given body.
    #[must_use]
    pub fn input(body: &[u8]) -> Vec<u8> {
        let mut input = Vec::with_capacity(T::LABEL.len() + 1 + body.len());
        input.extend_from_slice(T::LABEL.as_bytes());
        input.push(0);
        input.extend_from_slice(body);
        input
    }

    /// Puts received parts together; nothing is checked.
    #[must_use]
    pub const fn from_parts(body: Bytes, signature: Bytes) -> Self {
        Self {
            body,
            signature,
            kind: PhantomData,
        }
    }

    /// Reads the statement **without checking its signature**.
    ///
    /// # Errors
    ///
    /// [`cbor::DecodeError`] if the body is not the deterministic CBOR of such a statement.
    pub fn unverified(&self) -> Result<T, cbor::DecodeError> {
        cbor::decode(self.body.as_slice())
    }
}
