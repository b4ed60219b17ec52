//! Measuring the configuration, and making sure that nothing is measured afterwards.

use openkey_attestation::{Document, Pcr};

use super::Measured;
use crate::{
    boot::BootError,
    configuration::{CONFIGURATION_PCR, Configuration},
    nsm::{NsmDescription, NsmError, NsmHandle, NsmRequest, NsmResponse, PCRS, PcrDigest},
};

/// The registers below this are the platform's, and locked before the enclave runs.
const PLATFORM_PCRS: u16 = 16;

pub(super) fn check_shape(description: &NsmDescription) -> Result<(), BootError> {
    let platform = (0..PLATFORM_PCRS).all(|index| description.locked_pcrs.contains(&index));
    if description.max_pcrs != PCRS || description.digest != PcrDigest::Sha384 || !platform {
        return Err(BootError::NsmShape);
    }
    Ok(())
}

/// Extends register 16 by the configuration's hash and locks it, and checks that both happened and
/// that nobody had extended it before.
pub(super) async fn measure(
    nsm: &NsmHandle,
    configuration: &Configuration,
) -> Result<(), BootError> {
    let extend = NsmRequest::ExtendPcr {
        index: CONFIGURATION_PCR,
        data: configuration.hash().0.to_vec(),
    };
    let extended = nsm.call(extend).await.map_err(measurement)?;
    if extended != NsmResponse::Extended(configuration.pcr().to_vec()) {
        return Err(BootError::Measurement);
    }
    lock(nsm, CONFIGURATION_PCR).await
}

/// Locks every register that is not: a document of this boot never says anything else. Checks it.
pub(super) async fn lock_all(nsm: &NsmHandle) -> Result<(), BootError> {
    let locked = nsm.describe().await?.locked_pcrs;
    if !locked.contains(&CONFIGURATION_PCR) {
        return Err(BootError::Measurement);
    }
    for index in (0..PCRS).filter(|index| !locked.contains(index)) {
        lock(nsm, index).await?;
    }
    let locked = nsm.describe().await?.locked_pcrs;
    if (0..PCRS).all(|index| locked.contains(&index)) {
        Ok(())
    } else {
        Err(BootError::Measurement)
    }
}

/// What the enclave is, by its own document: all registers are in it, and register 16 is the
/// configuration's.
pub(super) async fn own(
    nsm: &NsmHandle,
    configuration: &Configuration,
) -> Result<Measured, BootError> {
    let request = NsmRequest::Attest {
        nonce: None,
        user_data: None,
        public_key: None,
    };
    let NsmResponse::Document(document) = nsm.call(request).await? else {
        return Err(BootError::Nsm(NsmError::UnexpectedResponse));
    };
    let document =
        Document::parse(&document).map_err(|_| BootError::Nsm(NsmError::UnexpectedResponse))?;
    let pcrs = &document.payload().pcrs;
    let pcr = |index: u8| {
        let value = pcrs.get(index).copied();
        value.map(Pcr).ok_or(BootError::NsmShape)
    };
    let all = (0..PCRS).all(|index| u8::try_from(index).is_ok_and(|index| pcr(index).is_ok()));
    let measured = Measured {
        image: [pcr(0)?, pcr(1)?, pcr(2)?],
        configuration: pcr(16)?,
    };
    if !all || measured.configuration.0 != configuration.pcr() {
        return Err(BootError::Measurement);
    }
    Ok(measured)
}

async fn lock(nsm: &NsmHandle, index: u16) -> Result<(), BootError> {
    match nsm.call(NsmRequest::LockPcr { index }).await {
        Ok(NsmResponse::Locked) => Ok(()),
        Ok(_) => Err(BootError::Measurement),
        Err(error) => Err(measurement(error)),
    }
}

const fn measurement(error: NsmError) -> BootError {
    match error {
        NsmError::ReadOnlyIndex | NsmError::InvalidIndex | NsmError::InvalidOperation => {
            BootError::Measurement
        }
        other => BootError::Nsm(other),
    }
}
