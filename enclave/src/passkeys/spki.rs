//! Credential public keys as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 5480, RFC 3279 §2.3.1):
//! what `AuthenticatorAttestationResponse.getPublicKey()` returns in a browser.

use der::{
    Encode,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef},
};
use openkey_protocol::message::Hash32;
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use webauthn_rs::prelude::{COSEAlgorithm, COSEKey, COSEKeyType, ECDSACurve};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// Coordinates of P-256, in bytes.
const COORDINATE: usize = 32;
/// RSA moduli, in bytes: 2048 to 4096 bits. Below is weak, above is slow.
const MODULUS: core::ops::RangeInclusive<usize> = 256..=512;

/// SHA-256 of the DER; `None` for keys of a kind that is not supported.
pub(super) fn sha256(key: &COSEKey) -> Option<Hash32> {
    encode(key).map(|der| Hash32(Sha256::digest(der).into()))
}

fn encode(key: &COSEKey) -> Option<Vec<u8>> {
    match (key.type_, &key.key) {
        (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(point))
            if point.curve == ECDSACurve::SECP256R1 =>
        {
            p256(&point.x, &point.y)
        }
        (COSEAlgorithm::RS256, COSEKeyType::RSA(rsa_key)) => rsa(&rsa_key.n, &rsa_key.e),
        _ => None,
    }
}

fn p256(x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    if x.len() != COORDINATE || y.len() != COORDINATE {
        return None;
    }
    let point = [&[4], x, y].concat();
    info(EC_PUBLIC_KEY, (&P256).into(), &point)
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let modulus = UintRef::new(modulus).ok()?;
    if !MODULUS.contains(&modulus.as_bytes().len()) {
        return None;
    }
    let key = vec![modulus, UintRef::new(exponent).ok()?];
    info(RSA, AnyRef::NULL, &key.to_der().ok()?)
}

fn info(oid: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> Option<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef {
            oid,
            parameters: Some(parameters),
        },
        subject_public_key: BitStringRef::from_bytes(key).ok()?,
    };
    info.to_der().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p256_key_is_the_der_that_browsers_give() {
        let der = p256(&[0x11; 32], &[0x22; 32]).unwrap();
        let prefix = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
        let expected = format!("{prefix}{}{}", "11".repeat(32), "22".repeat(32));
        assert_eq!(hex::encode(der), expected);
        assert_eq!(p256(&[1; 31], &[1; 32]), None);
    }

    #[test]
    fn an_rsa_key_has_positive_minimal_integers() {
        let der = rsa(&[0x81; 256], &[1, 0, 1]).unwrap();
        let prefix = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
        let expected = format!("{prefix}{}0203010001", "81".repeat(256));
        assert_eq!(hex::encode(der), expected);
        assert_eq!(rsa(&[0x81; 255], &[1, 0, 1]), None);
        assert_eq!(rsa(&[0x81; 513], &[1, 0, 1]), None);
        // Leading zeros do not make a short modulus long.
        let mut padded = vec![0; 128];
        padded.extend([0x81; 128]);
        assert_eq!(rsa(&padded, &[1, 0, 1]), None);
    }
}
