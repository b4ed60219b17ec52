//! Sealed records: what the enclave keeps in places that it does not trust.
//!
//! `format(1) ‖ epoch(4) ‖ schema(4) ‖ version(8) ‖ nonce(24) ‖ commitment(32) ‖ ciphertext ‖ tag(16)`,
//! numbers big-endian. XChaCha20-Poly1305 under a key that is derived for this one blob from the
//! root key, the record's kind and id, and the nonce. The same derivation gives the commitment, so
//! that a blob opens under one key only (the cipher itself does not commit to its key). The
//! associated data names kind, id and owner and covers the whole header: a blob that was moved to
//! another place, or whose version, schema or epoch was changed, does not open.

mod name;
mod ticket;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use openkey_protocol::message::RecordId;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::root::{RootKey, Secret};

pub(crate) use name::{Kind, Name};
pub(crate) use ticket::{Ticket, TicketError};

const FORMAT: u8 = 1;
pub(crate) const NONCE: usize = 24;
const COMMITMENT: usize = 32;
const PUBLIC: usize = 1 + 4 + 4 + 8 + NONCE;
const HEADER: usize = PUBLIC + COMMITMENT;
const TAG: usize = 16;

/// Why a blob does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SealError {
    /// Not a sealed blob, or not one of this place: changed, moved, or of another deployment.
    #[error("the record does not open under its own name")]
    Corrupt,
    /// Written by a program of a later release epoch.
    #[error("the record was written by a newer program")]
    NewerEpoch,
    /// Of a schema that this program does not read.
    #[error("the record has schema {0}, which this program does not read")]
    OtherSchema(u32),
    /// The plaintext is too long to encrypt.
    #[error("the record is too long")]
    TooLong,
}

/// An opened record.
pub(crate) struct Opened {
    pub(crate) schema: u32,
    pub(crate) version: u64,
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
}

/// Seals and opens. Every blob carries the release epoch of the program that wrote it,
/// authenticated: a program opens blobs of epochs up to its own and refuses newer ones, so that a
/// predecessor cannot continue what its successor has written.
pub(crate) struct Sealer {
    root: RootKey,
    epoch: u32,
}

/// What stands in clear before the ciphertext.
struct Header<'a> {
    epoch: u32,
    schema: u32,
    version: u64,
    nonce: &'a [u8; NONCE],
    commitment: &'a [u8],
    /// All of the above, as bytes.
    bytes: &'a [u8],
}

impl Sealer {
    /// `epoch` is the program's own release epoch.
    pub(crate) const fn new(root: RootKey, epoch: u32) -> Self {
        Self { root, epoch }
    }

    pub(crate) const fn root(&self) -> &RootKey {
        &self.root
    }

    /// Where a record lies in the store: a keyed hash of its name, which says nothing to the host.
    pub(crate) fn record_id(&self, kind: Kind, owner: &[u8], index: u64) -> RecordId {
        let parts: [&[u8]; 4] = [
            b"openkey/record-id/v1",
            kind.label(),
            owner,
            &index.to_be_bytes(),
        ];
        RecordId(**self.root.derive::<32>(&parts))
    }

    /// Seals `plaintext`. The nonce must be new.
    pub(crate) fn seal(
        &self,
        name: &Name<'_>,
        schema: u32,
        version: u64,
        nonce: &[u8; NONCE],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let keys = self.keys(name, nonce);
        let (key, commitment) = split(&keys);
        let mut blob = Vec::with_capacity(HEADER + plaintext.len() + TAG);
        blob.push(FORMAT);
        blob.extend_from_slice(&self.epoch.to_be_bytes());
        blob.extend_from_slice(&schema.to_be_bytes());
        blob.extend_from_slice(&version.to_be_bytes());
        blob.extend_from_slice(nonce);
        blob.extend_from_slice(commitment);
        let aad = name.associated_data(&blob);
        let payload = Payload {
            msg: plaintext,
            aad: &aad,
        };
        let sealed = XChaCha20Poly1305::new(key.into())
            .encrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| SealError::TooLong)?;
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// Opens a blob that must be the record of that name.
    pub(crate) fn open(&self, name: &Name<'_>, blob: &[u8]) -> Result<Opened, SealError> {
        let (header, sealed) = read(blob).ok_or(SealError::Corrupt)?;
        let keys = self.keys(name, header.nonce);
        let (key, commitment) = split(&keys);
        if !bool::from(commitment.ct_eq(header.commitment)) {
            return Err(SealError::Corrupt);
        }
        let aad = name.associated_data(header.bytes);
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };
        let plaintext = XChaCha20Poly1305::new(key.into())
            .decrypt(&XNonce::from(*header.nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Corrupt)?;
        // Judged only once it is known to be what was written.
        if header.epoch > self.epoch {
            return Err(SealError::NewerEpoch);
        }
        Ok(Opened {
            schema: header.schema,
            version: header.version,
            plaintext,
        })
    }

    fn keys(&self, name: &Name<'_>, nonce: &[u8; NONCE]) -> Secret<64> {
        let parts: [&[u8]; 4] = [b"openkey/seal/v1", name.kind.label(), name.id, nonce];
        self.root.derive::<64>(&parts)
    }
}

/// Key and commitment.
fn split(keys: &[u8; 64]) -> (&[u8; 32], &[u8; 32]) {
    let (key, rest) = keys.split_first_chunk::<32>().unwrap_or((&[0; 32], &[]));
    (key, rest.first_chunk().unwrap_or(&[0; 32]))
}

fn read(blob: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (bytes, sealed) = blob.split_first_chunk::<HEADER>()?;
    let (format, rest) = bytes.split_first()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (schema, rest) = rest.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (nonce, commitment) = rest.split_first_chunk()?;
    if *format != FORMAT {
        return None;
    }
    let header = Header {
        epoch: u32::from_be_bytes(*epoch),
        schema: u32::from_be_bytes(*schema),
        version: u64::from_be_bytes(*version),
        nonce,
        commitment,
        bytes,
    };
    Some((header, sealed))
}

#[cfg(test)]
mod tests;
