//! From a pinned root to the key that signed a document.

use core::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use crate::certificate::{Certificate, POINT_BYTES};
use crate::error::{ChainError, Party};
use crate::p384::CERTIFICATES;
use crate::roots::{Root, Roots};

/// What a verified chain says: the leaf's key and name, and when all of it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) key: [u8; POINT_BYTES],
    pub(crate) name: String,
    /// First second at which every certificate is valid.
    pub(crate) not_before: u64,
    /// Last second at which every certificate is valid.
    pub(crate) not_after: u64,
    pub(crate) root_sha256: [u8; 32],
}

impl Chain {
    /// Whether every certificate is valid at this second.
    pub(crate) fn is_valid(&self, at: u64) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }

    /// Verifies that the bundle, as it stands, is the path from a pinned root to the leaf, and
    /// valid at this second.
    pub(crate) fn verify(
        leaf: &[u8],
        bundle: &[&[u8]],
        roots: &Roots,
        at: u64,
    ) -> Result<Self, ChainError> {
        let (root, intermediates) = bundle.split_first().ok_or(ChainError::UnknownRoot)?;
        let root = roots.find(root).ok_or(ChainError::UnknownRoot)?;
        let chain = own_rules(root, intermediates, leaf, at)?;
        library(root, intermediates, leaf, at)?;
        Ok(chain)
    }
}

/// The rules that the library does not check, and those whose errors should name a certificate.
fn own_rules(
    root: &Root,
    intermediates: &[&[u8]],
    leaf: &[u8],
    at: u64,
) -> Result<Chain, ChainError> {
    authority(&root.certificate, Party::Root, intermediates.len(), at)?;
    let mut not_before = root.certificate.not_before;
    let mut not_after = root.certificate.not_after;
    let mut narrow = |certificate: &Certificate| {
        not_before = not_before.max(certificate.not_before);
        not_after = not_after.min(certificate.not_after);
    };

    let mut issuer = &root.certificate.subject;
    let mut previous;
    for (place, der) in intermediates.iter().enumerate() {
        let party = Party::Intermediate(place + 1);
        let certificate = Certificate::parse(der).ok_or(ChainError::Malformed(party))?;
        if certificate.issuer != *issuer {
            return Err(ChainError::Order(party));
        }
        let below = intermediates.len() - place - 1;
        authority(&certificate, party, below, at)?;
        narrow(&certificate);
        previous = certificate;
        issuer = &previous.subject;
    }

    let party = Party::Leaf;
    let certificate = Certificate::parse(leaf).ok_or(ChainError::Malformed(party))?;
    if certificate.issuer != *issuer {
        return Err(ChainError::Order(party));
    }
    validity(&certificate, party, at)?;
    if certificate.authority || certificate.path_length.is_some() {
        return Err(ChainError::LeafIsAuthority);
    }
    if certificate.signs_data != Some(true) || certificate.signs_certificates == Some(true) {
        return Err(ChainError::KeyUsage(party));
    }
    narrow(&certificate);
    Ok(Chain {
        key: certificate.point.ok_or(ChainError::LeafKey)?,
        name: certificate
            .common_name()
            .ok_or(ChainError::Malformed(party))?
            .to_owned(),
        not_before,
        not_after,
        root_sha256: root.sha256,
    })
}

fn validity(certificate: &Certificate, party: Party, at: u64) -> Result<(), ChainError> {
    if !certificate.is_valid_yet(at) {
        return Err(ChainError::NotYetValid(party));
    }
    if certificate.has_expired(at) {
        return Err(ChainError::Expired(party));
    }
    Ok(())
}

/// The rules for an issuer with so many authorities below it.
fn authority(
    certificate: &Certificate,
    party: Party,
    below: usize,
    at: u64,
) -> Result<(), ChainError> {
    validity(certificate, party, at)?;
    if !certificate.authority {
        return Err(ChainError::NotAnAuthority(party));
    }
    if certificate.signs_certificates != Some(true) {
        return Err(ChainError::KeyUsage(party));
    }
    if certificate
        .path_length
        .is_some_and(|allowed| usize::from(allowed) < below)
    {
        return Err(ChainError::PathLength(party));
    }
    Ok(())
}

/// Hardware's certificates state no extended key usage: one that does was issued for something
/// else.
struct NoExtendedKeyUsage;

impl ExtendedKeyUsageValidator for NoExtendedKeyUsage {
    fn validate(&self, mut stated: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        match stated.next() {
            None => Ok(()),
            Some(_) => Err(webpki::Error::UnsupportedCriticalExtension),
        }
    }
}

/// Signatures and everything else, by the chain library.
fn library(root: &Root, intermediates: &[&[u8]], leaf: &[u8], at: u64) -> Result<(), ChainError> {
    let leaf = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&leaf).map_err(|e| path_error(&e))?;
    // Nearest the leaf first, the order in which the library looks for issuers.
    let issuers: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .rev()
        .map(|der| CertificateDer::from(*der))
        .collect();
    let path = leaf
        .verify_for_usage(
            CERTIFICATES,
            core::slice::from_ref(&root.anchor),
            &issuers,
            UnixTime::since_unix_epoch(Duration::from_secs(at)),
            NoExtendedKeyUsage,
            None,
            None,
        )
        .map_err(|e| path_error(&e))?;
    // The library builds any path it can; it must be the bundle, whole and in order.
    let used = path.intermediate_certificates().map(|c| c.der());
    if used.eq(issuers.iter().cloned()) {
        Ok(())
    } else {
        Err(ChainError::Unused)
    }
}

fn path_error(error: &webpki::Error) -> ChainError {
    match error {
        webpki::Error::InvalidSignatureForPublicKey => ChainError::Signature,
        _ => ChainError::Path,
    }
}
