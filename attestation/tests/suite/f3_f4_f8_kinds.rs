//! F3: debug mode. F4: NitroTPM. F8: simulators.

use openkey_attestation::{
    Malformed, Measurements, ModuleKind, Pcr, Pcrs, Policy, Refusal, Roots, Verifier,
};

use crate::common::{Drafts, Enclave, NOW, PCRS, SIMULATOR_ID, nonce, policy};

static ZERO: [u8; 48] = [0; 48];

/// PCRs of debug mode: 0 to 2 are zero, the instance's own is not.
fn debug_pcrs() -> Pcrs<'static> {
    let mut pcrs = Pcrs::new();
    for index in 0..16 {
        assert!(pcrs.insert(index, if index == 4 { &PCRS[4] } else { &ZERO }));
    }
    pcrs
}

#[test]
fn f3_debug_mode_is_refused() {
    let enclave = Enclave::hardware();
    let verifier = enclave.verifier();
    let document = enclave.document_with(|p| p.pcrs = debug_pcrs());
    let any = Policy::any_measurement();
    let zeros = Measurements::new((0..=2).map(|i| (i, Pcr::ZERO))).unwrap();
    let zeros = Policy::one_of([zeros]).unwrap();
    for policy in [&any, &zeros, &policy()] {
        assert_eq!(
            verifier.fresh(&document, policy, &nonce(), NOW),
            Err(Refusal::DebugMode)
        );
        assert_eq!(
            verifier.archival(&document, policy, None),
            Err(Refusal::DebugMode)
        );
    }
}

#[test]
fn f3_debug_mode_is_accepted_when_allowed_and_said() {
    let enclave = Enclave::hardware();
    let verifier = enclave.verifier();
    let document = enclave.document_with(|p| p.pcrs = debug_pcrs());
    let any = Policy::any_measurement().allow_debug(true);
    let fresh = verifier.fresh(&document, &any, &nonce(), NOW).unwrap();
    assert!(fresh.claims().debug);
    // Allowing it does not lift the measurements.
    assert!(matches!(
        verifier.fresh(&document, &policy().allow_debug(true), &nonce(), NOW),
        Err(Refusal::Measurements { .. })
    ));
    let production = verifier
        .fresh(&enclave.document(), &any, &nonce(), NOW)
        .unwrap();
    assert!(!production.claims().debug);
}

/// Leaving the PCRs out hides nothing.
#[test]
fn f3_absent_pcrs_count_as_zero() {
    let enclave = Enclave::hardware();
    let document = enclave.document_with(|p| {
        p.pcrs = Pcrs::new();
        assert!(p.pcrs.insert(4, &PCRS[4]));
    });
    assert_eq!(
        enclave
            .verifier()
            .fresh(&document, &Policy::any_measurement(), &nonce(), NOW),
        Err(Refusal::DebugMode)
    );
}

#[test]
fn f4_a_nitrotpm_is_not_an_enclave() {
    let id = "i-0123456789abcdef0-tpm0000000000000000";
    // By its name, in documents that are signed and chained as they should be.
    let enclave = Drafts::of(id).issue();
    let tpm = |payload: &[u8]| {
        enclave
            .verifier()
            .archival(&enclave.sign_raw(payload), &Policy::any_measurement(), None)
    };
    let good = enclave.payload().encode().unwrap();
    assert!(tpm(&good).is_err(), "the name is of another module");
    let named = replace(&good, enclave.module_id.as_bytes(), id.as_bytes());
    assert_eq!(tpm(&named), Err(Refusal::Malformed(Malformed::NitroTpm)));
    // By its PCR bank, under the name of an enclave: beside the other bank, or instead of it.
    let bank = replace(&good, b"\x64pcrs", b"\x6dnitrotpm_pcrs");
    assert_eq!(tpm(&bank), Err(Refusal::Malformed(Malformed::NitroTpm)));
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn f8_simulator_evidence_is_refused_by_policies_for_hardware() {
    let enclave = Enclave::simulator();
    let document = enclave.document();
    for policy in [policy(), Policy::any_measurement().allow_debug(true)] {
        // Under the AWS root, and also when somebody pinned the simulator's.
        for roots in [Roots::aws(), enclave.roots()] {
            let verifier = Verifier::new(roots);
            assert_eq!(
                verifier.fresh(&document, &policy, &nonce(), NOW),
                Err(Refusal::Simulator)
            );
            assert_eq!(
                verifier.archival(&document, &policy, None),
                Err(Refusal::Simulator)
            );
        }
    }
}

#[test]
fn f8_hardware_evidence_is_refused_by_policies_for_the_simulator() {
    let enclave = Enclave::hardware();
    for roots in [Roots::aws(), enclave.roots()] {
        assert_eq!(
            Verifier::new(roots).fresh(
                &enclave.document(),
                &policy().simulator(true),
                &nonce(),
                NOW
            ),
            Err(Refusal::NotSimulator)
        );
    }
}

#[test]
fn f8_simulator_evidence_is_accepted_where_it_is_asked_for() {
    let enclave = Enclave::simulator();
    let policy = policy().simulator(true);
    let fresh = enclave
        .verifier()
        .fresh(&enclave.document(), &policy, &nonce(), NOW)
        .unwrap();
    assert!(fresh.claims().simulator);
    assert_eq!(fresh.claims().module_id, SIMULATOR_ID);
    // The root still counts.
    assert!(
        Enclave::simulator()
            .verifier()
            .fresh(&enclave.document(), &policy, &nonce(), NOW)
            .is_err()
    );
}

/// A hardware's name on a simulator's leaf, and the reverse: the leaf's name ends differently.
#[test]
fn f8_a_module_id_cannot_change_kind() {
    let mut simulator = Enclave::simulator();
    simulator.module_id = crate::common::MODULE_ID.into();
    assert_eq!(
        simulator
            .verifier()
            .fresh(&simulator.document(), &policy(), &nonce(), NOW),
        Err(Refusal::LeafName)
    );
    assert_eq!(ModuleKind::of("sim-1"), ModuleKind::Simulator);
    for id in ["i-0-enc1", "simulated-1", "Sim-1", "xsim-1", "sim"] {
        assert_eq!(ModuleKind::of(id), ModuleKind::Hardware, "{id}");
    }
}
