//! From parts to a running enclave, or not at all.

use std::sync::Arc;

use openkey_protocol::store::RecordStore;

use crate::{
    clock::{Clock, Monotonic, WallClock},
    configuration::{CONFIGURATION_PCR, Configuration},
    entropy::Entropy,
    event::{Event, EventSink},
    identity::Identity,
    nsm::{Nsm, NsmDescription, NsmError, NsmHandle, NsmRequest, NsmResponse, PCRS, PcrDigest},
    passkeys::RelyingParty,
    root::{self, RootKeyError, RootKeySource},
    seal::Sealer,
    service::{Enclave, Locks, SignUps},
    versions::Versions,
};

/// How many accounts an enclave tracks unless told otherwise: about 100 bytes each.
pub const DEFAULT_ACCOUNTS: usize = 1 << 20;
/// How many registrations a deployment begins in a minute unless told otherwise.
pub const DEFAULT_SIGN_UPS_PER_MINUTE: u32 = 600;

/// What an enclave is made of.
pub struct Parts<N, S> {
    /// The NSM: `/dev/nsm` ([`crate::nsm::Device`]) or a simulator's.
    pub nsm: N,
    /// Where the root key comes from.
    pub root: Box<dyn RootKeySource + Send>,
    /// What is measured.
    pub configuration: Configuration,
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
    /// Capacities.
    pub capacity: Capacity,
}

/// How much an enclave takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Accounts it tracks versions for; beyond it accounts are refused as `full`.
    pub accounts: usize,
    /// Registrations begun in a minute.
    pub sign_ups_per_minute: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            accounts: DEFAULT_ACCOUNTS,
            sign_ups_per_minute: DEFAULT_SIGN_UPS_PER_MINUTE,
        }
    }
}

/// Why an enclave does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The NSM failed.
    #[error("the NSM failed at boot: {0}")]
    Nsm(#[from] NsmError),
    /// The NSM is none that this program knows: other registers or another hash.
    #[error("the NSM has other registers than expected")]
    NsmShape,
    /// Register 16 could not be extended from zeros by the configuration's hash and locked.
    #[error("the configuration could not be measured into register {CONFIGURATION_PCR}")]
    Measurement,
    /// The NSM gives no usable entropy.
    #[error("the NSM gives no usable entropy: {0}")]
    Entropy(NsmError),
    /// There is no root key.
    #[error("no root key: {0}")]
    RootKey(#[from] RootKeyError),
    /// The relying party's configuration is refused by the WebAuthn library.
    #[error("the WebAuthn library refuses the configuration")]
    RelyingParty,
}

/// Boots: measures the configuration, then gathers entropy, time and keys, in this order. Nothing
/// secret exists before the configuration is measured and locked. The [`Enclave`] must run on a Tokio
/// runtime with its timer enabled.
///
/// # Errors
///
/// [`BootError`]. There are no defaults to fall back on.
pub async fn boot<N, S>(parts: Parts<N, S>) -> Result<Enclave<S>, BootError>
where
    N: Nsm + 'static,
    S: RecordStore,
{
    let relying_party = RelyingParty::new(&parts.configuration).ok_or(BootError::RelyingParty)?;
    let nsm = NsmHandle::start(parts.nsm)?;
    check_shape(&nsm.describe().await?)?;
    measure(&nsm, &parts.configuration).await?;

    let entropy = Entropy::start(nsm.clone())
        .await
        .map_err(BootError::Entropy)?;
    let asked_at = parts.monotonic.elapsed_ms();
    let time = nsm.time().await?;
    let clock = Clock::new(parts.monotonic, parts.wall, asked_at, time);
    let identity = Identity::new(&entropy.secret().await.map_err(BootError::Entropy)?);
    let root = root::obtain(&*parts.root)?;

    let events = parts.events;
    events.record(Event::Booted);
    Ok(Enclave {
        nsm,
        entropy,
        clock,
        reading: tokio::sync::Mutex::new(None),
        identity,
        sealer: Sealer::new(root.key),
        root_source: root.source,
        root_id: root.id,
        relying_party,
        configuration: parts.configuration,
        store: parts.store,
        versions: Versions::new(parts.capacity.accounts),
        locks: Locks::new(),
        sign_ups: SignUps::new(parts.capacity.sign_ups_per_minute),
        events,
        release: parts.release,
        capacity: parts.capacity,
    })
}

fn check_shape(description: &NsmDescription) -> Result<(), BootError> {
    let measured = (0..=2).all(|index| description.locked_pcrs.contains(&index));
    if description.max_pcrs != PCRS || description.digest != PcrDigest::Sha384 || !measured {
        return Err(BootError::NsmShape);
    }
    Ok(())
}

/// Extends register 16 by the configuration's hash and locks it, and checks that both happened and
/// that nobody had extended it before.
async fn measure(nsm: &NsmHandle, configuration: &Configuration) -> Result<(), BootError> {
    let extend = NsmRequest::ExtendPcr {
        index: CONFIGURATION_PCR,
        data: configuration.hash().0.to_vec(),
    };
    let extended = nsm.call(extend).await.map_err(measurement)?;
    if extended != NsmResponse::Extended(configuration.pcr().to_vec()) {
        return Err(BootError::Measurement);
    }
    let lock = NsmRequest::LockPcr {
        index: CONFIGURATION_PCR,
    };
    if nsm.call(lock).await.map_err(measurement)? != NsmResponse::Locked {
        return Err(BootError::Measurement);
    }
    let locked = nsm.describe().await?.locked_pcrs;
    if !locked.contains(&CONFIGURATION_PCR) {
        return Err(BootError::Measurement);
    }
    Ok(())
}

const fn measurement(error: NsmError) -> BootError {
    match error {
        NsmError::ReadOnlyIndex | NsmError::InvalidIndex | NsmError::InvalidOperation => {
            BootError::Measurement
        }
        other => BootError::Nsm(other),
    }
}
