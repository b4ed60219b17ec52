//! What an established channel proves.

use openkey_attestation::{self as attestation, Claims, UnixMillis};
use openkey_protocol::message::{EvidenceBinding, Key32};

use crate::{evidence::Bound, statement::IdentityKey};

/// Evidence of the enclave at the other end of one connection: whoever speaks there holds the key
/// that the document names. Only an established connection makes it; it says nothing about any
/// other connection, and neither [`crate::evidence::Fresh`] nor [`crate::evidence::Archival`]
/// becomes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub(super) evidence: attestation::Channel,
    pub(super) bound: Bound,
    pub(super) boot_key: Key32,
    pub(super) expires: UnixMillis,
    pub(super) resumed: bool,
}

impl Channel {
    /// What the document says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.evidence.claims()
    }

    /// What it binds.
    #[must_use]
    pub const fn binding(&self) -> &EvidenceBinding {
        &self.bound.binding
    }

    /// The key that signs this boot's answers and receipts.
    #[must_use]
    pub const fn identity(&self) -> &IdentityKey {
        &self.bound.identity
    }

    /// The X25519 key of this boot, for HPKE.
    #[must_use]
    pub const fn boot_key(&self) -> Key32 {
        self.boot_key
    }

    /// When the evidence has aged out under the policy, or its certificate has ended: the
    /// connection ends then, too.
    #[must_use]
    pub const fn expires(&self) -> UnixMillis {
        self.expires
    }

    /// Whether the connection resumed an earlier session. Its evidence is that session's, judged
    /// again.
    #[must_use]
    pub const fn resumed(&self) -> bool {
        self.resumed
    }
}
