//! Measurements against vectors made by other programs.

// Tests may fail by panicking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use openkey_image::{
    build::{COMMAND_LINE, assemble},
    eif::Image,
    pcr::Measurements,
};

/// `(head -c 48 /dev/zero; printf X | sha384sum | xxd -r -p) | sha384sum`, with X the parts in a row.
#[test]
fn p3_measurements_are_what_sha384sum_computes() {
    let measured = Measurements::of(b"kernel", b"command line", &[b"bootstrap", b"application"]);
    let [pcr0, pcr1, pcr2] = measured.indexed().map(|(_, pcr)| hex::encode(pcr));
    assert_eq!(
        pcr0,
        "0959ec9250c8a50ad9d27d45439c19d80bae38ae9158f72db7a236379d6d348577af8a3a7529ef06fde0e571f79f7eb8"
    );
    assert_eq!(
        pcr1,
        "c623ec26f25604cef4516080f52f92705edaf1c0c5937bc0755a5e81e8a2773b602725f96c7ca7ca7a969259b6ed73dc"
    );
    assert_eq!(
        pcr2,
        "8a45599e5e77b24c4b6472869c24e10490c4d5df715fbd0811fc4b33d370276cf00bb24871d3a1987587d6b9283d4f42"
    );
}

#[test]
fn without_an_application_ramdisk_pcr2_is_the_known_constant() {
    let measured = Measurements::of(b"kernel", b"line", &[b"everything"]);
    assert!(hex::encode(measured.pcr2).starts_with("21b9efbc184807662e966d34f390821309eeac68"));
    assert_eq!(measured.pcr0, measured.pcr1);
}

#[test]
fn p3_each_part_is_measured_where_it_belongs() {
    let image = assemble(b"kernel".to_vec(), b"program").unwrap();
    let before = image.measurements();
    let change = |how: fn(&mut Image)| {
        let mut image = image.clone();
        how(&mut image);
        let after = image.measurements();
        [
            after.pcr0 != before.pcr0,
            after.pcr1 != before.pcr1,
            after.pcr2 != before.pcr2,
        ]
    };
    assert_eq!(change(|i| i.kernel.push(0)), [true, true, false]);
    assert_eq!(change(|i| i.command_line.push(' ')), [true, true, false]);
    assert_eq!(change(|i| i.ramdisks[0].push(0)), [true, true, false]);
    assert_eq!(change(|i| i.ramdisks[1].push(0)), [true, false, true]);
    assert_eq!(
        change(|i| i.metadata = b"{\"x\":1}".to_vec()),
        [false, false, false]
    );
}

#[test]
fn p3_the_same_parts_give_the_same_bytes_and_a_changed_program_only_pcr0_and_pcr2() {
    let make = |program: &[u8]| assemble(b"kernel".to_vec(), program).unwrap();
    let (one, other) = (make(b"program"), make(b"another"));
    assert_eq!(one.encode().unwrap(), make(b"program").encode().unwrap());
    let (one, other) = (one.measurements(), other.measurements());
    assert_ne!(one.pcr0, other.pcr0);
    assert_eq!(one.pcr1, other.pcr1);
    assert_ne!(one.pcr2, other.pcr2);
}

#[test]
fn the_command_line_is_awss_and_silent() {
    let aws = "reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux \
               i8042.nopnp i8042.dumbkbd random.trust_cpu=on";
    assert_eq!(COMMAND_LINE.strip_prefix(aws).unwrap(), " quiet loglevel=0");
}
