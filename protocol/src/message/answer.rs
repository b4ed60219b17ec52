//! The envelope of a request, and the signed answer to it.

use serde::{Deserialize, Serialize};

use super::{AccountHead, Bytes, Error, Hash32, Request, Response, Statement};

/// A request as it is sent. SHA-256 of its deterministic CBOR names it in the [`Answer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Fresh random bytes of the client, 16 to 64 of them: no answer to an earlier call carries them.
    pub nonce: Bytes,
    /// What is asked.
    pub request: Request,
}

/// What an enclave says to one [`Call`], under its identity key. The host in between can withhold
/// an answer; it can neither change one nor give it to another call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// SHA-256 of the call's bytes.
    pub request: Hash32,
    /// The call's nonce.
    pub nonce: Bytes,
    /// When it was signed. Milliseconds since 1970, by the enclave's clock.
    pub at: u64,
    /// The head that the request carries (`head` in it), if the enclave found that the state
    /// it answers from continues it. A client refuses an [`Verdict::Ok`] that does not name the head
    /// it sent.
    pub continued: Option<AccountHead>,
    /// What came of it.
    pub result: Verdict,
}

impl Statement for Answer {
    const LABEL: &'static str = "openkey/answer/v1";
}

/// What came of a request.
// A verdict is made, encoded and dropped: a box would only add an allocation.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// It was done.
    Ok(Response),
    /// It was refused. Nothing changed, except where the code is [`super::ErrorCode::OutcomeUnknown`].
    Refused(Error),
}
