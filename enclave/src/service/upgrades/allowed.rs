//! Which image and configuration may have the root key, and the moment at which it leaves.

use openkey_attestation::{Pcr, UnixMillis};
use openkey_protocol::{
    message::{Error, Hash32},
    store::RecordStore,
};
use openkey_verifier::{
    configuration::CONFIGURATION_PCR,
    release::{self, Release, ReleaseKeys},
};

use super::{
    known::TooLate,
    refusals::{not_announced, refused, refused_because, withdrawn},
};
use crate::{platform::Measured, service::Enclave};

/// A successor that may have the root key now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// What it measures: image and configuration together.
    pub measured: Measured,
    /// Its epoch: never below this enclave's own.
    pub epoch: u32,
    /// SHA-256 of the signed body of the manifest that names it.
    pub manifest: Hash32,
}

impl<S: RecordStore> Enclave<S> {
    /// Whether the root key may go to the image that a manifest names, now: signed by the release
    /// keys of this enclave's configuration, for image and configuration together, of no lower
    /// epoch, valid, announced, not withdrawn, the delay over, and enough operators consenting.
    ///
    /// # Errors
    ///
    /// `manifest_refused` with the reason, or what the store's answer gives: `rolled_back` if the store
    /// hides announced successors.
    pub async fn successor_allowed(&self, manifest: &[u8]) -> Result<Successor, Error> {
        let (release, successor) = self.successor(manifest)?;
        let now = self.platform.now();
        release
            .check_time(UnixMillis(now))
            .map_err(|error| refused_because(&error))?;
        // Where something ends, the later of the two clocks counts.
        if UnixMillis(self.platform.clock.expiry_now()) > release.manifest().not_after {
            return Err(refused("The release is over."));
        }
        {
            let _turn = self.upgrades.turn.lock().await;
            self.read_successors().await?;
        }
        let known = self.upgrades.known();
        let hash = release.hash();
        if known.is_withdrawn(&hash) {
            return Err(withdrawn());
        }
        let upgrade = known.find(&hash, &self.own()).ok_or_else(not_announced)?;
        if now < self.allowed_from(upgrade) {
            return Err(refused("The successor's delay is not over."));
        }
        let have = known.consents(&hash).len();
        let need = self.platform.configuration().upgrade_consent();
        if have < usize::try_from(need).unwrap_or(usize::MAX) {
            return Err(refused(format!(
                "{have} of {need} operators have consented to the successor at this enclave."
            )));
        }
        Ok(successor)
    }

    /// The last decision before the root key is sealed for another enclave: for a successor, by the hash
    /// of its manifest, or for an enclave like this one. Between the checks before and this one the NSM is
    /// awaited, and a withdrawal may have arrived. Nothing may be awaited between this and the sealing.
    ///
    /// From here on a withdrawal comes too late for that successor, and the enclave serves no accounts:
    /// the successor writes records of its own epoch, and two programs that write one account would only
    /// get into each other's way.
    ///
    /// # Errors
    ///
    /// [`TooLate`]: the root key stays.
    pub(crate) fn let_go(&self, successor: Option<&Hash32>) -> Result<(), TooLate> {
        self.upgrades.known().let_go(successor)
    }

    /// Reads a manifest and holds it to this enclave, whatever the time.
    pub(super) fn successor(&self, manifest: &[u8]) -> Result<(Release, Successor), Error> {
        let keys = self.platform.configuration().release_keys();
        let keys = keys.ok_or_else(|| refused("The configuration names no release keys."))?;
        let keys = ReleaseKeys::new(keys.threshold(), keys.keys().to_vec())
            .map_err(|error| refused_because(&error))?;
        let release = release::signed(manifest, &keys).map_err(|error| refused_because(&error))?;
        release
            .check_program()
            .map_err(|error| refused_because(&error))?;
        if release.manifest().epoch < self.platform.epoch() {
            return Err(refused("The release has a lower epoch than this enclave."));
        }
        let measurements = release.measurements();
        let pcr = |index: u8| measurements.get(index).copied();
        // Image and configuration only together: the genuine image with a stranger's operators is
        // no successor.
        let measured = match (pcr(0), pcr(1), pcr(2), pcr(CONFIGURATION_PCR)) {
            (Some(zero), Some(one), Some(two), Some(configuration))
                if release.manifest().configuration.is_some() =>
            {
                Measured {
                    image: [zero, one, two] as [Pcr; 3],
                    configuration,
                }
            }
            _ => {
                return Err(refused(
                    "The manifest does not name image and configuration.",
                ));
            }
        };
        let successor = Successor {
            measured,
            epoch: release.manifest().epoch,
            manifest: release.hash(),
        };
        Ok((release, successor))
    }
}
