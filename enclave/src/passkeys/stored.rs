//! What an account keeps of a passkey: what an assertion is judged by, and nothing that whoever made the
//! passkey could make large. The attestation is not kept: nothing is decided by it.

use openkey_protocol::message::Bytes;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{
    AttestationFormat, COSEAlgorithm, COSEEC2Key, COSEKey, COSEKeyType, COSERSAKey,
    Credential as LibraryCredential, ECDSACurve, ParsedAttestation, Passkey,
};
use webauthn_rs_proto::{RegisteredExtensions, UserVerificationPolicy};

/// The public key of a passkey, of a kind that is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PublicKey {
    /// On P-256.
    Es256 { x: Bytes, y: Bytes },
    /// Big-endian.
    Rs256 { modulus: Bytes, exponent: [u8; 3] },
}

/// A credential: key and what its authenticator said of copies of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    pub(crate) key: PublicKey,
    /// Whether it may be copied to other devices.
    pub(crate) backup_eligible: bool,
    /// Whether it has been.
    pub(crate) backed_up: bool,
}

impl Credential {
    /// What is kept of a registration; `None` for a key of another kind.
    pub(super) fn of(registered: Passkey) -> Option<Self> {
        let registered = LibraryCredential::from(registered);
        let COSEKey { type_, key } = registered.cred;
        let key = match (type_, key) {
            (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(point))
                if point.curve == ECDSACurve::SECP256R1 =>
            {
                PublicKey::Es256 {
                    x: point.x.into(),
                    y: point.y.into(),
                }
            }
            (COSEAlgorithm::RS256, COSEKeyType::RSA(rsa)) => PublicKey::Rs256 {
                // A number: zeros in front of it say nothing, and may be any number of bytes.
                modulus: Bytes(rsa.n.into_iter().skip_while(|byte| *byte == 0).collect()),
                exponent: rsa.e,
            },
            _ => return None,
        };
        Some(Self {
            key,
            backup_eligible: registered.backup_eligible,
            backed_up: registered.backup_state,
        })
    }

    /// As the library wants it, to judge an assertion by. The person was verified when it was made, or
    /// it would not be here.
    pub(super) fn to_library(&self, id: &Bytes, counter: u32) -> Passkey {
        Passkey::from(LibraryCredential {
            cred_id: id.0.clone(),
            cred: self.key.to_library(),
            counter,
            transports: None,
            user_verified: true,
            backup_eligible: self.backup_eligible,
            backup_state: self.backed_up,
            registration_policy: UserVerificationPolicy::Required,
            extensions: RegisteredExtensions::none(),
            attestation: ParsedAttestation::default(),
            attestation_format: AttestationFormat::None,
        })
    }
}

impl PublicKey {
    fn to_library(&self) -> COSEKey {
        match self {
            Self::Es256 { x, y } => COSEKey {
                type_: COSEAlgorithm::ES256,
                key: COSEKeyType::EC_EC2(COSEEC2Key {
                    curve: ECDSACurve::SECP256R1,
                    x: x.0.clone(),
                    y: y.0.clone(),
                }),
            },
            Self::Rs256 { modulus, exponent } => COSEKey {
                type_: COSEAlgorithm::RS256,
                key: COSEKeyType::RSA(COSERSAKey {
                    n: modulus.0.clone(),
                    e: *exponent,
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use openkey_protocol::cbor;
    use serde_json::{Value, json};

    use super::*;

    /// A certificate that authenticators of one maker attest with, as base64url.
    const CERTIFICATE: &str = include_str!("../../tests/data/attestation-certificate.txt");

    /// A registration as the library gives it, with so many certificates in its attestation.
    fn registered(key: &Value, certificates: usize) -> Passkey {
        let certificates = vec![CERTIFICATE.trim(); certificates];
        serde_json::from_value(json!({ "cred": {
            "cred_id": "AQEBAQEBAQEBAQEBAQEBAQEBAQE",
            "cred": key,
            "counter": 0,
            "transports": ["Internal"],
            "user_verified": true,
            "backup_eligible": true,
            "backup_state": true,
            "registration_policy": "required",
            "extensions": {},
            "attestation": { "data": { "Basic": certificates }, "metadata": "None" },
            "attestation_format": "Packed",
        }}))
        .unwrap()
    }

    fn kept(key: &Value, certificates: usize) -> Vec<u8> {
        cbor::encode(&Credential::of(registered(key, certificates)).unwrap()).unwrap()
    }

    #[test]
    fn h8_an_attestation_is_not_kept() {
        let point = json!({ "type_": "ES256", "key": { "EC_EC2": {
            "curve": "SECP256R1", "x": vec![1; 32], "y": vec![2; 32],
        }}});
        assert_eq!(kept(&point, 1), kept(&point, 20));
        assert!(kept(&point, 20).len() < 256);
    }

    #[test]
    fn h8_zeros_in_front_of_a_modulus_are_not_kept() {
        let rsa = |zeros: usize| {
            let modulus = [vec![0; zeros], vec![0xff; 256]].concat();
            json!({ "type_": "RS256", "key": { "RSA": { "n": modulus, "e": [1, 0, 1] } } })
        };
        assert_eq!(kept(&rsa(0), 1), kept(&rsa(15_000), 1));
    }
}
