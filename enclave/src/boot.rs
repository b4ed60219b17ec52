//! From parts to a running enclave, or not at all.

use std::sync::Arc;

use openkey_protocol::{
    message::{BootFiles, EnclaveEvent},
    store::RecordStore,
};

use crate::{
    clock::{Monotonic, WallClock},
    configuration::{CONFIGURATION_PCR, Configuration},
    event::EventSink,
    nsm::{Nsm, NsmError},
    passkeys::RelyingParty,
    platform::{Platform, PlatformParts},
    provision::Service,
    root::{RootKeySource, SourceError, Waiting},
    service::MAX_ENTRIES,
};

/// How many accounts an enclave tracks unless told otherwise: about 130 bytes each.
pub const DEFAULT_ACCOUNTS: usize = 1 << 20;
/// How many sealed records an enclave keeps for what its memory does not hold, unless told otherwise:
/// about 150 bytes of memory each, and room for 16 million accounts in all.
pub const DEFAULT_BUCKETS: usize = 1 << 12;
/// How many registrations a deployment begins in a minute unless told otherwise.
pub const DEFAULT_SIGN_UPS_PER_MINUTE: u32 = 600;

/// What an enclave is made of.
pub struct Parts<N, S> {
    /// The NSM: `/dev/nsm` ([`crate::nsm::Device`]) or a simulator's.
    pub nsm: N,
    /// Where the root key may come from. Only those that the configuration names are asked, in its
    /// order; operators' shares need no source here.
    pub sources: Vec<Box<dyn RootKeySource>>,
    /// What is measured.
    pub configuration: Configuration,
    /// What else the host handed over; its member `configuration` is not looked at.
    pub files: BootFiles,
    /// Where sealed records are kept.
    pub store: S,
    /// [`crate::clock::BootTime`], or a test's.
    pub monotonic: Arc<dyn Monotonic>,
    /// [`crate::clock::RealTime`], or a test's.
    pub wall: Arc<dyn WallClock>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// The program's release, for evidence.
    pub release: String,
    /// The program's release epoch: never goes down.
    pub epoch: u32,
    /// Capacities.
    pub capacity: Capacity,
}

/// How much an enclave takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Accounts whose newest version it remembers in memory; of further ones it remembers it in sealed
    /// records ([`Self::buckets`]).
    pub accounts: usize,
    /// Sealed records for what memory does not hold; of each the hash stays in memory.
    pub buckets: usize,
    /// Registrations finished in a minute, by all clients together.
    pub sign_ups_per_minute: u32,
}

impl Capacity {
    /// How many accounts that is in all.
    #[must_use]
    pub const fn most_accounts(&self) -> u64 {
        let in_buckets = self.buckets.saturating_mul(MAX_ENTRIES);
        self.accounts.saturating_add(in_buckets) as u64
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            accounts: DEFAULT_ACCOUNTS,
            buckets: DEFAULT_BUCKETS,
            sign_ups_per_minute: DEFAULT_SIGN_UPS_PER_MINUTE,
        }
    }
}

/// Why an enclave does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The NSM failed.
    #[error("the NSM failed at boot: {0}")]
    Nsm(#[from] NsmError),
    /// The NSM is none that this program knows: other registers or another hash.
    #[error("the NSM has other registers than expected")]
    NsmShape,
    /// Register 16 could not be extended from zeros by the configuration's hash and locked, or
    /// another register not locked.
    #[error(
        "the configuration could not be measured into register {CONFIGURATION_PCR} and all locked"
    )]
    Measurement,
    /// The NSM gives no usable entropy.
    #[error("the NSM gives no usable entropy: {0}")]
    Entropy(NsmError),
    /// The development source gives no root key.
    #[error("no root key: {0}")]
    RootKey(#[from] SourceError),
    /// The configuration names no operators and no root id, and there is no development source.
    #[error("there is no way to a root key: the configuration names no operators")]
    NoSource,
    /// A development source, for a configuration that names operators: nobody could tell which
    /// root key it is.
    #[error("a development root key does not go with a configuration that names operators")]
    DevelopmentSource,
    /// The relying party's configuration is refused by the WebAuthn library.
    #[error("the WebAuthn library refuses the configuration")]
    RelyingParty,
}

/// Boots: measures the configuration and locks every register, then gathers entropy, time and keys,
/// in this order. Nothing secret exists before the configuration is measured and locked. The
/// [`Service`] must run on a Tokio runtime with its timer enabled, and this function in one.
///
/// # Errors
///
/// [`BootError`]. There are no defaults to fall back on.
pub async fn boot<N, S>(parts: Parts<N, S>) -> Result<Service<S>, BootError>
where
    N: Nsm + 'static,
    S: RecordStore,
{
    let relying_party = RelyingParty::new(&parts.configuration).ok_or(BootError::RelyingParty)?;
    let platform = Platform::start(PlatformParts {
        nsm: parts.nsm,
        configuration: parts.configuration,
        files: parts.files,
        monotonic: parts.monotonic,
        wall: parts.wall,
        events: parts.events,
        release: parts.release,
        epoch: parts.epoch,
    })
    .await?;
    platform.record(EnclaveEvent::Booted);
    let waiting = Waiting::new(&platform, parts.sources)?;
    Service::start(
        Arc::new(platform),
        waiting,
        relying_party,
        parts.store,
        parts.capacity,
    )
    .await
}
