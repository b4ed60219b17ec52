//! Whose key a token is signed with.

use base64ct::{Base64UrlUnpadded, Encoding};
use k256::ecdsa::VerifyingKey;
use serde::{Deserialize, Serialize};

use super::UcanError;
use crate::address::{Capitals, of_key, parse_address};
use crate::key::PublicKey;

/// The algorithms there are keys for (RFC 7518, RFC 8037, RFC 8812).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// secp256k1 with SHA-256.
    ES256K,
    /// P-256 with SHA-256.
    ES256,
}

impl Algorithm {
    pub(super) const fn of(key: &PublicKey) -> Self {
        match key {
            PublicKey::Ed25519(_) => Self::EdDSA,
            PublicKey::Secp256k1(_) => Self::ES256K,
            PublicKey::P256(_) => Self::ES256,
        }
    }
}

/// A public key in a header (RFC 7517); what else it says is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Jwk {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    kty: String,
    crv: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl Jwk {
    /// As clients write it; only Ed25519 keys go there, whoever reads finds the others in the DID.
    pub(super) fn of(key: &PublicKey) -> Option<Self> {
        let PublicKey::Ed25519(x) = key else {
            return None;
        };
        Some(Self {
            alg: Some("EdDSA".into()),
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x: Base64UrlUnpadded::encode_string(x),
            y: None,
        })
    }

    /// The secp256k1 key that it is.
    fn secp256k1(&self) -> Option<VerifyingKey> {
        if self.kty != "EC" || self.crv != "secp256k1" {
            return None;
        }
        let mut point = [0; 65];
        let (first, coordinates) = point.split_first_mut()?;
        let (x, y) = coordinates.split_at_mut(32);
        // uncompressed (SEC 1 §2.3.3)
        *first = 4;
        for (text, place) in [(&self.x, x), (self.y.as_ref()?, y)] {
            let whole = Base64UrlUnpadded::decode(text, &mut *place).is_ok_and(|it| it.len() == 32);
            if !whole {
                return None;
            }
        }
        VerifyingKey::from_sec1_bytes(&point).ok()
    }
}

/// The key that signs for a principal.
pub(super) fn of(principal: &str, jwk: Option<&Jwk>) -> Result<PublicKey, UcanError> {
    if principal.starts_with("did:key:") {
        // the header's key is not looked at: the name is the key
        return PublicKey::from_did(principal).map_err(|_| UcanError::Issuer);
    }
    let account = principal
        .strip_prefix("did:pkh:eip155:")
        .and_then(|rest| rest.split_once(':'));
    let (Some((_, account)), Some(key)) = (account, jwk.and_then(Jwk::secp256k1)) else {
        return Err(UcanError::Issuer);
    };
    let lower = account.to_ascii_lowercase();
    let account = parse_address(&lower, Capitals::CheckedOrLower).map_err(|_| UcanError::Issuer)?;
    if of_key(&key) != account {
        return Err(UcanError::Issuer);
    }
    let point = key.to_sec1_point(true);
    let point = point.as_bytes().try_into();
    Ok(PublicKey::Secp256k1(point.map_err(|_| UcanError::Issuer)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::eip55;

    #[test]
    fn an_account_takes_the_header_key_that_is_its_own() {
        let secret = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = secret.verifying_key().to_sec1_point(false);
        let text = |range| Base64UrlUnpadded::encode_string(&point.as_bytes()[range]);
        let jwk = Jwk {
            alg: None,
            kty: "EC".into(),
            crv: "secp256k1".into(),
            x: text(1..33),
            y: Some(text(33..65)),
        };
        let did = format!(
            "did:pkh:eip155:1:{}",
            eip55(&of_key(secret.verifying_key()))
        );
        for spelling in [
            did.clone(),
            did.replace(&did[17..], &did[17..].to_lowercase()),
        ] {
            assert!(
                matches!(of(&spelling, Some(&jwk)), Ok(PublicKey::Secp256k1(_))),
                "{spelling}"
            );
        }
        assert_eq!(of(&did, None), Err(UcanError::Issuer));
        let other = "did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        assert_eq!(of(other, Some(&jwk)), Err(UcanError::Issuer));
        let half = Jwk {
            y: None,
            ..jwk.clone()
        };
        assert_eq!(of(&did, Some(&half)), Err(UcanError::Issuer));
        let off = Jwk {
            y: Some(text(1..33)),
            ..jwk
        };
        assert_eq!(of(&did, Some(&off)), Err(UcanError::Issuer));
        assert_eq!(of("did:web:example.org", None), Err(UcanError::Issuer));
    }
}
