//! Which other enclaves this one talks to: those under the root of its own evidence.
//!
//! No file and no configuration names that root. The first certificate in the bundle of the
//! enclave's own document does, and that document comes through the hypervisor's own device: on
//! Nitro it is the AWS root, elsewhere the root of whatever plays the hypervisor, which could
//! change the enclave's memory anyway. So an enclave never trusts a hypervisor that is not of the
//! kind it runs on, and an image needs no second build to be tested.

use std::sync::Arc;

use openkey_attestation::{Archival, ChainCache, Document, ModuleKind, Policy, Roots, Verifier};
use openkey_verifier::channel::ChannelPolicy;

use super::EnclaveChannelError;

/// The root of the enclave's own evidence, as a verifier of others'.
#[derive(Clone, Debug)]
pub struct OwnRoot {
    verifier: Arc<Verifier>,
    simulator: bool,
}

impl OwnRoot {
    /// Takes the root out of the enclave's own document.
    ///
    /// # Errors
    ///
    /// [`EnclaveChannelError::OwnEvidence`] if it is no document.
    pub fn of(document: &[u8]) -> Result<Self, EnclaveChannelError> {
        let parsed = Document::parse(document).map_err(|_| EnclaveChannelError::OwnEvidence)?;
        let payload = parsed.payload();
        let root = payload.cabundle.first();
        let root = root.ok_or(EnclaveChannelError::OwnEvidence)?;
        let roots = Roots::custom([root.to_vec()]).map_err(|_| EnclaveChannelError::OwnEvidence)?;
        Ok(Self {
            verifier: Arc::new(Verifier::new(roots).with_cache(ChainCache::default())),
            simulator: ModuleKind::of(payload.module_id) == ModuleKind::Simulator,
        })
    }

    /// What another enclave must be to be talked to: attested under the same root, of the same
    /// kind, not in debug mode, whatever its measurements. What it gets depends on those.
    #[must_use]
    pub fn policy(&self) -> ChannelPolicy {
        let policy = Policy::any_measurement().simulator(self.simulator);
        ChannelPolicy::new(Arc::clone(&self.verifier), policy)
    }

    /// Verifies the enclave's own document at its own time, debug mode or not.
    pub(super) fn verify_own(&self, document: &[u8]) -> Result<Archival, EnclaveChannelError> {
        let policy = Policy::any_measurement()
            .simulator(self.simulator)
            .allow_debug(true);
        self.verifier
            .archival(document, &policy, None)
            .map_err(|_| EnclaveChannelError::OwnEvidence)
    }
}
