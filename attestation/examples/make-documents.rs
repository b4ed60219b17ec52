//! Makes the stored documents in `tests/data/documents` and the seeds of the fuzz target
//! `document`, under a new root:
//!
//! `cargo run -p openkey-attestation --example make-documents`
//!
//! Stored, because a document that was accepted once must be accepted by later versions too, and
//! because a fuzzer can't make signatures.
// A development tool: it stops at the first surprise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use openkey_attestation::Pcrs;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Drafts, Enclave, MODULE_ID, PCRS, SIMULATOR_ID};

static ZERO: [u8; 48] = [0; 48];

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stored = here.join("tests/data/documents");
    let seeds = here.join("../fuzz/corpus/document");

    // One root for both, two leaves: the simulator's has another name.
    let keys: Vec<KeyPair> = (0..5)
        .map(|_| KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap())
        .collect();
    let hardware = Drafts::of(MODULE_ID).issue_with(&keys);
    let simulator = Enclave {
        module_id: SIMULATOR_ID.into(),
        leaf: Drafts::of(SIMULATOR_ID).issue_with(&keys).leaf,
        ..hardware.clone()
    };
    fs::write(stored.join("root.der"), &hardware.bundle[0]).unwrap();

    for (name, document) in documents(&hardware, &simulator) {
        fs::write(stored.join(format!("{name}.bin")), &document).unwrap();
        fs::write(seeds.join(name), document).unwrap();
    }
    let shapes = fs::read_to_string(here.join("tests/data/shapes.txt")).unwrap();
    for line in shapes.lines().filter(|line| !line.starts_with('#')) {
        let [name, _, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let bytes = hex::decode(hex.trim_matches('-')).unwrap();
        // Long seeds slow a fuzzer down and show it nothing that short ones do not.
        if bytes.len() <= 1_024 {
            fs::write(seeds.join(name), bytes).unwrap();
        }
    }
}

fn documents(hardware: &Enclave, simulator: &Enclave) -> Vec<(&'static str, Vec<u8>)> {
    let payload = hardware.payload().encode().unwrap();
    let definite = [&[0xa9], &payload[1..payload.len() - 1]].concat();
    vec![
        ("production", hardware.document()),
        ("production-definite", hardware.sign_raw(&definite)),
        (
            "production-tagged",
            [&[0xd2], &hardware.document()[..]].concat(),
        ),
        (
            "production-full",
            hardware.document_with(|p| {
                p.public_key = Some(&[0x5a; 1024]);
                p.user_data = Some(&[0x5b; 1024]);
                p.nonce = Some(&[0x5c; 1024]);
            }),
        ),
        (
            "production-empty-fields",
            hardware.document_with(|p| {
                p.public_key = Some(b"");
                p.user_data = Some(b"");
                p.nonce = Some(b"");
            }),
        ),
        (
            "production-17-pcrs",
            hardware.document_with(|p| assert!(p.pcrs.insert(16, &PCRS[0]))),
        ),
        (
            "debug",
            hardware.document_with(|p| {
                p.pcrs = Pcrs::new();
                for index in 0..16 {
                    let value = if index == 4 { &PCRS[4] } else { &ZERO };
                    assert!(p.pcrs.insert(index, value));
                }
            }),
        ),
        ("simulator", simulator.document()),
    ]
}
