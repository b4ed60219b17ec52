//! What clients read of a simulation: policies, the manifest of a release, and what the page is given.

use std::collections::BTreeMap;

use anyhow::Context;
use openkey_attestation::{Measurements, Pcr, Policy, PolicyFile, Roots};
use openkey_enclave::configuration::CONFIGURATION_PCR;
use openkey_verifier::anchor::{Anchor, Published};
use openkey_verifier::configuration::Configuration;
use serde_json::json;

use crate::ca::Authority;
use crate::dir::{Dir, Kept};
use crate::nsm::measure::Measurement;
use crate::operators::Staff;
use crate::time::now_ms;
use crate::vm::Image;

/// Writes the policy file that accepts these programs with the kept configuration, and no others.
pub(super) fn policy(dir: &Dir, kept: &Kept, programs: &[Measurement]) -> anyhow::Result<()> {
    let authority = Authority::open(&dir.ca(), now_ms())?;
    let mut sets = Vec::new();
    for program in programs {
        let registers = registers(kept, program)?;
        sets.push(Measurements::new(
            registers.map(|(index, value)| (index, Pcr(value))),
        )?);
    }
    let policy = PolicyFile {
        policy: Policy::one_of(sets)?.simulator(true),
        roots: Roots::custom([authority.root_certificate()?])?,
    };
    dir.write_text(&dir.policy(), &policy.to_json()?)?;
    Ok(())
}

/// Lets the maintainers release the image that runs: its manifest, their keys, and a policy file that
/// accepts whatever they release. There is none for processes.
pub(super) fn release(dir: &Dir, kept: &Kept, image: &Image) -> anyhow::Result<()> {
    let staff = Staff::open(&dir.operators())?;
    let manifest = staff.sign_release(image, kept.configuration()?.hash())?;
    let keys = staff.release_keys_json();
    let authority = Authority::open(&dir.ca(), now_ms())?;
    dir.write_text(&dir.manifest(), std::str::from_utf8(&manifest)?)?;
    dir.write_json(&dir.release_keys(), &keys)?;
    let manifest = dir.manifest();
    let policy = json!({
        "version": 1,
        "releases": [manifest.file_name().and_then(|name| name.to_str())],
        "release_keys": keys,
        "roots": [authority.root_pem()?],
        "root_id": kept.root_id(),
        "simulator": true,
    });
    dir.write_json(&dir.release_policy(), &policy)?;
    Ok(())
}

/// Writes what the page is given: the simulator's anchor, and the signed releases of these images, or
/// of this program where enclaves are processes.
pub(super) fn publish(dir: &Dir, kept: &Kept, images: &[&Image]) -> anyhow::Result<()> {
    let staff = Staff::open(&dir.operators())?;
    let authority = Authority::open(&dir.ca(), now_ms())?;
    let configuration = Configuration::from_json(&kept.configuration_json())?;
    let anchor = Anchor::simulator_text(
        &staff.release_keys()?,
        configuration.root_id,
        &configuration.rp_id,
        1,
        &Roots::custom([authority.root_certificate()?])?,
    )?;
    let hash = configuration.hash();
    let mut list = Published::default();
    if images.is_empty() {
        let program = Measurement::of_this_program().context("cannot measure this program")?;
        list.add_release(&staff.sign_program(&program, hash)?)?;
    }
    for image in images {
        list.add_release(&staff.sign_release(image, hash)?)?;
    }
    dir.write_text(&dir.anchor(), &anchor)?;
    dir.write_text(&dir.releases(), &list.to_json()?)?;
    Ok(())
}

/// The registers of a program with the kept configuration.
fn registers(kept: &Kept, program: &Measurement) -> anyhow::Result<[(u8, [u8; 48]); 4]> {
    let configuration = u8::try_from(CONFIGURATION_PCR)?;
    Ok([
        (0, program.pcr0),
        (1, program.pcr1),
        (2, program.pcr2),
        (configuration, kept.configuration()?.pcr()),
    ])
}

/// The same for people and programs: register to value (hex).
pub(super) fn measured(kept: &Kept, program: &Measurement) -> anyhow::Result<BTreeMap<u8, String>> {
    let registers = registers(kept, program)?.into_iter();
    Ok(registers
        .map(|(index, value)| (index, hex::encode(value)))
        .collect())
}
