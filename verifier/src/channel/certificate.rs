//! What counts in a channel's certificate: its key, and the one extension.

use openkey_protocol::{
    channel::{self, EVIDENCE_OID_DER},
    message::Hash32,
};
use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use sha2::{Digest, Sha256};
use x509_cert::{Certificate, der::Decode};

use super::ChannelError;

/// The parts of a certificate that count.
pub(super) struct Parts {
    /// SHA-256 of the SubjectPublicKeyInfo (DER): of the very key that rustls verifies the
    /// handshake's signature with, since its parser cuts it out.
    pub(super) tls_key: Hash32,
    /// The document in the extension.
    pub(super) document: Vec<u8>,
}

/// Takes a certificate apart.
pub(super) fn parts(certificate: &CertificateDer<'_>) -> Result<Parts, ChannelError> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|_| ChannelError::Certificate)?;
    let key = parsed.subject_public_key_info();
    let outer =
        Certificate::from_der(certificate.as_ref()).map_err(|_| ChannelError::Certificate)?;
    let extensions = outer.tbs_certificate().extensions();
    let mut evidence = extensions
        .into_iter()
        .flatten()
        .filter(|extension| extension.extn_id.as_bytes() == EVIDENCE_OID_DER);
    let extension = evidence.next().ok_or(ChannelError::ExtensionMissing)?;
    if evidence.next().is_some() {
        return Err(ChannelError::ExtensionRepeated);
    }
    if extension.critical {
        return Err(ChannelError::ExtensionCritical);
    }
    Ok(Parts {
        tls_key: Hash32(Sha256::digest(key.as_ref()).into()),
        document: channel::decode(extension.extn_value.as_bytes())?.to_vec(),
    })
}
