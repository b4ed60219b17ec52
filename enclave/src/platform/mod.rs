//! Everything that exists before the root key: the measured configuration, the NSM, entropy, time,
//! this boot's keys, and what the host handed over.

mod measure;
mod time;

use std::sync::{Arc, OnceLock};

use openkey_attestation::Pcr;
use openkey_protocol::{
    cbor,
    message::{
        BootFiles, EVIDENCE_BINDING_VERSION, EnclaveEvent, Error, Hash32, RollbackProtection,
        RootSource,
    },
};

pub use openkey_protocol::message::EvidenceBinding;

use crate::{
    boot::BootError,
    clock::{Clock, Monotonic, WallClock},
    configuration::Configuration,
    entropy::Entropy,
    errors::internal,
    event::EventSink,
    hybrid::BootKey,
    identity::Identity,
    nsm::{Nsm, NsmError, NsmHandle, NsmRequest, NsmResponse},
    service::KnownSuccessors,
};

/// What this enclave is, by its own attestation document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Registers 0, 1 and 2: image, kernel, application.
    pub image: [Pcr; 3],
    /// Register 16: the run-time configuration.
    pub configuration: Pcr,
}

/// What the platform is made of.
pub(crate) struct PlatformParts<N> {
    pub(crate) nsm: N,
    pub(crate) configuration: Configuration,
    pub(crate) files: BootFiles,
    pub(crate) monotonic: Arc<dyn Monotonic>,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) release: String,
    pub(crate) epoch: u32,
}

/// An enclave before it has its root key, and below it afterwards.
pub struct Platform {
    pub(crate) nsm: NsmHandle,
    pub(crate) entropy: Entropy,
    pub(crate) clock: Arc<Clock>,
    /// When a reading of the NSM's time failed last.
    reading: tokio::sync::Mutex<Option<u64>>,
    pub(crate) identity: Identity,
    pub(crate) boot_key: BootKey,
    pub(crate) configuration: Configuration,
    measured: Measured,
    pub(crate) files: BootFiles,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) release: String,
    pub(crate) epoch: u32,
    root_source: OnceLock<RootSource>,
}

impl core::fmt::Debug for Platform {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}

impl Platform {
    /// Measures the configuration, locks every register, and only then makes entropy, time and
    /// keys.
    pub(crate) async fn start<N: Nsm + 'static>(
        parts: PlatformParts<N>,
    ) -> Result<Self, BootError> {
        let nsm = NsmHandle::start(parts.nsm)?;
        measure::check_shape(&nsm.describe().await?)?;
        measure::measure(&nsm, &parts.configuration).await?;
        measure::lock_all(&nsm).await?;
        let measured = measure::own(&nsm, &parts.configuration).await?;

        let entropy = Entropy::start(nsm.clone())
            .await
            .map_err(BootError::Entropy)?;
        let asked_at = parts.monotonic.elapsed_ms();
        let time = nsm.time().await?;
        let clock = Clock::new(parts.monotonic, parts.wall, asked_at, time);
        let identity = Identity::new(&entropy.secret().await.map_err(BootError::Entropy)?);
        let boot_key = BootKey::new(&entropy.secret().await.map_err(BootError::Entropy)?);
        Ok(Self {
            nsm,
            entropy,
            clock: Arc::new(clock),
            reading: tokio::sync::Mutex::new(None),
            identity,
            boot_key,
            configuration: parts.configuration,
            measured,
            files: parts.files,
            events: parts.events,
            release: parts.release,
            epoch: parts.epoch,
            root_source: OnceLock::new(),
        })
    }

    /// The measured run-time configuration.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// What this enclave is.
    #[must_use]
    pub const fn measured(&self) -> &Measured {
        &self.measured
    }

    /// The program's release epoch.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// What the host handed over at boot beside the configuration: believed in nothing.
    #[must_use]
    pub const fn files(&self) -> &BootFiles {
        &self.files
    }

    /// The Ed25519 public key of this boot.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        self.identity.public()
    }

    /// The X25519 public key of this boot, to which others seal what they bring (HPKE).
    #[must_use]
    pub fn boot_key(&self) -> [u8; 32] {
        self.boot_key.public()
    }

    /// Milliseconds since 1970, by the enclave's clock.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Where the root key came from; `None` while it is awaited.
    #[must_use]
    pub fn root_source(&self) -> Option<RootSource> {
        self.root_source.get().copied()
    }

    /// From now on evidence says where the root key came from. The first word counts.
    pub(crate) fn provisioned(&self, source: RootSource) {
        let _ = self.root_source.set(source);
    }

    pub(crate) fn record(&self, event: EnclaveEvent) {
        self.events.record(event);
    }

    /// What this enclave's documents bind, with the hash of a channel's TLS key in evidence for
    /// one.
    #[must_use]
    pub fn binding(&self, tls_key: Option<Hash32>) -> EvidenceBinding {
        EvidenceBinding {
            version: EVIDENCE_BINDING_VERSION,
            identity: self.identity.public().into(),
            configuration: self.configuration.hash(),
            root_source: self.root_source(),
            root_id: self.configuration.root_id(),
            release: self.release.clone(),
            epoch: self.epoch,
            tls_key,
            rollback: RollbackProtection::ClientsOnly,
            pending: None,
            withdrawn: None,
        }
    }

    /// A document on the enclave's own behalf (a channel's certificate, a request to AWS KMS).
    ///
    /// # Errors
    ///
    /// [`NsmError`], as the NSM says; fields longer than hardware takes are refused.
    pub async fn attest(
        &self,
        nonce: Option<Vec<u8>>,
        public_key: Vec<u8>,
        user_data: Vec<u8>,
    ) -> Result<Vec<u8>, NsmError> {
        let request = NsmRequest::Attest {
            nonce,
            user_data: Some(user_data),
            public_key: Some(public_key),
        };
        match self.nsm.call(request).await? {
            NsmResponse::Document(document) => Ok(document),
            _ => Err(NsmError::UnexpectedResponse),
        }
    }

    /// A document over a stranger's nonce that vouches for this boot's identity and boot key, and says
    /// which successors wait and which were withdrawn.
    pub(crate) async fn evidence(
        &self,
        nonce: Vec<u8>,
        known: Option<KnownSuccessors>,
    ) -> Result<Vec<u8>, Error> {
        let binding = EvidenceBinding {
            pending: known.map(|known| known.pending),
            withdrawn: known.map(|known| known.withdrawn),
            ..self.binding(None)
        };
        let user_data = cbor::encode(&binding).map_err(internal)?;
        self.nsm
            .evidence(nonce, user_data, self.boot_key.public().to_vec())
            .await
            .map_err(|error| self.nsm_failed(error))
    }
}
