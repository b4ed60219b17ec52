//! What tests of several commands begin with.

use serde_json::{Value, json};

use crate::harness::{Ran, verify};

/// The draft of a release manifest, as `openkey-image build` writes it.
pub(crate) fn draft() -> Value {
    json!({
        "version": 1, "name": "openkey-enclave", "release": "0.1.0", "epoch": 1,
        "source_commit": "0".repeat(40), "cargo_lock_sha256": "0".repeat(64),
        "toolchain": { "rustc": "1.95.0" },
        "measurements": { "0": "a".repeat(96), "1": "b".repeat(96), "2": "c".repeat(96) },
    })
}

/// `openkey release anchor` of a configuration, for this epoch and higher ones.
pub(crate) fn anchor(configuration: &str, min_epoch: u32, out: &str) -> Ran {
    let min_epoch = min_epoch.to_string();
    let files = ["--configuration", configuration, "--out", out];
    let command = ["release", "anchor", "--min-epoch", &min_epoch];
    verify(command.iter().chain(&files))
}

/// `openkey release sign`, without a question.
pub(crate) fn sign(manifest: &str, key: &str) -> Ran {
    verify(["release", "sign", manifest, "--key", key, "--yes"])
}

/// That a command ended with 0 whose stderr shows what was decided, because stdout gets JSON.
#[track_caller]
pub(crate) fn done(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stderr.contains("error: "), "{ran:?}");
    ran
}

/// `openkey operator approve` with these files.
pub(crate) fn approve(
    genesis: &str,
    key: &str,
    configuration: &str,
    out: &str,
    more: &[&str],
) -> Ran {
    let files = ["--configuration", configuration, "--out", out];
    let command = ["operator", "approve", "--genesis", genesis, "--key", key];
    verify(command.iter().chain(&files).chain(more))
}
