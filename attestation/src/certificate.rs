//! The facts of a certificate (RFC 5280) that our own rules are about.
//!
//! The chain library verifies signatures, validity and basic constraints of the path it builds. It
//! evaluates neither key usages nor the root, nor does it mind the bundle's order; for these rules
//! the certificate is read here.

use x509_cert::Certificate as Parsed;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Bytes of an uncompressed point on P-384 (SEC 1 §2.3.3).
pub(crate) const POINT_BYTES: usize = 97;

/// What our rules need of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "aws-lc", feature = "pure")),
    allow(dead_code, reason = "read by the verifier")
)]
pub(crate) struct Certificate {
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
    /// First valid second.
    pub(crate) not_before: u64,
    /// Last valid second.
    pub(crate) not_after: u64,
    pub(crate) authority: bool,
    pub(crate) path_length: Option<u8>,
    /// Absent when the extension is.
    pub(crate) signs_certificates: Option<bool>,
    /// Absent when the extension is.
    pub(crate) signs_data: Option<bool>,
    /// `None` when the key is not an uncompressed P-384 point.
    pub(crate) point: Option<[u8; POINT_BYTES]>,
}

#[cfg_attr(
    not(any(feature = "aws-lc", feature = "pure")),
    allow(dead_code, reason = "asked by the verifier")
)]
impl Certificate {
    /// Reads a certificate; `None` when it is not one, or has an extension twice.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let parsed = Parsed::from_der(der).ok()?;
        let tbs = parsed.tbs_certificate();
        let extensions = Extensions(tbs.extensions().map_or(&[], |list| list.as_slice()));
        if !extensions.are_unique() {
            return None;
        }
        let constraints: Option<BasicConstraints> = extensions.find(BASIC_CONSTRAINTS)?;
        let usage: Option<KeyUsage> = extensions.find(KEY_USAGE)?;
        Some(Self {
            issuer: tbs.issuer().clone(),
            subject: tbs.subject().clone(),
            not_before: tbs.validity().not_before.to_unix_duration().as_secs(),
            not_after: tbs.validity().not_after.to_unix_duration().as_secs(),
            authority: constraints.as_ref().is_some_and(|c| c.ca),
            path_length: constraints.and_then(|c| c.path_len_constraint),
            signs_certificates: usage.map(|usage| usage.key_cert_sign()),
            signs_data: usage.map(|usage| usage.digital_signature()),
            point: point(tbs.subject_public_key_info()),
        })
    }

    /// The subject's common name, if there is exactly one.
    pub(crate) fn common_name(&self) -> Option<&str> {
        let mut names = self.subject.iter().filter(|a| a.oid == COMMON_NAME);
        match (names.next(), names.next()) {
            (Some(name), None) => text(name),
            _ => None,
        }
    }

    pub(crate) fn is_valid_yet(&self, at: u64) -> bool {
        self.not_before <= at
    }

    pub(crate) fn has_expired(&self, at: u64) -> bool {
        at > self.not_after
    }
}

fn text(attribute: &AttributeTypeAndValue) -> Option<&str> {
    match attribute.value.tag() {
        Tag::Utf8String => attribute
            .value
            .decode_as::<Utf8StringRef<'_>>()
            .ok()
            .map(|text| text.as_str()),
        Tag::PrintableString => attribute
            .value
            .decode_as::<PrintableStringRef<'_>>()
            .ok()
            .map(|text| text.as_str()),
        _ => None,
    }
}

fn point(key: &SubjectPublicKeyInfoOwned) -> Option<[u8; POINT_BYTES]> {
    let curve = key.algorithm.parameters.as_ref()?;
    let curve: ObjectIdentifier = curve.decode_as().ok()?;
    if key.algorithm.oid != EC_PUBLIC_KEY || curve != SECP384R1 {
        return None;
    }
    let point: [u8; POINT_BYTES] = key.subject_public_key.as_bytes()?.try_into().ok()?;
    (point.first() == Some(&4)).then_some(point)
}

struct Extensions<'a>(&'a [Extension]);

impl Extensions<'_> {
    fn are_unique(&self) -> bool {
        let mut rest = self.0;
        while let Some((first, others)) = rest.split_first() {
            if others.iter().any(|other| other.extn_id == first.extn_id) {
                return false;
            }
            rest = others;
        }
        true
    }

    /// The extension's value: `None` when it is malformed, `Some(None)` when it is absent.
    fn find<T: for<'d> Decode<'d>>(&self, id: ObjectIdentifier) -> Option<Option<T>> {
        match self.0.iter().find(|extension| extension.extn_id == id) {
            None => Some(None),
            Some(found) => T::from_der(found.extn_value.as_bytes()).ok().map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &[u8] = include_bytes!("../tests/data/other-root.der");

    /// The certificate with bytes replaced by as many others.
    fn changed(from: &[u8], to: &[u8]) -> Certificate {
        let at = ROOT.windows(from.len()).position(|w| w == from).unwrap();
        let der = [&ROOT[..at], to, &ROOT[at + to.len()..]].concat();
        Certificate::parse(&der).unwrap()
    }

    #[test]
    fn the_facts_are_read() {
        let root = Certificate::parse(ROOT).unwrap();
        assert_eq!(root.issuer, root.subject);
        assert_eq!(root.common_name(), Some("test.nitro-enclaves"));
        assert!(root.authority);
        assert_eq!(root.path_length, None);
        assert_eq!(root.signs_certificates, Some(true));
        assert_eq!(root.signs_data, Some(true));
        let point = root.point.unwrap();
        assert!(ROOT.windows(POINT_BYTES).any(|w| w == point));
    }

    /// A point of the right length on a curve of another name, and in another form.
    #[test]
    fn only_uncompressed_points_on_p384_are_keys() {
        let p384 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
        let p521 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
        assert_eq!(changed(&p384, &p521).point, None);
        let ec = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        let other = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x02];
        assert_eq!(changed(&ec, &other).point, None);
        let uncompressed = [0x03, 0x62, 0x00, 0x04];
        let hybrid = [0x03, 0x62, 0x00, 0x06];
        assert_eq!(changed(&uncompressed, &hybrid).point, None);
    }

    #[test]
    fn validity_includes_its_first_and_last_second() {
        let root = Certificate::parse(ROOT).unwrap();
        assert!(!root.is_valid_yet(root.not_before - 1));
        assert!(root.is_valid_yet(root.not_before));
        assert!(!root.has_expired(root.not_after));
        assert!(root.has_expired(root.not_after + 1));
    }

    #[test]
    fn what_is_cut_or_followed_is_no_certificate() {
        assert_eq!(Certificate::parse(&ROOT[..ROOT.len() - 1]), None);
        assert_eq!(Certificate::parse(&[ROOT, &[0]].concat()), None);
        assert_eq!(Certificate::parse(b""), None);
    }
}
