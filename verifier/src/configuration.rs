//! Register 16: the measured run-time configuration of an enclave.

use openkey_attestation::{Measurements, Pcr};
use openkey_protocol::message::Hash32;
use sha2::{Digest, Sha384};

/// The register that holds the configuration's hash.
pub const CONFIGURATION_PCR: u8 = 16;

/// What register 16 holds in an enclave whose configuration has this hash, extended once from
/// zeros as the NSM does: SHA-384(48 zero bytes ‖ hash).
#[must_use]
pub fn pcr(configuration: Hash32) -> Pcr {
    let zero = Pcr::ZERO;
    Pcr(Sha384::new()
        .chain_update(zero.0)
        .chain_update(configuration.0)
        .finalize()
        .into())
}

/// A set with register 16 for this configuration, in place of any it had.
#[must_use]
pub fn with(set: &Measurements, configuration: Hash32) -> Measurements {
    let others = set
        .iter()
        .filter(|(index, _)| *index != CONFIGURATION_PCR)
        .map(|(index, pcr)| (index, *pcr));
    let all = others.chain([(CONFIGURATION_PCR, pcr(configuration))]);
    // Indices of a set are different and below 32, and 16 is not among them twice.
    Measurements::new(all).unwrap_or_else(|_| set.clone())
}
