//! What every NSM must do, real or simulated: run it on one that has just been started.

use openkey_attestation::Document;
use sha2::{Digest, Sha384};

use super::{
    MAX_RANDOM, Nsm, NsmDescription, NsmError, NsmRequest, NsmResponse, PCR_LEN, PCRS, PcrDigest,
};

/// The first register that software may extend; those below are measured and locked at boot.
const FIRST_FREE: u16 = 16;

/// A rule that an NSM breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("NSM conformance: {rule}")]
pub struct Failure {
    /// What it should have done.
    pub rule: &'static str,
}

fn hold(holds: bool, rule: &'static str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure { rule }) }
}

fn describe(nsm: &dyn Nsm) -> Result<NsmDescription, Failure> {
    match nsm.call(NsmRequest::Describe) {
        Ok(NsmResponse::Description(description)) => Ok(description),
        _ => Err(Failure {
            rule: "describes itself",
        }),
    }
}

fn random(nsm: &dyn Nsm) -> Result<Vec<u8>, Failure> {
    match nsm.call(NsmRequest::Random) {
        Ok(NsmResponse::Random(bytes)) => Ok(bytes.as_slice().to_vec()),
        _ => Err(Failure {
            rule: "gives random bytes",
        }),
    }
}

fn extend(nsm: &dyn Nsm, index: u16, data: &[u8]) -> Result<NsmResponse, NsmError> {
    nsm.call(NsmRequest::ExtendPcr {
        index,
        data: data.to_vec(),
    })
}

fn extended(old: &[u8], data: &[u8]) -> Vec<u8> {
    Sha384::new()
        .chain_update(old)
        .chain_update(data)
        .finalize()
        .to_vec()
}

/// Checks a fresh NSM: description, entropy, register rules and documents. Leaves register 16
/// extended and locked.
///
/// # Errors
///
/// The first [`Failure`].
pub fn check(nsm: &dyn Nsm) -> Result<(), Failure> {
    let description = describe(nsm)?;
    hold(description.max_pcrs == PCRS, "has 32 registers")?;
    hold(
        description.digest == PcrDigest::Sha384,
        "extends by SHA-384",
    )?;
    hold(!description.module_id.is_empty(), "names its module")?;
    hold(
        (0..FIRST_FREE).all(|index| description.locked_pcrs.contains(&index)),
        "locks registers 0 to 15 before software runs",
    )?;
    hold(
        !description.locked_pcrs.contains(&FIRST_FREE),
        "leaves register 16 to software",
    )?;
    let first = random(nsm)?;
    let second = random(nsm)?;
    hold(
        first.len() >= 32 && first.len() <= MAX_RANDOM,
        "gives 32 to 256 random bytes at once",
    )?;
    hold(first != second, "never repeats random bytes")?;
    registers(nsm)?;
    documents(nsm, &description.module_id)
}

/// Leaves register 16 extended by `one` and nothing, and locked.
fn registers(nsm: &dyn Nsm) -> Result<(), Failure> {
    for index in 0..FIRST_FREE {
        hold(
            extend(nsm, index, b"x") == Err(NsmError::ReadOnlyIndex),
            "refuses to extend a measured register",
        )?;
    }
    hold(
        extend(nsm, PCRS, b"x") == Err(NsmError::InvalidIndex),
        "refuses to extend register 32",
    )?;
    hold(
        nsm.call(NsmRequest::LockPcr { index: PCRS }) == Err(NsmError::InvalidIndex),
        "refuses to lock register 32",
    )?;
    let one = extended(&[0; PCR_LEN], b"one");
    hold(
        extend(nsm, FIRST_FREE, b"one") == Ok(NsmResponse::Extended(one.clone())),
        "extends register 16 from zeros by the raw data",
    )?;
    let two = extended(&one, b"");
    hold(
        extend(nsm, FIRST_FREE, b"") == Ok(NsmResponse::Extended(two)),
        "extends by no data",
    )?;
    let lock = NsmRequest::LockPcr { index: FIRST_FREE };
    hold(
        nsm.call(lock.clone()) == Ok(NsmResponse::Locked),
        "locks register 16",
    )?;
    hold(
        nsm.call(lock) == Err(NsmError::ReadOnlyIndex),
        "refuses to lock a register twice",
    )?;
    hold(
        extend(nsm, FIRST_FREE, b"x") == Err(NsmError::ReadOnlyIndex),
        "refuses to extend a locked register",
    )?;
    hold(
        describe(nsm)?.locked_pcrs.contains(&FIRST_FREE),
        "lists register 16 as locked",
    )
}

/// Runs after [`registers`].
fn documents(nsm: &dyn Nsm, module_id: &str) -> Result<(), Failure> {
    let ask = |nonce: &[u8]| {
        let request = NsmRequest::Attest {
            nonce: Some(nonce.to_vec()),
            user_data: Some(b"user data".to_vec()),
            public_key: None,
        };
        match nsm.call(request) {
            Ok(NsmResponse::Document(document)) => Ok(document),
            _ => Err(Failure {
                rule: "signs documents",
            }),
        }
    };
    let bytes = ask(b"nonce one")?;
    let document = Document::parse(&bytes).map_err(|_| Failure {
        rule: "signs documents of the specified shape",
    })?;
    let payload = document.payload();
    hold(
        payload.nonce == Some(b"nonce one"),
        "signs the nonce it was given",
    )?;
    hold(
        payload.user_data == Some(b"user data"),
        "signs the user data it was given",
    )?;
    hold(
        payload.public_key.is_none_or(<[u8]>::is_empty),
        "signs no key it was not given",
    )?;
    hold(payload.module_id == module_id, "signs its module id")?;
    let one = extended(&extended(&[0; PCR_LEN], b"one"), b"");
    let locked = u8::try_from(FIRST_FREE).ok();
    hold(
        locked
            .and_then(|index| payload.pcrs.get(index))
            .is_some_and(|value| value[..] == one[..]),
        "signs the registers that are locked",
    )?;
    hold(
        payload.pcrs.get(17).is_none(),
        "signs no register that is not locked",
    )?;
    hold(ask(b"nonce two")? != bytes, "signs each request anew")
}
