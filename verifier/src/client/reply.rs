//! What came back for one call, before anything in it counts.

use openkey_protocol::message::{Bare, Bytes, Evidence, Reply, Response, Verdict};

use super::ClientError;
use crate::{
    answer::{self, Asked},
    statement::IdentityKey,
};

/// A reply that was understood, and the call it came for. Nothing in it is checked.
#[derive(Clone, Debug)]
pub struct Replied {
    pub(super) nonce: Bytes,
    pub(super) sent: Vec<u8>,
    pub(super) reply: Reply,
}

impl Replied {
    /// The nonce of the call.
    #[must_use]
    pub const fn nonce(&self) -> &Bytes {
        &self.nonce
    }

    /// What the reply is to be held to, if it came now.
    #[must_use]
    pub fn asked(&self, now_ms: u64) -> Asked<'_> {
        Asked::new(&self.sent, now_ms)
    }

    /// Checks the answer under an identity key that evidence vouches for.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] is the enclave's own refusal; [`ClientError::Unsigned`] is one that
    /// anybody on the way could have written; [`ClientError::Unproven`] is an answer that is not one
    /// to this call.
    pub fn open(&self, identity: &IdentityKey, asked: &Asked<'_>) -> Result<Response, ClientError> {
        Ok(self.open_with_time(identity, asked)?.0)
    }

    /// As [`Self::open`], with the time of the answer by the enclave's clock: what a client keeps beside the
    /// head that the answer shows.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_with_time(
        &self,
        identity: &IdentityKey,
        asked: &Asked<'_>,
    ) -> Result<(Response, u64), ClientError> {
        match &self.reply {
            Reply::Answer(signed) => {
                let answer = answer::check(identity, signed, asked)?;
                match answer.result {
                    Verdict::Ok(response) => Ok((response, answer.at)),
                    Verdict::Refused(error) => Err(ClientError::Refused(error)),
                }
            }
            Reply::Bare(Bare::Refused(error)) => Err(ClientError::unsigned(error)),
            Reply::Bare(_) => Err(ClientError::Answer("not one to this request")),
        }
    }

    /// Reads the answer **without checking it**: what the host says that the enclave said.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unsigned`] or [`ClientError::Answer`].
    pub fn unverified(&self) -> Result<Response, ClientError> {
        match &self.reply {
            Reply::Answer(signed) => match signed.unverified().map(|answer| answer.result) {
                Ok(Verdict::Ok(response)) => Ok(response),
                Ok(Verdict::Refused(error)) => Err(ClientError::unsigned(&error)),
                Err(_) => Err(ClientError::Answer("not a reply")),
            },
            Reply::Bare(Bare::Refused(error)) => Err(ClientError::unsigned(error)),
            Reply::Bare(_) => Err(ClientError::Answer("not one to this request")),
        }
    }

    /// An attestation document, which is checked by [`crate::evidence`].
    pub(super) fn evidence(self) -> Result<Evidence, ClientError> {
        match self.reply {
            Reply::Bare(Bare::Evidence(evidence)) => Ok(evidence),
            _ => Err(match self.unverified() {
                Ok(_) => ClientError::Answer("not one to this request"),
                Err(error) => error,
            }),
        }
    }
}
