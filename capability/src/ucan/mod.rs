//! UCAN 0.10 tokens as compact JWTs (<https://github.com/ucan-wg/spec/tree/v0.10.0>, RFC 7519).
//!
//! A token is what was received: its text is kept, its signature is over that text, its name is the
//! hash of it. Nothing is printed again.

mod build;
mod error;
mod key;
mod text;

use core::fmt;

pub use self::build::{Builder, Unsigned};
pub use self::error::UcanError;
use base64ct::{Base64UrlUnpadded, Encoding as _};

use self::key::{Algorithm, Jwk};
use self::text::{Header, Payload, part};
use crate::attenuation::Attenuation;
use crate::cid::Cid;

/// Longest token, in bytes. One that names a thousand values has 200 KiB.
pub const MAX_TOKEN: usize = 384 * 1024;
/// Most proofs of one token: as many links as a chain may have.
pub const MAX_PROOFS: usize = crate::chain::MAX_NODES;
/// Most facts of one token.
pub const MAX_FACTS: usize = 16;

/// A UCAN, read and not verified.
#[derive(Clone, PartialEq)]
pub struct Ucan {
    token: String,
    /// Where the signature begins in it: behind the second dot.
    signed: usize,
    signature: Vec<u8>,
    algorithm: Algorithm,
    jwk: Option<Jwk>,
    payload: Payload,
    proofs: Vec<Cid>,
}

impl Ucan {
    /// Reads a compact JWT: three parts in base64url without padding.
    ///
    /// # Errors
    ///
    /// [`UcanError`]: the first rule that it breaks. Signature and time are not looked at.
    pub fn decode(token: &str) -> Result<Self, UcanError> {
        if token.len() > MAX_TOKEN {
            return Err(UcanError::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(UcanError::Parts);
        };
        let signed = header.len() + 1 + payload.len();
        let header = Header::read(&part(header)?)?;
        let payload = Payload::read(&part(payload)?)?;
        let proofs = payload.prf.iter().map(|text| Cid::parse(text));
        Ok(Self {
            signature: part(signature)?,
            token: token.to_owned(),
            signed,
            algorithm: header.alg,
            jwk: header.jwk,
            proofs: proofs.collect::<Result<_, _>>()?,
            payload,
        })
    }

    /// The token as it was received.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its name.
    #[must_use]
    pub fn cid(&self) -> Cid {
        Cid::of(self.token.as_bytes())
    }

    /// What was signed, as a hash: one for all tokens that say the same under the same header, however
    /// their signatures are written (ECDSA has two for each). What was revoked or used up is known by
    /// this, not by a name that somebody could change.
    #[must_use]
    pub fn statement(&self) -> [u8; 32] {
        let signed = self.token.get(..self.signed).unwrap_or_default();
        *blake3::hash(signed.as_bytes()).as_bytes()
    }

    /// The name of the token that says the same with the other signature that holds: ECDSA has two.
    #[must_use]
    pub fn other_name(&self) -> Option<Cid> {
        let principal = self.payload.iss.split('#').next().unwrap_or_default();
        let key = key::of(principal, self.jwk.as_ref()).ok()?;
        let other = key.other_signature(&self.signature)?;
        let signed = self.token.get(..self.signed)?;
        let other = Base64UrlUnpadded::encode_string(&other);
        Some(Cid::of(format!("{signed}.{other}").as_bytes()))
    }

    /// Who signed it: a DID, or a DID URL that names one of its keys.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.payload.iss
    }

    /// For whom it is: a DID.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.payload.aud
    }

    /// The last millisecond of its life, in Unix time; a fraction of one is not counted.
    #[must_use]
    pub fn expires_ms(&self) -> i64 {
        text::milliseconds(self.payload.exp.floor_seconds())
    }

    /// The first millisecond of its life, in Unix time; absent: it has begun.
    #[must_use]
    pub fn not_before_ms(&self) -> Option<i64> {
        let seconds = self.payload.nbf.as_ref();
        seconds.map(|seconds| text::milliseconds(seconds.ceil_seconds()))
    }

    /// What makes it different from another one.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.payload.nnc.as_deref()
    }

    /// What it says beside its grants.
    #[must_use]
    pub fn facts(&self) -> &[serde_json::Value] {
        self.payload.fct.as_deref().unwrap_or_default()
    }

    /// The delegations that it cites.
    #[must_use]
    pub fn proofs(&self) -> &[Cid] {
        &self.proofs
    }

    /// What it grants, or invokes.
    #[must_use]
    pub const fn attenuation(&self) -> &Attenuation {
        &self.payload.att
    }

    /// Checks the signature: by the key in a `did:key`, or by the header's key if that is the one of a
    /// `did:pkh` account. The header's algorithm must be that of the key.
    ///
    /// # Errors
    ///
    /// [`UcanError::Issuer`], [`UcanError::Algorithm`], [`UcanError::Signature`].
    pub fn verify(&self) -> Result<(), UcanError> {
        let principal = self.payload.iss.split('#').next().unwrap_or_default();
        let key = key::of(principal, self.jwk.as_ref())?;
        if Algorithm::of(&key) != self.algorithm {
            return Err(UcanError::Algorithm);
        }
        let signed = self.token.get(..self.signed).unwrap_or_default();
        key.verify(signed.as_bytes(), &self.signature)
            .map_err(|_| UcanError::Signature)
    }
}

/// Tokens are credentials for as long as they live: none is printed.
impl fmt::Debug for Ucan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ucan")
            .field("cid", &self.cid())
            .finish_non_exhaustive()
    }
}
