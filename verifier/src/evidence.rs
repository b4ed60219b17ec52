//! Evidence of an OpenKey enclave: a verified document whose `user_data` names its identity key.

use openkey_attestation as attestation;
use openkey_attestation::{Claims, Nonce, Policy, Refusal, UnixMillis, Verifier};
use openkey_protocol::{
    cbor,
    message::{EVIDENCE_BINDING_VERSION, EvidenceBinding, Hash32},
};

#[cfg(feature = "channel")]
pub use crate::channel::Channel;
use crate::{
    configuration::{self, CONFIGURATION_PCR},
    statement::IdentityKey,
};

/// Evidence over the verifier's own nonce, judged now. Only [`fresh`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fresh {
    evidence: attestation::Fresh,
    bound: Bound,
}

/// Evidence of the past, judged at its own time: it proves which enclave signed a statement once,
/// and nothing about today. Only [`archival`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Archival {
    evidence: attestation::Archival,
    bound: Bound,
}

/// What a verified document binds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) binding: EvidenceBinding,
    pub(crate) identity: IdentityKey,
}

/// Checks a document made for this verifier's nonce, and what it binds.
///
/// # Errors
///
/// [`EvidenceError`].
pub fn fresh(
    verifier: &Verifier,
    document: &[u8],
    policy: &Policy,
    nonce: &Nonce,
    now: UnixMillis,
) -> Result<Fresh, EvidenceError> {
    let evidence = verifier.fresh(document, policy, nonce, now)?;
    let bound = Bound::read(evidence.claims(), policy)?;
    Ok(Fresh { evidence, bound })
}

/// Checks a stored document at its own time, and what it binds. A nonce that is given must be the
/// document's: that ties stored things together and proves no freshness.
///
/// # Errors
///
/// [`EvidenceError`].
pub fn archival(
    verifier: &Verifier,
    document: &[u8],
    policy: &Policy,
    nonce: Option<&Nonce>,
) -> Result<Archival, EvidenceError> {
    let evidence = verifier.archival(document, policy, nonce)?;
    let bound = Bound::read(evidence.claims(), policy)?;
    Ok(Archival { evidence, bound })
}

/// Reads the binding of a verified document, and holds it to the document's own register 16 and to
/// what the policy asks of the program: root id and epoch. Every kind of evidence goes through here.
///
/// # Errors
///
/// The binding rules of [`EvidenceError`].
pub fn binding(claims: &Claims, policy: &Policy) -> Result<EvidenceBinding, EvidenceError> {
    Bound::read(claims, policy).map(|bound| bound.binding)
}

/// As [`binding`], for whoever looks at documents of any program: `None` if the document binds
/// nothing of this protocol and the policy asks nothing that only a binding says.
///
/// # Errors
///
/// The binding rules of [`EvidenceError`].
pub fn any_binding(
    claims: &Claims,
    policy: &Policy,
) -> Result<Option<EvidenceBinding>, EvidenceError> {
    match binding(claims, policy) {
        Ok(binding) => Ok(Some(binding)),
        Err(
            EvidenceError::BindingMissing
            | EvidenceError::BindingMalformed
            | EvidenceError::BindingVersion(_),
        ) if !policy.asks_the_program() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Bound {
    pub(crate) fn read(claims: &Claims, policy: &Policy) -> Result<Self, EvidenceError> {
        let Some(bytes) = claims.user_data.as_deref() else {
            return Err(EvidenceError::BindingMissing);
        };
        let binding: EvidenceBinding =
            cbor::decode(bytes).map_err(|_| EvidenceError::BindingMalformed)?;
        if binding.version != EVIDENCE_BINDING_VERSION {
            return Err(EvidenceError::BindingVersion(binding.version));
        }
        let identity = IdentityKey::from_evidence_verified_earlier(binding.identity.as_slice())
            .map_err(|_| EvidenceError::Identity)?;
        // The enclave measures its configuration before it makes any key. A document that names
        // another one is not of a program that does so, whatever else it says of itself.
        let measured = claims.pcrs.get(CONFIGURATION_PCR);
        if measured != Some(&configuration::pcr(binding.configuration)) {
            return Err(EvidenceError::ConfigurationPcr {
                named: binding.configuration,
            });
        }
        if let Some(expected) = policy.pinned_root_id().map(|id| Hash32(*id))
            && binding.root_id != Some(expected)
        {
            return Err(EvidenceError::RootId {
                expected,
                found: binding.root_id,
            });
        }
        if let Some(least) = policy.lowest_epoch()
            && binding.epoch < least
        {
            return Err(EvidenceError::EpochTooOld {
                found: binding.epoch,
                least,
            });
        }
        Ok(Self { binding, identity })
    }
}

impl Fresh {
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
}

impl Archival {
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

    /// The key that signed that boot's answers and receipts.
    #[must_use]
    pub const fn identity(&self) -> &IdentityKey {
        &self.bound.identity
    }
}

/// Why a document is no evidence of an OpenKey enclave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The document itself is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A genuine document that binds nothing.
    #[error("the document carries no user_data, so it binds no identity key")]
    BindingMissing,
    /// User data of another kind: another program's enclave, or a newer one.
    #[error(
        "the document's user_data is not a binding of this protocol: it is another program's enclave"
    )]
    BindingMalformed,
    /// A binding of another version.
    #[error(
        "the document's binding has version {0}; this program knows version {EVIDENCE_BINDING_VERSION}"
    )]
    BindingVersion(u32),
    /// The bound identity key cannot sign.
    #[error("the document binds an identity key that is no usable Ed25519 key")]
    Identity,
    /// The binding names a configuration that the document does not measure.
    #[error(
        "the document's binding names configuration {named}, which PCR16 of the same document does \
         not hold: the enclave says something else than it measured"
    )]
    ConfigurationPcr {
        /// The binding's.
        named: Hash32,
    },
    /// A genuine image over another root key: a stranger's deployment, or one without any.
    #[error(
        "the enclave's root id is {}, expected {expected}: it is another deployment's",
        .found.map_or_else(|| "none".to_owned(), |id| id.to_string())
    )]
    RootId {
        /// The policy's.
        expected: Hash32,
        /// The enclave's.
        found: Option<Hash32>,
    },
    /// An older release than is accepted, or than was seen before.
    #[error("the enclave's release epoch is {found}, the lowest that is accepted is {least}")]
    EpochTooOld {
        /// The enclave's.
        found: u32,
        /// The lowest accepted.
        least: u32,
    },
}

impl EvidenceError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.rule(),
            Self::BindingMissing => "binding_missing",
            Self::BindingMalformed => "binding_malformed",
            Self::BindingVersion(_) => "binding_version",
            Self::Identity => "identity_key",
            Self::ConfigurationPcr { .. } => "configuration_pcr",
            Self::RootId { .. } => "root_id",
            Self::EpochTooOld { .. } => "epoch_too_old",
        }
    }
}
