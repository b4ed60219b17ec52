//! What a policy must say before anything secret is given under it.
//!
//! A policy for looking may be lax; under one for giving, every document that passes must be of a
//! program that was named, in a configuration that was named, that the host cannot look into.

use openkey_attestation::{Measurements, Pcr, Policy};
use openkey_verifier::{
    command::{Accept, AcceptArgs, When, source},
    configuration::CONFIGURATION_PCR,
};

use crate::stop::Stop;

/// The policy that the flags name, for giving `what` away.
///
/// # Errors
///
/// What the flags or files say wrong, or that they accept too much: `configuration_missing`,
/// `code_missing`, `debug_allowed`. Nothing has been sent then.
pub(super) fn resolve(args: &AcceptArgs, what: &str) -> Result<Accept, Stop> {
    if args.is_lax() {
        return Err(Stop::failed(
            "configuration_missing",
            format!("{what} is not given to an enclave of any image or configuration"),
        ));
    }
    let accept = args.resolve(When::At(source::now()?))?;
    check(&accept.policy, what)?;
    Ok(accept)
}

fn check(policy: &Policy, what: &str) -> Result<(), Stop> {
    if policy.accepts_debug() {
        return Err(Stop::failed(
            "debug_allowed",
            format!(
                "{what} is not given to an enclave in debug mode, whose memory the host can read: \
                 remove \"allow_debug\" from the policy"
            ),
        ));
    }
    let sets = policy.measurements().unwrap_or_default();
    if sets.is_empty() || !sets.iter().all(names_code) {
        return Err(Stop::failed(
            "code_missing",
            format!(
                "{what} is given to a program that every measurement set of the policy names: by \
                 PCR0, or by PCR1 and PCR2 together"
            ),
        ));
    }
    if !sets.iter().all(|set| names(set, CONFIGURATION_PCR)) {
        return Err(Stop::failed(
            "configuration_missing",
            format!(
                "{what} is given to an enclave whose configuration every measurement set of the \
                 policy names: say which with --configuration"
            ),
        ));
    }
    Ok(())
}

/// Whether a set names a register. One of zeros names nothing: that is what it holds before
/// anything is measured into it, and in debug mode.
fn names(set: &Measurements, index: u8) -> bool {
    const EMPTY: Pcr = Pcr([0; 48]);
    set.get(index).is_some_and(|value| *value != EMPTY)
}

/// The image (PCR0) holds kernel and application; without it both must be named.
fn names_code(set: &Measurements) -> bool {
    names(set, 0) || (names(set, 1) && names(set, 2))
}
