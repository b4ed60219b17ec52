//! Documents made by AWS hardware, through the command: the table of their README.

use std::{env, fs, path::Path};

use crate::harness::verify;

/// Fewer judged than this means that the folder is not what it should be.
const AT_LEAST: usize = 14;

enum Must {
    BeAccepted,
    /// Refused unless debug is allowed.
    BeDebug,
    BeRefused(&'static str),
    /// Refused under the AWS root, accepted under `fake-root.der`.
    HaveTheFakeRoot,
}

const TABLE: &[(&str, Must)] = &[
    ("valid_20240907_prod_72ffd835.bin", Must::BeAccepted),
    ("valid_20251110_prod_8e5652f3.bin", Must::BeAccepted),
    ("valid_20250818_debug_050f82ac.bin", Must::BeDebug),
    ("valid_20251225_prod_54ae0f97.bin", Must::BeAccepted),
    ("valid_20240917_debug_1ddb8b27.bin", Must::BeDebug),
    ("valid_20250106_prod_19b71700.bin", Must::BeAccepted),
    ("valid_20241130_prod_69d51f98.bin", Must::BeAccepted),
    ("valid_20260206_prod_1ad417fa.bin", Must::BeAccepted),
    (
        "nitrotpm_20260201_799ae6d1.bin",
        Must::BeRefused("nitrotpm_document"),
    ),
    ("mut-tag18.bin", Must::BeAccepted),
    ("mut-trailing-byte.bin", Must::BeRefused("trailing_bytes")),
    ("mut-pcr0-bit.bin", Must::BeRefused("document_signature")),
    (
        "mut-payload-definite.bin",
        Must::BeRefused("document_signature"),
    ),
    ("fake-root-ok.bin", Must::HaveTheFakeRoot),
];

#[test]
fn documents_of_hardware_get_their_verdicts() {
    let Some(folder) = env::var_os("NITRO_DOCUMENTS") else {
        println!("NOT RUN: NITRO_DOCUMENTS names no folder of real documents");
        return;
    };
    let folder = Path::new(&folder);
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for (name, must) in TABLE {
        let file = path(name);
        let judge = |more: &[&str]| {
            let args = ["document", &file, "--at", "document", "--any-measurement"];
            verify(args.iter().chain(more))
        };
        match must {
            Must::BeAccepted => {
                let json = judge(&["--json"]).accepted().json();
                // Its own PCR0 is accepted, another is not.
                let pcr0 = json["measurements"]["0"].as_str().unwrap().to_owned();
                let other = format!("0={}", "ab".repeat(48));
                let own = format!("0={pcr0}");
                let with = |pcr: &str| {
                    verify([
                        "document",
                        &file,
                        "--at",
                        "document",
                        "--any-configuration",
                        "--pcr",
                        pcr,
                    ])
                };
                with(&own).accepted();
                with(&other).refused("measurement_mismatch");
            }
            Must::BeDebug => {
                judge(&[]).refused("debug_mode");
                let json = judge(&["--allow-debug", "--json"]).accepted().json();
                assert_eq!(json["debug"], true, "{name}");
            }
            Must::BeRefused(rule) => {
                judge(&[]).refused(rule);
                judge(&["--allow-debug"]).refused(rule);
            }
            Must::HaveTheFakeRoot => {
                judge(&[]).refused("unknown_root");
                judge(&["--root", &path("fake-root.der")]).accepted();
            }
        }
    }
    assert!(TABLE.len() >= AT_LEAST);
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let judged = TABLE.iter().any(|(known, _)| *known == name);
        assert!(judged || !name.ends_with(".bin"), "{name} has no verdict");
    }
    println!("{} documents judged", TABLE.len());
}

/// The one that may be committed, so that this always runs.
#[test]
fn f6_a_document_of_hardware_is_accepted() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../attestation/tests/data/hardware/attestation.cose"
    );
    let args = ["document", file, "--at", "document", "--any-measurement"];
    let ran = verify(args).accepted();
    assert!(
        ran.stdout.contains("the AWS Nitro Enclaves root"),
        "{ran:?}"
    );
}
