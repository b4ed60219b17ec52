//! What the booted image measures is what was published, and nothing else passes.

use std::fs;

use openkey_image::eif::HEADER;
use openkey_simulator::dir::RootKind;
use openkey_simulator::simulation::{Options, Simulation, SimulationError};
use openkey_tests::{program, provisioned, said, start, template, verify};

use crate::image;

#[test]
fn p3_the_registers_inside_equal_the_published_ones() {
    let image = image();
    let simulation = provisioned(RootKind::Operators, |it| it);
    let evidence = simulation.site().unwrap().evidence().unwrap();
    let published = [
        (0, image.measurement.pcr0),
        (1, image.measurement.pcr1),
        (2, image.measurement.pcr2),
    ];
    let claims = evidence.claims();
    for (index, published) in published {
        assert_eq!(claims.pcrs.get(index).unwrap().0, published, "PCR{index}");
    }
    assert!(claims.module_id.starts_with("sim-"), "{}", claims.module_id);
    assert_eq!(evidence.binding().epoch, image.epoch);
    // every register is locked: documents show all of them
    for index in 0..32 {
        assert!(claims.pcrs.get(index).is_some(), "PCR{index} is not locked");
    }
}

#[test]
fn from_nothing_to_a_signature() {
    let simulation = start(Options::new(program("openkey-sim")).image(image().dir())).unwrap();
    assert!(simulation.ready.root_id.is_some());
    let mut ada = simulation.person().unwrap();
    let receipt = ada.sign_up("Ada").unwrap().receipt;
    let signed = ada.sign_text("from a virtual machine").unwrap();
    assert_eq!(signed.address, receipt.keys[0].address);
    // clients that compare measurements, and clients that go by what the maintainers signed
    let by_measurement = simulation.policy().to_str().unwrap();
    let by_release = release_policy(&simulation);
    for policy in [by_measurement, &by_release] {
        let output = verify(&["host", simulation.page(), "--policy", policy]);
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// Accepts what the maintainers released, and nothing else.
fn release_policy(simulation: &Simulation) -> String {
    let policy = simulation.ready.release_policy.as_ref().unwrap();
    policy.to_str().unwrap().to_owned()
}

#[test]
fn e7_the_genuine_image_with_another_configuration_is_not_the_release() {
    let (_temporary, dir) = template::copy(RootKind::Operators);
    let mut configuration: serde_json::Value =
        serde_json::from_slice(&dir.kept().unwrap().unwrap().configuration_json()).unwrap();
    configuration["rp_name"] = "somebody else's".into();
    fs::write(dir.other_configuration(1), configuration.to_string()).unwrap();
    let options = Options::new(program("openkey-sim")).dir(dir.path());
    let simulation = start(options.no_operators()).unwrap();
    simulation.status(1).unwrap();
    let policy = release_policy(&simulation);
    let output = verify(&["host", simulation.page(), "--policy", &policy]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("PCR16"), "{}", said(&output));
}

#[test]
fn e7_an_image_that_differs_by_one_byte_is_refused() {
    let (_temporary, dir) = template::copy(RootKind::Operators);
    let kept = dir.kept().unwrap().unwrap().image.unwrap();
    let eif = kept.dir(&dir).join("enclave.eif");
    let mut bytes = fs::read(&eif).unwrap();
    // the kernel's command line: a panic is waited for a second longer, and the image still boots
    let at = bytes
        .windows(6)
        .position(|window| window == b"panic=")
        .expect("a command line with panic=");
    let digit = &mut bytes[at + 6];
    assert!(digit.is_ascii_digit());
    *digit = if *digit == b'9' { b'1' } else { *digit + 1 };
    reseal(&mut bytes);
    fs::write(&eif, bytes).unwrap();

    let options = Options::new(program("openkey-sim")).dir(dir.path());
    let simulation = start(options.no_operators()).unwrap();
    simulation.status(1).unwrap();
    let policy = simulation.policy().to_str().unwrap();
    for policy in [policy, &release_policy(&simulation)] {
        let output = verify(&["host", simulation.page(), "--policy", policy]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("PCR0"), "{}", said(&output));
    }
    // no operator gives it a share
    let policy = fs::read(policy).unwrap();
    match simulation.post_share(1, 0, &policy) {
        Err(SimulationError::Staff(error)) => {
            assert!(error.to_string().contains("PCR0"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// Puts the checksum of an image file right, which ends the header.
fn reseal(file: &mut [u8]) {
    let (header, body) = file.split_at_mut(HEADER);
    let (header, field) = header.split_at_mut(HEADER - 4);
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(header);
    checksum.update(body);
    field.copy_from_slice(&checksum.finalize().to_be_bytes());
}
