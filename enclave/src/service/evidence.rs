//! Who is there, unsigned and attested.

use openkey_protocol::{
    cbor,
    message::{
        Bytes, EVIDENCE_BINDING_VERSION, Error, Evidence, EvidenceBinding, Limits,
        RollbackProtection, Status,
    },
};

use super::{Enclave, check_nonce, internal};
use crate::{
    account::{MAX_KEYS, MAX_PASSKEYS, MAX_SIGNATURES},
    consent::MAX_PAYLOAD,
};

impl<S> Enclave<S> {
    pub(super) fn status(&self) -> Status {
        let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        Status {
            release: self.release.clone(),
            root_source: self.root_source,
            now: self.clock.now(),
            rp_id: self.configuration.rp_id().to_owned(),
            origins: self.configuration.origins().to_vec(),
            limits: Limits {
                payload_bytes: count(MAX_PAYLOAD),
                passkeys: count(MAX_PASSKEYS),
                keys: count(MAX_KEYS),
                signatures_per_minute: count(MAX_SIGNATURES),
                accounts: self.capacity.accounts as u64,
            },
        }
    }

    /// A document over the caller's nonce that vouches for this boot's identity.
    pub(super) async fn evidence(&self, nonce: Bytes) -> Result<Evidence, Error> {
        check_nonce(nonce.as_slice())?;
        let binding = EvidenceBinding {
            version: EVIDENCE_BINDING_VERSION,
            identity: self.identity.public().into(),
            configuration: self.configuration.hash(),
            root_source: self.root_source,
            root_id: self.root_id,
            release: self.release.clone(),
            rollback: RollbackProtection::ClientsOnly,
        };
        let user_data = cbor::encode(&binding).map_err(internal)?;
        let document = self
            .nsm
            .evidence(nonce.0, user_data)
            .await
            .map_err(|error| self.nsm_failed(error))?;
        Ok(Evidence {
            document: document.into(),
        })
    }
}
