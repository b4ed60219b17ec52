//! Replays the fuzz corpus on stable: what the fuzzer found interesting once, every build sees.

// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{fs, path::Path};

#[path = "common/fuzz_verifier.rs"]
mod fuzz_verifier;

#[test]
fn the_corpus_of_the_verifier_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/verifier");
    let mut replayed = 0;
    let mut accepted = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        accepted += usize::from(fuzz_verifier::run(&bytes));
        replayed += 1;
    }
    assert!(replayed >= 15, "only {replayed} inputs");
    // The seeds pass every check, so that mutations of them reach the last one.
    assert!(accepted >= 5, "only {accepted} accepted");
}
