//! Whether another enclave gets the root key.

use openkey_attestation::Pcr;
use openkey_protocol::{
    message::{EnclaveEvent, Error, ErrorCode, HandOver, Hash32, Key32, MAX_MANIFEST, Sealed},
    store::RecordStore,
};
use openkey_verifier::channel::Channel;

use super::info;
use crate::{
    errors::{internal, refuse_because},
    hybrid,
    platform::{Measured, Platform},
    service::{Enclave, Successor, TooLate},
};

/// Why the root key does not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandOverRefusal {
    /// The request came by another way than the channel, or without evidence.
    #[error("The root key is asked for on the attested channel, by an enclave.")]
    NotAttested,
    /// This enclave has none.
    #[error("This enclave has no root key itself.")]
    NotReady,
    /// The host connected the enclave to itself.
    #[error("This enclave asked itself.")]
    Itself,
    /// Another deployment's.
    #[error("The enclave that asks is configured for another root_id.")]
    RootId,
    /// The root key went to a successor already: it goes to no more enclaves of this image.
    #[error("The root key went to a successor; it does not go to this image any more.")]
    Superseded,
    /// Another image or configuration, and nothing that names it.
    #[error("The enclave that asks differs in {0}, and it brings no release manifest.")]
    Differs(String),
    /// The manifest is not one of this enclave's release keys, of a lower epoch, not announced,
    /// withdrawn, its delay is not over, or too few operators consented.
    #[error("The enclave that asks differs in {differs}. {reason}")]
    Manifest {
        /// The registers.
        differs: String,
        /// What is wrong with the manifest.
        reason: String,
    },
    /// The manifest names another image or configuration than the asker's.
    #[error("The release manifest names another image, configuration or epoch than the asker's.")]
    NotNamed,
    /// An operator withdrew the successor while it asked.
    #[error("An operator has just withdrawn the successor.")]
    Withdrawn,
    /// Its evidence names a key to which nothing can be sealed.
    #[error("The evidence of the enclave that asks names no key to seal anything to.")]
    BootKey,
    /// An older release.
    #[error(
        "The enclave that asks has epoch {found}; the root key does not go to a lower one than \
         {own}."
    )]
    LowerEpoch {
        /// The asker's.
        found: u32,
        /// This enclave's.
        own: u32,
    },
}

impl From<TooLate> for HandOverRefusal {
    fn from(late: TooLate) -> Self {
        match late {
            TooLate::Withdrawn => Self::Withdrawn,
            TooLate::Superseded => Self::Superseded,
        }
    }
}

/// What the giver is.
pub(crate) struct Own<'a> {
    pub(crate) measured: &'a Measured,
    pub(crate) root_id: Option<Hash32>,
    pub(crate) epoch: u32,
    pub(crate) identity: [u8; 32],
}

/// What an asker is, by its evidence. `None` if its document lacks a register.
pub(crate) fn measured(peer: &Channel) -> Option<Measured> {
    let pcr = |index| peer.claims().pcrs.get(index).copied();
    Some(Measured {
        image: [pcr(0)?, pcr(1)?, pcr(2)?],
        configuration: pcr(16)?,
    })
}

/// Decides what can be decided without a manifest. Gives the registers in which the asker differs:
/// where there are none, it is what the giver is, and gets the root key.
pub(crate) fn decide(
    own: &Own<'_>,
    peer: &Channel,
    asked: &HandOver,
) -> Result<Vec<&'static str>, HandOverRefusal> {
    let binding = peer.binding();
    if binding.identity.as_slice() == own.identity {
        return Err(HandOverRefusal::Itself);
    }
    // What the asker says and what its measured configuration says.
    let asks = [Some(asked.root_id), binding.root_id];
    if own.root_id.is_none() || asks.iter().any(|root_id| *root_id != own.root_id) {
        return Err(HandOverRefusal::RootId);
    }
    let (found, least) = (binding.epoch, own.epoch);
    if found < least {
        return Err(HandOverRefusal::LowerEpoch { found, own: least });
    }
    let theirs = |index| peer.claims().pcrs.get(index).copied();
    let [zero, one, two] = own.measured.image;
    let registers: [(&str, u8, Pcr); 4] = [
        ("PCR0", 0, zero),
        ("PCR1", 1, one),
        ("PCR2", 2, two),
        ("PCR16", 16, own.measured.configuration),
    ];
    let differs = registers
        .into_iter()
        .filter(|(_, index, own)| theirs(*index) != Some(*own));
    Ok(differs.map(|(name, ..)| name).collect())
}

/// Whether an allowed successor is exactly the asker: all four registers, and the epoch that its
/// evidence states.
pub(crate) fn is_named(successor: &Successor, peer: &Channel) -> bool {
    measured(peer) == Some(successor.measured) && successor.epoch == peer.binding().epoch
}

/// Hands the root key over, or says why not. What moves is sealed to the receiver's boot key, so
/// that only the boot that the evidence vouches for can open it.
///
/// # Errors
///
/// [`ErrorCode::HandOverRefused`] with the reason; [`ErrorCode::Unavailable`] without entropy.
pub(crate) async fn give<S: RecordStore>(
    platform: &Platform,
    enclave: Option<&Enclave<S>>,
    peer: Option<&Channel>,
    asked: &HandOver,
) -> Result<Sealed, Error> {
    let sealed = decide_and_seal(platform, enclave, peer, asked).await;
    let given = sealed.is_ok();
    platform.record(EnclaveEvent::HandedOver { given });
    sealed
}

async fn decide_and_seal<S: RecordStore>(
    platform: &Platform,
    enclave: Option<&Enclave<S>>,
    peer: Option<&Channel>,
    asked: &HandOver,
) -> Result<Sealed, Error> {
    let refused =
        |refusal: HandOverRefusal| refuse_because(ErrorCode::HandOverRefused, refusal.to_string());
    let checked = check(platform, enclave, peer, asked).await;
    let Allowed {
        enclave,
        peer,
        successor,
    } = checked.map_err(refused)?;
    let receiver = peer.binding().identity.as_slice().try_into();
    let info = info(&asked.root_id, &Key32(receiver.map_err(internal)?));
    // An enclave that can get nothing must not end this one's service.
    if !hybrid::is_sound(&peer.boot_key()) {
        return Err(refused(HandOverRefusal::BootKey));
    }
    let rng = platform.entropy.rng().await;
    let mut rng = rng.map_err(|error| platform.nsm_failed(error))?;
    // A withdrawal may have arrived while the NSM was awaited. From here to the end nothing is awaited.
    enclave
        .let_go(successor.as_ref())
        .map_err(|late| refused(late.into()))?;
    let root = enclave.root().expose();
    hybrid::seal(&peer.boot_key(), &info, root, &mut rng).map_err(internal)
}

/// A hand-over that may take place.
struct Allowed<'a, S> {
    enclave: &'a Enclave<S>,
    peer: &'a Channel,
    /// The hash of the manifest, if the asker is a successor: another image or configuration.
    successor: Option<Hash32>,
}

async fn check<'a, S: RecordStore>(
    platform: &Platform,
    enclave: Option<&'a Enclave<S>>,
    peer: Option<&'a Channel>,
    asked: &HandOver,
) -> Result<Allowed<'a, S>, HandOverRefusal> {
    let peer = peer.ok_or(HandOverRefusal::NotAttested)?;
    let enclave = enclave.ok_or(HandOverRefusal::NotReady)?;
    let own = Own {
        measured: platform.measured(),
        root_id: platform.configuration().root_id(),
        epoch: platform.epoch(),
        identity: platform.identity(),
    };
    let differs = decide(&own, peer, asked)?;
    if differs.is_empty() {
        if enclave.is_superseded() {
            return Err(HandOverRefusal::Superseded);
        }
        return Ok(Allowed {
            enclave,
            peer,
            successor: None,
        });
    }
    let differs = differs.join(", ");
    let manifest = asked.manifest.as_ref().map(|manifest| manifest.as_slice());
    let Some(manifest) = manifest.filter(|manifest| manifest.len() <= MAX_MANIFEST) else {
        return Err(HandOverRefusal::Differs(differs));
    };
    let successor = enclave.successor_allowed(manifest).await;
    let successor = successor.map_err(|error| HandOverRefusal::Manifest {
        differs,
        reason: error.message,
    })?;
    if !is_named(&successor, peer) {
        return Err(HandOverRefusal::NotNamed);
    }
    Ok(Allowed {
        enclave,
        peer,
        successor: Some(successor.manifest),
    })
}
