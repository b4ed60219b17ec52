//! Successors: images that the release keys of this enclave's own configuration signed, and that get
//! the root key only after a delay in which people can notice.

use openkey_attestation::{Pcr, UnixMillis};
use openkey_protocol::{
    message::{EnclaveEvent, Error, ErrorCode, Hash32, UpgradeStatus},
    store::RecordStore,
};
use openkey_verifier::{
    configuration::CONFIGURATION_PCR,
    release::{self, Release, ReleaseKeys},
};
use serde::{Deserialize, Serialize};

use super::{
    Enclave,
    kept::{Kept, Written},
};
use crate::{
    errors::{refuse, refuse_because},
    platform::Measured,
    seal::Kind,
};

/// Most announced successors; the oldest makes room.
const MAX_UPGRADES: usize = 16;

/// An announced successor, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upgrade {
    release: String,
    epoch: u32,
    /// SHA-256 of the manifest's signed body.
    manifest: Hash32,
    announced_at: u64,
}

/// A successor that may have the root key now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// What it measures: image and configuration together.
    pub measured: Measured,
    /// Its epoch: never below this enclave's own.
    pub epoch: u32,
}

impl<S: RecordStore> Enclave<S> {
    /// Notes a successor; its delay begins. Announcing it again changes nothing.
    pub(crate) async fn announce(&self, manifest: &[u8]) -> Result<(), Error> {
        let (release, _) = self.successor(manifest)?;
        let now = self.platform.now();
        if UnixMillis(now) > release.manifest().not_after {
            return Err(refused("The release is over."));
        }
        let mut kept: Kept<Upgrade> = self.read_kept(Kind::Upgrades).await?;
        let hash = release.hash();
        if kept.content.iter().any(|known| known.manifest == hash) {
            return Ok(());
        }
        let own = self.platform.epoch();
        kept.content.retain(|known| known.epoch >= own);
        while kept.content.len() >= MAX_UPGRADES {
            kept.content.remove(0);
        }
        let epoch = release.manifest().epoch;
        kept.content.push(Upgrade {
            release: release.manifest().release.clone(),
            epoch,
            manifest: hash,
            announced_at: now,
        });
        match self.write_kept(Kind::Upgrades, &kept).await? {
            Written::Done => {
                let event = EnclaveEvent::UpgradeAnnounced { epoch };
                self.platform.record(event);
                Ok(())
            }
            Written::Conflict => Err(refuse(ErrorCode::Conflict)),
        }
    }

    /// Whether the root key may go to the image that a manifest names, now: signed by the release
    /// keys of this enclave's configuration, for image and configuration together, of no lower
    /// epoch, valid, announced, and the delay over.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ManifestRefused`] with the reason, or what the store's answer gives.
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
        let kept: Kept<Upgrade> = self.read_kept(Kind::Upgrades).await?;
        let hash = release.hash();
        let known = kept.content.iter().find(|known| known.manifest == hash);
        let known = known.ok_or_else(|| refused("The successor was not announced."))?;
        if now < self.allowed_from(known) {
            return Err(refused("The successor's delay is not over."));
        }
        Ok(successor)
    }

    /// Reads a manifest and holds it to this enclave, whatever the time.
    fn successor(&self, manifest: &[u8]) -> Result<(Release, Successor), Error> {
        let keys = self.platform.configuration().release_keys();
        let keys = keys.ok_or_else(|| refused("The configuration names no release keys."))?;
        let keys = ReleaseKeys::new(keys.threshold(), keys.keys().to_vec())
            .map_err(|error| refused_because(&error))?;
        let release = release::signed(manifest, &keys).map_err(|error| refused_because(&error))?;
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
        let epoch = release.manifest().epoch;
        Ok((release, Successor { measured, epoch }))
    }

    /// From when on the root key is handed to a successor, by this enclave's own configuration.
    fn allowed_from(&self, known: &Upgrade) -> u64 {
        let delay = self.platform.configuration().upgrade_delay_seconds();
        known
            .announced_at
            .saturating_add(delay.saturating_mul(1000))
    }

    pub(super) fn upgrade_status(&self, known: &Upgrade) -> UpgradeStatus {
        UpgradeStatus {
            release: known.release.clone(),
            epoch: known.epoch,
            manifest: known.manifest,
            announced_at: known.announced_at,
            allowed_from: self.allowed_from(known),
        }
    }
}

fn refused(message: &'static str) -> Error {
    refuse_because(ErrorCode::ManifestRefused, message)
}

fn refused_because(error: &dyn core::fmt::Display) -> Error {
    refuse_because(ErrorCode::ManifestRefused, format!("Refused: {error}."))
}
