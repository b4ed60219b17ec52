//! The JSON inside a token.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::key::{Algorithm, Jwk};
use super::{MAX_FACTS, MAX_PROOFS, UcanError};
use crate::attenuation::{Attenuation, NO_URI, Value};

const TYPE: &str = "JWT";
const VERSION: &str = "0.10.0";

/// What a header says, in the order in which clients write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) alg: Algorithm,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "key"
    )]
    pub(super) jwk: Option<Jwk>,
    typ: String,
    ucv: String,
    /// True if the header names extensions that a reader must understand (RFC 7515, section
    /// 4.1.11). Nothing here understands any, so such a token is refused.
    #[serde(default, skip_serializing, deserialize_with = "present")]
    crit: bool,
    /// True if the header says how the payload is encoded (RFC 7797): another reading of the same
    /// bytes.
    #[serde(default, skip_serializing, deserialize_with = "present")]
    b64: bool,
}

/// What a payload says, in the order in which clients write it. Other members are not read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) iss: String,
    pub(super) aud: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<Seconds>,
    pub(super) exp: Seconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nnc: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "facts"
    )]
    pub(super) fct: Option<Vec<serde_json::Value>>,
    pub(super) prf: Vec<String>,
    pub(super) att: Attenuation,
}

/// Unix time in seconds, perhaps with a fraction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Seconds(Number);

impl Seconds {
    pub(super) const fn new(number: Number) -> Self {
        Self(number)
    }

    /// In milliseconds, a fraction of one left away.
    pub(super) fn floor_seconds(&self) -> f64 {
        (self.as_f64() * 1000.0).floor()
    }

    /// In milliseconds, a fraction of one counted whole.
    pub(super) fn ceil_seconds(&self) -> f64 {
        (self.as_f64() * 1000.0).ceil()
    }

    fn as_f64(&self) -> f64 {
        // Integers beyond 2^53 round, which is some hundred million years away.
        self.0.as_f64().unwrap_or_default()
    }
}

/// Milliseconds as a whole number; what is out of its range becomes its end.
pub(super) const fn milliseconds(milliseconds: f64) -> i64 {
    // `as` saturates, and JSON has no NaN
    milliseconds as i64
}

impl Header {
    pub(super) fn new(alg: Algorithm, jwk: Option<Jwk>) -> Self {
        Self {
            alg,
            jwk,
            typ: TYPE.into(),
            ucv: VERSION.into(),
            crit: false,
            b64: false,
        }
    }

    pub(super) fn read(json: &[u8]) -> Result<Self, UcanError> {
        let header: Self = object(json).map_err(|_| UcanError::Header)?;
        let is_extended = header.crit || header.b64;
        if header.typ == TYPE && header.ucv == VERSION && !is_extended {
            Ok(header)
        } else {
            Err(UcanError::Header)
        }
    }
}

impl Payload {
    pub(super) fn read(json: &[u8]) -> Result<Self, UcanError> {
        let payload: Self = object(json).map_err(|error| match error {
            Some(error) if error.to_string().starts_with(NO_URI) => UcanError::Resource,
            _ => UcanError::Payload,
        })?;
        let facts = payload.fct.as_ref().map_or(0, Vec::len);
        if payload.prf.len() > MAX_PROOFS || facts > MAX_FACTS {
            return Err(UcanError::TooMany);
        }
        if !payload.aud.starts_with("did:") || payload.aud.contains('#') {
            return Err(UcanError::Audience);
        }
        if !payload.iss.starts_with("did:") {
            return Err(UcanError::Issuer);
        }
        Ok(payload)
    }
}

/// An object; serde would take a list of the members' values, too.
fn object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Option<serde_json::Error>> {
    if json.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(json).map_err(Some)
    } else {
        Err(None)
    }
}

/// True for a member that is there, whatever its value.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// A key of a kind that is not known is none: who needs one finds that out when the signature is
/// checked, and a `did:key` needs none.
fn key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Jwk>, D::Error> {
    let key = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(key.and_then(|key| Jwk::deserialize(key).ok()))
}

/// Nothing in a fact is named twice.
fn facts<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<serde_json::Value>>, D::Error> {
    let facts: Option<Vec<Value>> = Option::deserialize(deserializer)?;
    Ok(facts.map(|facts| facts.into_iter().map(|Value(fact)| fact).collect()))
}

/// A part of a token.
pub(super) fn part(text: &str) -> Result<Vec<u8>, UcanError> {
    Base64UrlUnpadded::decode_vec(text).map_err(|_| UcanError::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_never_rounded_up() {
        let seconds = |json: &str| serde_json::from_str::<Seconds>(json).unwrap();
        let whole = seconds("1893369600");
        assert_eq!(milliseconds(whole.floor_seconds()), 1_893_369_600_000);
        let part = seconds("10.0004999");
        assert_eq!(milliseconds(part.floor_seconds()), 10_000);
        assert_eq!(milliseconds(part.ceil_seconds()), 10_001);
        for (json, expected) in [("1e300", i64::MAX), ("-1e300", i64::MIN), ("-1.5", -1500)] {
            assert_eq!(
                milliseconds(seconds(json).floor_seconds()),
                expected,
                "{json}"
            );
        }
        // few decimals have an exact value; none is a millisecond off for that
        for millisecond in 0..1000 {
            let json = format!("1893369600.{millisecond:03}");
            let read = seconds(&json);
            for read in [read.floor_seconds(), read.ceil_seconds()] {
                assert_eq!(
                    milliseconds(read),
                    1_893_369_600_000 + millisecond,
                    "{json}"
                );
            }
        }
    }
}
