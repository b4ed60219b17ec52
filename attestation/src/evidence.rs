//! What a verified document proves.

use crate::measurement::Measurements;
use crate::time::UnixMillis;

/// What a verified document says. Only a verifier makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The NSM's name for the enclave: `i-…-enc…` on hardware, `sim-…` in the simulator.
    pub module_id: String,
    /// The region in the leaf certificate's name.
    pub region: String,
    /// When the NSM signed.
    pub timestamp: UnixMillis,
    /// All PCRs of the document.
    pub pcrs: Measurements,
    /// `public_key`, which the enclave chose. `None` when the document has none; an empty one is
    /// something else.
    pub public_key: Option<Vec<u8>>,
    /// `user_data`, which the enclave chose.
    pub user_data: Option<Vec<u8>>,
    /// `nonce`, which the enclave took from whoever asked.
    pub nonce: Option<Vec<u8>>,
    /// Whether the enclave runs in debug mode, where the host reads its console: PCR0, 1 and 2 are
    /// zero. Only true under a policy that allows it.
    pub debug: bool,
    /// Whether a simulator made the document. Only true under a policy that asks for it.
    pub simulator: bool,
    /// The last instant at which the whole certificate chain is valid.
    pub certificate_expires: UnixMillis,
    /// SHA-256 of the root certificate's DER.
    pub root_sha256: [u8; 32],
}

/// Evidence that an enclave is alive: it signed the verifier's own nonce moments ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh(Claims);

/// Evidence that an enclave once signed this: judged at the document's own time, so it says
/// nothing about today, and whoever stored the document can show it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archival(Claims);

/// Evidence that belongs to a channel: made without a nonce for a key that the document names, and
/// young enough. It proves nothing until whoever holds that key has proven so on the very
/// connection, hence it is neither [`Fresh`] nor [`Archival`], and neither becomes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel(Claims);

// Without a provider there is no verifier, hence nobody who makes evidence.
#[cfg_attr(
    not(any(feature = "aws-lc", feature = "pure")),
    allow(dead_code, reason = "made by the verifier")
)]
impl Fresh {
    pub(crate) fn new(claims: Claims) -> Self {
        Self(claims)
    }

    /// What the document says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }
}

#[cfg_attr(
    not(any(feature = "aws-lc", feature = "pure")),
    allow(dead_code, reason = "made by the verifier")
)]
impl Archival {
    pub(crate) fn new(claims: Claims) -> Self {
        Self(claims)
    }

    /// What the document says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }
}

#[cfg_attr(
    not(any(feature = "aws-lc", feature = "pure")),
    allow(dead_code, reason = "made by the verifier")
)]
impl Channel {
    pub(crate) fn new(claims: Claims) -> Self {
        Self(claims)
    }

    /// What the document says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }
}
