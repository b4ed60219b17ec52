//! The arrows of the README's folder table point one way, and the enclave stays small.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What a package of ours links when it is built by itself: normal and build dependencies, whole.
fn links(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", package])
        .args([
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty() && *name != package)
        .map(str::to_owned)
        .collect()
}

#[test]
fn arrows_point_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("openkey-attestation", &[]),
        ("openkey-capability", &[]),
        ("openkey-protocol", &[]),
        (
            "openkey-consent",
            &["openkey-capability", "openkey-protocol"],
        ),
        (
            "openkey-enclave",
            &[
                "openkey-attestation",
                "openkey-capability",
                "openkey-consent",
                "openkey-protocol",
                "openkey-verifier",
            ],
        ),
        (
            "openkey-verifier",
            &["openkey-attestation", "openkey-protocol"],
        ),
        (
            "openkey-verifier-wasm",
            &[
                "openkey-attestation",
                "openkey-protocol",
                "openkey-verifier",
            ],
        ),
        ("openkey-edge", &[]),
        ("openkey-host-proxy", &["openkey-edge", "openkey-protocol"]),
        ("openkey-node", &["openkey-capability", "openkey-edge"]),
        (
            "openkey-cli",
            &[
                "openkey-attestation",
                "openkey-capability",
                "openkey-consent",
                // for the page's code, which `openkey release page` writes
                "openkey-edge",
                "openkey-host-proxy",
                "openkey-protocol",
                "openkey-verifier",
            ],
        ),
        (
            "openkey-image",
            &[
                "openkey-verifier",
                "openkey-protocol",
                "openkey-attestation",
            ],
        ),
    ];
    for (package, may_use) in allowed {
        let uses: BTreeSet<String> = links(package)
            .into_iter()
            .filter(|name| name.starts_with("openkey-"))
            .collect();
        let may_use: BTreeSet<String> = may_use.iter().map(|&name| name.to_owned()).collect();
        assert!(
            uses.is_subset(&may_use),
            "{package} uses {:?}",
            uses.difference(&may_use)
        );
    }
}

#[test]
fn enclave_links_no_server_database_or_second_crypto_backend() {
    let linked = links("openkey-enclave");
    let refused = [
        "axum",
        "reqwest",
        "ureq",
        "rusqlite",
        "libsqlite3-sys",
        "openssl",
        "openssl-sys",
        "native-tls",
        "ring",
        "clap",
        "tracing-subscriber",
        "schemars",
        "ciborium",
    ];
    for name in refused {
        assert!(!linked.contains(name), "the enclave links {name}");
    }
}

#[test]
fn nobody_links_openssl() {
    for package in [
        "openkey-simulator",
        "openkey-verifier",
        "openkey-host-proxy",
    ] {
        assert!(
            !links(package).contains("openssl-sys"),
            "{package} links OpenSSL"
        );
    }
}

#[test]
fn unsafe_code_stands_only_in_the_webassembly_exports() {
    fn scan(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != "node_modules" && !name.starts_with('.') {
                    scan(&path, found);
                }
            } else if name.ends_with(".rs")
                && std::fs::read_to_string(&path).unwrap().lines().any(|line| {
                    let code = line.split("//").next().unwrap_or_default();
                    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe("]
                        .iter()
                        .any(|word| code.contains(word) && !code.contains('"'))
                })
            {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    scan(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")),
        &mut found,
    );
    assert!(
        found.iter().all(|path| path.contains("verifier/wasm/")),
        "unsafe code outside verifier/wasm: {found:?}"
    );
}

/// The text of all sources in a folder, one after the other.
fn sources(dir: &Path, text: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != "node_modules" && !name.starts_with('.') {
                sources(&path, text);
            }
        } else if [".rs", ".test.js", ".test.ts"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The fuzz workspace is not built by `./test`: only the replay on stable runs what its targets run.
#[test]
fn every_fuzz_target_has_seeds_that_a_test_replays() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    let mut declared: Vec<&str> = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .filter_map(|target| target.split('"').next())
        .collect();
    declared.sort_unstable();
    let names = |folder: &str| {
        let entries = std::fs::read_dir(root.join("fuzz").join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .map(|name| name.trim_end_matches(".rs").to_owned())
            .collect();
        names.sort();
        names
    };
    assert!(declared.len() > 20, "{declared:?}");
    assert_eq!(names("fuzz_targets"), declared);
    assert_eq!(names("corpus"), declared);
    let mut tests = String::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.join("Cargo.toml").exists() && !path.ends_with("fuzz") {
            sources(&path, &mut tests);
        }
    }
    for name in declared {
        let replays = [
            format!("fuzz/corpus/{name}\""),
            format!("corpus(\"{name}\")"),
            format!("replay(\"{name}\""),
            format!("(\"{name}\", fuzzing::"),
        ];
        assert!(
            replays.iter().any(|replay| tests.contains(replay)),
            "no test replays the corpus of {name}"
        );
    }
}

#[test]
fn every_listed_threat_has_a_test_of_its_name() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut tests = String::new();
    sources(root, &mut tests);
    let threats = std::fs::read_to_string(root.join("docs/threats.md")).unwrap();
    let ids: Vec<String> = threats
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|id| id.len() > 1 && id[1..].bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_lowercase)
        .collect();
    assert!(ids.len() > 30, "{ids:?}");
    for id in ids {
        let named = [format!("fn {id}_"), format!("'{id}_")];
        assert!(
            named.iter().any(|name| tests.contains(name)),
            "no test is named {id}_…"
        );
    }
}
