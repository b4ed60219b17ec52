//! Attested TLS at the enclave's end: its keys, its certificate, and who it talks to.
//!
//! A TLS key lives for a key epoch of at most an hour. Its certificate is self-signed and carries
//! one extension: an attestation document without a nonce that binds the key. The NSM is asked
//! once for each epoch, not for each connection. A new epoch has a new key, a new certificate and
//! an empty session cache; the old ones are dropped, and the key wiped, when the last handshake
//! that used them ends.

mod epoch;
mod key;
mod peers;
mod places;
mod serve;

use std::sync::{Arc, Mutex, PoisonError};

use openkey_attestation::UnixMillis;
use openkey_verifier::channel::{ChannelError, Clock};

use crate::{clock::MAX_UNREAD, nsm::NsmError, platform::Platform};
pub(crate) use epoch::KeyEpoch;
pub use peers::OwnRoot;
pub use serve::{OnChannel, serve_channel};

/// How long a TLS key is used, in milliseconds, before another one takes its place: evidence for a
/// channel is accepted for an hour by default, and a connection that was begun with the last
/// handshake still has some time.
pub const KEY_EPOCH: u64 = 45 * 60_000;
/// How long a TLS key is used at most while the NSM gives no evidence for another, in
/// milliseconds.
pub const MAX_KEY_EPOCH: u64 = 60 * 60_000;
/// A key is replaced that long before its certificate chain ends, in milliseconds: on hardware a
/// leaf may be in its last half hour when it signs.
pub(crate) const CHAIN_MARGIN: u64 = 10 * 60_000;
/// How long a key is used at least, in milliseconds, unless it has ended: the NSM is slow and
/// serial, and a chain that is about to end must not make every connection ask it.
pub(crate) const LEAST_EPOCH: u64 = 60_000;

/// Why there is no channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnclaveChannelError {
    /// The NSM gave no evidence, or no entropy for a key.
    #[error("the NSM gave no evidence for a TLS key: {0}")]
    Nsm(#[from] NsmError),
    /// The NSM's document does not hold under its own root, or names other registers.
    #[error("the NSM's own document does not hold")]
    OwnEvidence,
    /// The TLS library refuses what this program made, which tests exclude.
    #[error("the TLS library refuses the enclave's own certificate")]
    Certificate,
    /// The handshake, or the other side's evidence.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// The enclave's end of all channels. One for each enclave.
pub struct Channels {
    platform: Arc<Platform>,
    /// The root that the enclave's own documents chain to, learned at the first epoch.
    root: Mutex<Option<OwnRoot>>,
    epoch: Mutex<Option<Arc<KeyEpoch>>>,
    /// Held while a new epoch is made, so that one caller asks the NSM and the others wait.
    making: tokio::sync::Mutex<()>,
}

impl core::fmt::Debug for Channels {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Channels").finish_non_exhaustive()
    }
}

impl Channels {
    /// No key yet; the first connection makes one.
    #[must_use]
    pub fn new(platform: Arc<Platform>) -> Self {
        Self {
            platform,
            root: Mutex::new(None),
            epoch: Mutex::new(None),
            making: tokio::sync::Mutex::new(()),
        }
    }

    /// The present key epoch; makes one where there is none, or its time has come.
    ///
    /// # Errors
    ///
    /// [`EnclaveChannelError`] if there is no key with evidence and none can be made.
    pub(crate) async fn epoch(&self) -> Result<Arc<KeyEpoch>, EnclaveChannelError> {
        if let Some(epoch) = self.current().filter(|epoch| !self.is_due(epoch)) {
            return Ok(epoch);
        }
        let _making = self.making.lock().await;
        let now = self.platform.now();
        let old = self.current();
        if let Some(epoch) = old.clone().filter(|epoch| !self.is_due(epoch)) {
            return Ok(epoch);
        }
        match KeyEpoch::make(&self.platform, self.root()).await {
            Ok((epoch, root)) => {
                let epoch = Arc::new(epoch);
                *lock(&self.root) = Some(root);
                *lock(&self.epoch) = Some(Arc::clone(&epoch));
                Ok(epoch)
            }
            // The old key goes on while its evidence is young enough, and not a moment longer.
            Err(error) => {
                let old = old.filter(|epoch| !epoch.has_ended(now));
                if old.is_none() {
                    *lock(&self.epoch) = None;
                }
                old.ok_or(error)
            }
        }
    }

    /// What exists beside the root key.
    #[must_use]
    pub const fn platform(&self) -> &Arc<Platform> {
        &self.platform
    }

    fn is_due(&self, epoch: &KeyEpoch) -> bool {
        epoch.is_due(self.platform.now(), self.platform.root_source())
    }

    fn current(&self) -> Option<Arc<KeyEpoch>> {
        lock(&self.epoch).clone()
    }

    fn root(&self) -> Option<OwnRoot> {
        lock(&self.root).clone()
    }
}

// The clock may be counted on for that long without the NSM; an epoch must outlive it.
const _: () = assert!(MAX_UNREAD < KEY_EPOCH);

/// The enclave's clock for judging others' evidence: where something expires, the later of the
/// NSM's time and the wall clock counts.
pub(crate) fn clock(platform: &Platform) -> Arc<dyn Clock> {
    let clock = Arc::clone(&platform.clock);
    Arc::new(move || UnixMillis(clock.expiry_now()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Every change is complete in itself: a panic elsewhere leaves the value usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
