//! Writing tokens.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;
use serde_json::{Number, Value};

use super::key::{Algorithm, Jwk};
use super::text::{Header, Payload, Seconds};
use super::{Ucan, UcanError};
use crate::attenuation::Attenuation;
use crate::cid::Cid;
use crate::key::PublicKey;

/// A token to be: who grants what to whom, until when.
#[derive(Clone, Debug)]
pub struct Builder {
    key: PublicKey,
    payload: Payload,
}

/// A token without its signature.
#[derive(Clone, Debug)]
pub struct Unsigned(String);

impl Builder {
    /// A token by this key for this DID, which lives until `expires` (Unix time, seconds).
    ///
    /// It says nothing else: neither nonce nor proofs nor grants.
    #[must_use]
    pub fn new(issuer: PublicKey, audience: &str, expires: impl Into<Number>) -> Self {
        Self {
            key: issuer,
            payload: Payload {
                iss: issuer.did_url(),
                aud: audience.to_owned(),
                nbf: None,
                exp: Seconds::new(expires.into()),
                nnc: None,
                fct: None,
                prf: Vec::new(),
                att: Attenuation::new(),
            },
        }
    }

    /// From when on (Unix time, seconds).
    #[must_use]
    pub fn not_before(mut self, seconds: impl Into<Number>) -> Self {
        self.payload.nbf = Some(Seconds::new(seconds.into()));
        self
    }

    /// What makes it different from another one; clients write `urn:uuid:…`.
    #[must_use]
    pub fn nonce(mut self, nonce: impl Into<String>) -> Self {
        self.payload.nnc = Some(nonce.into());
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, fact: Value) -> Self {
        self.payload.fct.get_or_insert_default().push(fact);
        self
    }

    /// Cites a delegation.
    #[must_use]
    pub fn proof(mut self, proof: &Cid) -> Self {
        self.payload.prf.push(proof.to_string());
        self
    }

    /// Grants, or invokes, this.
    #[must_use]
    pub fn grant(mut self, attenuation: Attenuation) -> Self {
        self.payload.att = attenuation;
        self
    }

    /// The text to be signed.
    ///
    /// # Errors
    ///
    /// [`UcanError::Payload`]: never in practice, since JSON's own types have an encoding.
    pub fn unsigned(&self) -> Result<Unsigned, UcanError> {
        fn text<T: Serialize>(value: &T) -> Result<String, UcanError> {
            let json = serde_json::to_vec(value).map_err(|_| UcanError::Payload)?;
            Ok(Base64UrlUnpadded::encode_string(&json))
        }
        let header = Header::new(Algorithm::of(&self.key), Jwk::of(&self.key));
        Ok(Unsigned(format!(
            "{}.{}",
            text(&header)?,
            text(&self.payload)?
        )))
    }

    /// The token, signed by whoever holds the key.
    ///
    /// # Errors
    ///
    /// The rule of [`Ucan::decode`] that it breaks, [`UcanError::Signature`] if that is not the
    /// issuer's.
    pub fn sign(&self, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Ucan, UcanError> {
        let unsigned = self.unsigned()?;
        let signature = sign(unsigned.as_bytes());
        unsigned.with_signature(&signature)
    }
}

impl Unsigned {
    /// What is signed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The token with its signature, of 64 bytes.
    ///
    /// # Errors
    ///
    /// The rule of [`Ucan::decode`] that it breaks, [`UcanError::Signature`] if that is not the
    /// issuer's.
    pub fn with_signature(self, signature: &[u8]) -> Result<Ucan, UcanError> {
        let signature = Base64UrlUnpadded::encode_string(signature);
        let ucan = Ucan::decode(&format!("{}.{signature}", self.0))?;
        ucan.verify()?;
        Ok(ucan)
    }
}
