//! The roots that a verifier pins.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use sha2::{Digest, Sha256};
use x509_cert::der::pem::{self, LineEnding};

use crate::certificate::Certificate;
use crate::limits::{MAX_ROOT, MAX_ROOTS};

/// The root of AWS Nitro Enclaves in the commercial partition, "G1", valid 2019-10-28 to
/// 2049-10-28. AWS publishes it as `AWS_NitroEnclaves_Root-G1.zip` on the page "Verifying the root
/// of trust" of the Nitro Enclaves user guide.
const AWS_ROOT: &[u8] = include_bytes!("aws-root-g1.der");

/// SHA-256 of the AWS root's DER. (AWS prints the SHA-256 of the ZIP file, which is another one.)
pub const AWS_ROOT_SHA256: [u8; 32] = [
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
    0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
];

/// The root certificates that a chain may begin with, compared byte for byte: another certificate
/// of the same name, serial number and shape is another root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots(Vec<Root>);

/// One root, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "aws-lc", feature = "pure")),
    allow(dead_code, reason = "read by the verifier")
)]
pub(crate) struct Root {
    pub(crate) der: Vec<u8>,
    pub(crate) sha256: [u8; 32],
    pub(crate) anchor: TrustAnchor<'static>,
    pub(crate) certificate: Certificate,
}

impl Root {
    fn new(der: Vec<u8>) -> Result<Self, RootsError> {
        if der.len() > MAX_ROOT {
            return Err(RootsError::NotACertificate);
        }
        let certificate = Certificate::parse(&der).ok_or(RootsError::NotACertificate)?;
        let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(der.as_slice()))
            .map_err(|_| RootsError::NotACertificate)?
            .to_owned();
        Ok(Self {
            sha256: Sha256::digest(&der).into(),
            anchor,
            certificate,
            der,
        })
    }
}

/// Why certificates do not make roots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// None, or more than [`MAX_ROOTS`].
    #[error("{0} root certificates in PEM or DER; give 1 to {MAX_ROOTS}")]
    Count(usize),
    /// Neither DER nor PEM of a certificate, or longer than [`MAX_ROOT`].
    #[error("not a certificate in PEM or DER")]
    NotACertificate,
}

impl RootsError {
    /// The broken rule's stable name.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Count(_) => "root_count",
            Self::NotACertificate => "root_not_a_certificate",
        }
    }
}

impl Roots {
    /// The AWS root alone: documents of real enclaves in the commercial regions.
    pub fn aws() -> Self {
        // Its bytes are compiled in, and a test compares them with the published hash.
        Self(Root::new(AWS_ROOT.to_vec()).into_iter().collect())
    }

    /// Other roots *instead of* the AWS root, as DER: a simulator's, another partition's.
    ///
    /// Whoever holds such a root's key can make any document. Accepting one is a decision about
    /// trust, hence the name.
    ///
    /// # Errors
    ///
    /// No certificate, too many, or one that is not a certificate.
    pub fn custom<B: Into<Vec<u8>>>(ders: impl IntoIterator<Item = B>) -> Result<Self, RootsError> {
        let mut roots = Vec::new();
        for der in ders {
            roots.push(Root::new(der.into())?);
            if roots.len() > MAX_ROOTS {
                break;
            }
        }
        match roots.len() {
            0 => Err(RootsError::Count(0)),
            n if n > MAX_ROOTS => Err(RootsError::Count(n)),
            _ => Ok(Self(roots)),
        }
    }

    /// [`Roots::custom`] from PEM texts of one certificate each.
    ///
    /// # Errors
    ///
    /// As for [`Roots::custom`], and a text with no or several certificates.
    pub fn custom_pem<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Result<Self, RootsError> {
        let ders: Result<Vec<Vec<u8>>, _> = texts
            .into_iter()
            .map(|text| match pem_certificates(text)?.as_mut_slice() {
                [one] => Ok(core::mem::take(one)),
                _ => Err(RootsError::NotACertificate),
            })
            .collect();
        Self::custom(ders?)
    }

    /// [`Roots::custom`] from the bytes of a file: one certificate in DER, or any number in PEM.
    ///
    /// # Errors
    ///
    /// As for [`Roots::custom`].
    pub fn custom_file(bytes: &[u8]) -> Result<Self, RootsError> {
        // DER of a certificate begins with a SEQUENCE; no text does.
        if bytes.first() == Some(&0x30) {
            return Self::custom([bytes]);
        }
        Self::custom(pem_certificates(bytes)?)
    }

    /// PEM of each root, in order.
    pub fn to_pem(&self) -> Vec<String> {
        let pem = |root: &Root| pem::encode_string("CERTIFICATE", LineEnding::LF, &root.der);
        // Encoding fails for lengths that overflow, which MAX_ROOT rules out.
        self.0.iter().filter_map(|root| pem(root).ok()).collect()
    }

    /// DER of each root, in order.
    pub fn as_der(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(|root| root.der.as_slice())
    }

    /// The root that is these bytes.
    #[cfg_attr(
        not(any(feature = "aws-lc", feature = "pure")),
        allow(dead_code, reason = "asked by the verifier")
    )]
    pub(crate) fn find(&self, der: &[u8]) -> Option<&Root> {
        self.0.iter().find(|root| root.der == der)
    }
}

fn pem_certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, RootsError> {
    CertificateDer::pem_slice_iter(text)
        .take(MAX_ROOTS + 1)
        .map(|item| match item {
            Ok(der) => Ok(der.to_vec()),
            Err(_) => Err(RootsError::NotACertificate),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: &[u8] = include_bytes!("../../tests/data/other-root.der");

    #[test]
    fn the_aws_root_is_the_one_that_aws_publishes() {
        let roots = Roots::aws();
        assert_eq!(roots.0.len(), 1);
        assert_eq!(<[u8; 32]>::from(Sha256::digest(AWS_ROOT)), AWS_ROOT_SHA256);
        assert_eq!(roots.0[0].sha256, AWS_ROOT_SHA256);
        // 2019-10-28T13:28:05Z and 2049-10-28T14:28:05Z.
        assert_eq!(roots.0[0].certificate.not_before, 1_572_269_285);
        assert_eq!(roots.0[0].certificate.not_after, 2_519_044_085);
    }

    #[test]
    fn custom_roots_replace_the_aws_root() {
        let roots = Roots::custom([OTHER]).unwrap();
        assert!(roots.find(OTHER).is_some());
        assert!(roots.find(AWS_ROOT).is_none());
        assert_eq!(roots.as_der().collect::<Vec<_>>(), [OTHER]);
    }

    #[test]
    fn a_file_holds_der_or_pem() {
        let der = Roots::custom_file(OTHER).unwrap();
        let mut pem = der.to_pem().concat();
        assert_eq!(Roots::custom_file(pem.as_bytes()), Ok(der.clone()));
        assert_eq!(Roots::custom_pem([pem.as_bytes()]), Ok(der));
        pem.push_str(&Roots::aws().to_pem().concat());
        let both = Roots::custom_file(pem.as_bytes()).unwrap();
        assert_eq!(both.as_der().collect::<Vec<_>>(), [OTHER, AWS_ROOT]);
        // A member of a policy file is one certificate.
        assert_eq!(
            Roots::custom_pem([pem.as_bytes()]),
            Err(RootsError::NotACertificate)
        );
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for bytes in [&b""[..], b"nonsense", b"-----BEGIN CERTIFICATE-----\n"] {
            assert!(Roots::custom_file(bytes).is_err());
        }
        let mut trailing = OTHER.to_vec();
        trailing.push(0);
        for bytes in [&trailing, &OTHER[..OTHER.len() - 1]] {
            assert_eq!(Roots::custom_file(bytes), Err(RootsError::NotACertificate));
        }
        assert_eq!(Roots::custom([[]; 0]), Err(RootsError::Count(0)));
        assert_eq!(
            Roots::custom([OTHER; MAX_ROOTS + 1]),
            Err(RootsError::Count(MAX_ROOTS + 1))
        );
    }
}
