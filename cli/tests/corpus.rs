//! Replays the fuzz corpus on stable: what the fuzzer found interesting once, every build sees.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop at once

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "common/fuzz_operators.rs"]
mod fuzz_operators;

#[test]
fn the_corpus_of_operators_files_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/operators");
    let taken: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|entry| fuzz_operators::run(&fs::read(entry.unwrap().path()).unwrap()))
        .collect();
    // A backup is of one root id, and no input has that of zeros; an approval is of one operator.
    assert_eq!(taken.len(), 13, "{taken:?}");
}
