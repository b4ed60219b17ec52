//! The making of a deployment's root key.

use openkey_protocol::{
    cbor,
    message::{
        Bytes, EnclaveEvent, Error, ErrorCode, GENESIS_INFO, Genesis, GenesisTranscript,
        ROOT_DESCRIPTOR_VERSION, RootDescriptor, Sealed, WrappedRoot,
    },
};
use sha2::{Digest, Sha256};

use super::{
    Descriptor, RootKey, Waiting,
    descriptor::{commitment, share_commitment},
    shares::{self, Share},
};
use crate::{
    configuration::Operators,
    errors::{internal, refuse, refuse_because},
    hybrid,
    platform::Platform,
};

/// Makes a root key, shares it among the operators, and forgets it. Nothing leaves before every
/// share was used to make the key again.
pub(super) async fn hold(
    waiting: &Waiting,
    platform: &Platform,
    operators: &Operators,
    nonce: Bytes,
) -> Result<Genesis, Error> {
    let failed = |error| platform.nsm_failed(error);
    let root = RootKey::new(&*platform.entropy.secret().await.map_err(failed)?);
    if root.is_trivial() {
        return Err(refuse(ErrorCode::Internal));
    }
    let mut rng = platform.entropy.rng().await.map_err(failed)?;
    let threshold = usize::try_from(operators.threshold()).map_err(internal)?;
    let shares = shares::split(&root, threshold, operators.keys().len(), &mut rng)
        .ok_or_else(|| refuse(ErrorCode::Internal))?;
    let descriptor = describe(platform, operators, &root, &shares)?;

    let info = hybrid::info(GENESIS_INFO, &[&descriptor.id().0]);
    let sealed: Result<Vec<Sealed>, _> = operators
        .keys()
        .zip(&shares)
        .map(|(operator, share)| {
            hybrid::seal(&operator.encryption, &info, share.as_slice(), &mut rng)
        })
        .collect();
    let wrapped = wrap(waiting, platform, &root, &descriptor).await?;
    let transcript = GenesisTranscript {
        descriptor: descriptor.bytes().into(),
        root_id: descriptor.id(),
        shares: sealed.map_err(internal)?,
        wrapped,
        nonce,
    };
    let transcript = platform.identity.sign(&transcript).map_err(internal)?;
    let hash = Sha256::digest(transcript.body.as_slice()).to_vec();
    let document = platform.evidence(hash, None).await?.into();
    platform.record(EnclaveEvent::Genesis);
    Ok(Genesis {
        transcript,
        document,
    })
}

fn describe(
    platform: &Platform,
    operators: &Operators,
    root: &RootKey,
    shares: &[Share],
) -> Result<Descriptor, Error> {
    let content = RootDescriptor {
        version: ROOT_DESCRIPTOR_VERSION,
        commitment: commitment(root),
        threshold: operators.threshold(),
        operators: operators.keys().cloned().collect(),
        shares: (1..)
            .zip(shares)
            .map(|(index, share)| share_commitment(index, share.as_slice()))
            .collect(),
        epoch: platform.epoch(),
        created_at: platform.now(),
    };
    let descriptor = Descriptor::new(content).ok_or_else(|| refuse(ErrorCode::Internal))?;
    // What later boots will accept must be what was made now.
    let read = Descriptor::read(
        Some(descriptor.bytes()),
        &descriptor.id(),
        platform.configuration(),
        platform.epoch(),
    );
    if read.as_ref() != Ok(&descriptor) {
        return Err(refuse(ErrorCode::Internal));
    }
    debug_assert!(cbor::encode(descriptor.content()).is_ok());
    Ok(descriptor)
}

/// Lets every configured source wrap the key; only KMS does.
async fn wrap(
    waiting: &Waiting,
    platform: &Platform,
    root: &RootKey,
    descriptor: &Descriptor,
) -> Result<Option<WrappedRoot>, Error> {
    for source in waiting.configured(platform) {
        let wrapped = source.wrap(platform, root, descriptor).await;
        let wrapped = wrapped.map_err(|error| {
            refuse_because(
                ErrorCode::Unavailable,
                format!("The new root key could not be wrapped: {error}"),
            )
        })?;
        if wrapped.is_some() {
            return Ok(wrapped);
        }
    }
    Ok(None)
}
