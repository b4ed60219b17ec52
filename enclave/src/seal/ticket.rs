//! Tickets: sealed state that a client carries (contexts and read tokens).
//!
//! `id(16) ‖ sealed blob`. The id is new for each ticket and is what an account remembers when a
//! one-use context is consumed. The blob's version is the time at which the ticket ends.

use openkey_protocol::cbor;
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{Kind, NONCE, Name, SealError, Sealer};

/// The schema of every ticket.
const SCHEMA: u32 = 3;

/// An opened ticket.
#[derive(Debug)]
pub(crate) struct Ticket<T> {
    /// No two tickets share one.
    pub(crate) id: [u8; 16],
    /// Milliseconds since 1970.
    pub(crate) expires_at: u64,
    pub(crate) content: T,
}

/// Why a ticket is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TicketError {
    /// Not a ticket of this kind and deployment.
    Invalid,
    /// Its time is over.
    Expired,
}

impl Sealer {
    /// Seals a ticket. `random` must be new: 16 bytes of id and 24 of nonce.
    pub(crate) fn issue<T: Serialize>(
        &self,
        kind: Kind,
        expires_at: u64,
        random: &[u8; 40],
        content: &T,
    ) -> Result<Vec<u8>, SealError> {
        let (id, nonce) = parts(random);
        let bytes = cbor::encode(content)
            .map(Zeroizing::new)
            .map_err(|_| SealError::TooLong)?;
        let sealed = self.seal(&name(kind, id), SCHEMA, expires_at, nonce, &bytes)?;
        Ok([id.as_slice(), &sealed].concat())
    }

    /// Opens a ticket that must not have ended at `now`.
    pub(crate) fn redeem<T: Serialize + DeserializeOwned>(
        &self,
        kind: Kind,
        now: u64,
        bytes: &[u8],
    ) -> Result<Ticket<T>, TicketError> {
        let (id, blob) = bytes.split_first_chunk().ok_or(TicketError::Invalid)?;
        let opened = self
            .open(&name(kind, id), blob)
            .map_err(|_| TicketError::Invalid)?;
        if opened.schema != SCHEMA {
            return Err(TicketError::Invalid);
        }
        if now >= opened.version {
            return Err(TicketError::Expired);
        }
        let content = cbor::decode(&opened.plaintext).map_err(|_| TicketError::Invalid)?;
        Ok(Ticket {
            id: *id,
            expires_at: opened.version,
            content,
        })
    }
}

const fn name(kind: Kind, id: &[u8; 16]) -> Name<'_> {
    Name {
        kind,
        id,
        owner: &[],
    }
}

fn parts(random: &[u8; 40]) -> (&[u8; 16], &[u8; NONCE]) {
    let (id, rest) = random.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    (id, rest.first_chunk().unwrap_or(&[0; NONCE]))
}
