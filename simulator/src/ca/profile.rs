//! The five certificate profiles of a Nitro chain: extensions, serial numbers, lifetimes.
//!
//! Every extension is written byte for byte as hardware writes it, criticality included, which is
//! why they are custom extensions to rcgen: the leaf's keyUsage is not critical, its
//! basicConstraints is an empty sequence, and the instance CA carries keyCertSign alone.

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PublicKeyData};
use rcgen::{Issuer, SerialNumber};
use time::{Duration, OffsetDateTime};

use super::Error;

/// RFC 5280 §4.2.1.
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const SUBJECT_KEY_ID: &[u64] = &[2, 5, 29, 14];
const AUTHORITY_KEY_ID: &[u64] = &[2, 5, 29, 35];
const CRL_DISTRIBUTION_POINTS: &[u64] = &[2, 5, 29, 31];

/// keyUsage bit strings (DER): the unused-bits octet, then the bits.
const SIGN_AND_CERTIFY: &[u8] = &[0x03, 0x02, 0x01, 0x86];
const CERTIFY: &[u8] = &[0x03, 0x02, 0x02, 0x04];
const SIGN_AND_COMMIT: &[u8] = &[0x03, 0x02, 0x06, 0xc0];

/// A place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Regional,
    Zonal,
    Instance,
    Leaf,
}

impl Level {
    /// From notBefore to notAfter.
    pub(super) fn lifetime(self) -> Duration {
        match self {
            Self::Root => Duration::days(30 * 365 + 7),
            Self::Regional => Duration::days(20) + Duration::hours(1),
            Self::Zonal => Duration::days(5),
            Self::Instance => Duration::days(1),
            Self::Leaf => Duration::hours(3) + Duration::seconds(3),
        }
    }

    /// With less than this left the certificate is issued anew. A CA must outlive everything that
    /// it still may issue, since validity nests; a leaf never has less than 38 minutes on hardware.
    pub(super) fn renew_below(self) -> Duration {
        match self {
            Self::Root => Self::Regional.lifetime(),
            Self::Regional => Self::Zonal.lifetime() + Duration::hours(1),
            Self::Zonal => Self::Instance.lifetime() + Duration::hours(1),
            Self::Instance => Self::Leaf.lifetime() + Duration::minutes(1),
            Self::Leaf => Duration::minutes(40),
        }
    }

    fn basic_constraints(self) -> Vec<u8> {
        match self {
            Self::Root => vec![0x30, 0x03, 0x01, 0x01, 0xff],
            Self::Regional => vec![0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 2],
            Self::Zonal => vec![0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 1],
            Self::Instance => vec![0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0],
            Self::Leaf => vec![0x30, 0x00],
        }
    }

    /// In the order in which hardware writes them.
    fn extensions(self, own: &[u8; 20], issuer: &[u8; 20], crl: &str) -> Vec<CustomExtension> {
        let constraints = extension(BASIC_CONSTRAINTS, true, self.basic_constraints());
        let subject = extension(SUBJECT_KEY_ID, false, tlv(0x04, own));
        let authority = extension(AUTHORITY_KEY_ID, false, tlv(0x30, &tlv(0x80, issuer)));
        let usage = |critical, bits: &[u8]| extension(KEY_USAGE, critical, bits.to_vec());
        match self {
            Self::Root => vec![constraints, subject, usage(true, SIGN_AND_CERTIFY)],
            Self::Regional | Self::Zonal => vec![
                constraints,
                authority,
                subject,
                usage(true, SIGN_AND_CERTIFY),
                extension(CRL_DISTRIBUTION_POINTS, false, distribution_point(crl)),
            ],
            Self::Instance => vec![constraints, usage(true, CERTIFY), subject, authority],
            Self::Leaf => vec![constraints, usage(false, SIGN_AND_COMMIT)],
        }
    }
}

fn extension(oid: &[u64], critical: bool, content: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(critical);
    extension
}

/// One DER value of fewer than 128 bytes, which all of ours are.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    debug_assert!(content.len() < 128);
    let mut out = vec![tag, content.len() as u8];
    out.extend_from_slice(content);
    out
}

fn distribution_point(uri: &str) -> Vec<u8> {
    let uri = tlv(0x86, uri.as_bytes());
    let full_name = tlv(0xa0, &tlv(0xa0, &uri));
    tlv(0x30, &tlv(0x30, &full_name))
}

/// The leftmost 160 bits of SHA-256 of the key (RFC 7093 §2, method 1).
pub(super) fn key_id(key: &KeyPair) -> [u8; 20] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.der_bytes());
    let mut id = [0; 20];
    id.iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    id
}

/// What is to be certified.
pub(super) struct Subject<'a> {
    pub(super) level: Level,
    pub(super) name: DistinguishedName,
    pub(super) serial: Vec<u8>,
    pub(super) not_before: OffsetDateTime,
    pub(super) key: &'a KeyPair,
}

/// Who certifies it.
pub(super) struct Signer<'a> {
    pub(super) name: DistinguishedName,
    pub(super) key: &'a KeyPair,
}

/// Issues one certificate (DER).
pub(super) fn issue(subject: Subject<'_>, signer: &Signer<'_>) -> Result<Vec<u8>, Error> {
    let mut params = CertificateParams::default();
    params.not_before = subject.not_before;
    params.not_after = subject.not_before + subject.level.lifetime();
    params.custom_extensions = subject.level.extensions(
        &key_id(subject.key),
        &key_id(signer.key),
        &format!(
            "http://crl.sim.invalid/crl/{}.crl",
            hex::encode(&subject.serial)
        ),
    );
    params.serial_number = Some(SerialNumber::from(subject.serial));
    params.distinguished_name = subject.name;
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = signer.name.clone();
    let issuer = Issuer::from_params(&issuer, signer.key);
    let certificate = params
        .signed_by(subject.key, &issuer)
        .map_err(|e| Error::Issue(e.to_string()))?;
    Ok(certificate.der().to_vec())
}
