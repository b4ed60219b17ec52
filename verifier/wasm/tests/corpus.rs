//! Replays the fuzz corpus on stable: what the fuzzer found interesting once, every build sees.

// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

#[path = "common/fuzz_verifier.rs"]
mod fuzz_verifier;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/verifier")
}

#[test]
fn the_corpus_of_the_verifier_replays() {
    let mut replayed = 0;
    let mut accepted = 0;
    for entry in fs::read_dir(corpus()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        accepted += usize::from(fuzz_verifier::run(&bytes));
        replayed += 1;
    }
    assert!(replayed >= 15, "only {replayed} inputs");
    // The seeds pass every check, so that mutations of them reach the last one.
    assert!(accepted >= 5, "only {accepted} accepted");
}

/// The seeds `ok-…` are the accepted questions of `vectors.json`: when the vectors are made anew, the
/// seeds would otherwise stay behind and be refused at their first check.
#[test]
fn the_seeds_of_the_verifier_are_the_accepted_vectors() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let wanted: BTreeMap<String, Value> = vectors
        .iter()
        .filter(|case| case.get("ok").is_some() && case["input"].is_object())
        .map(|case| {
            let name = case["name"].as_str().unwrap().replace([' ', '\''], "-");
            (format!("ok-{name}"), case["input"].clone())
        })
        .collect();
    assert!(wanted.len() >= 10, "only {} vectors", wanted.len());

    let seeds = || {
        fs::read_dir(corpus())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name().to_str().unwrap().starts_with("ok-"))
    };
    if std::env::var_os("OPENKEY_BLESS").is_some() {
        seeds().for_each(|seed| fs::remove_file(seed.path()).unwrap());
        for (name, input) in &wanted {
            fs::write(corpus().join(name), input.to_string()).unwrap();
        }
    }
    let found: BTreeMap<String, Value> = seeds()
        .map(|seed| {
            let input = serde_json::from_slice(&fs::read(seed.path()).unwrap()).unwrap();
            (seed.file_name().into_string().unwrap(), input)
        })
        .collect();
    assert!(found == wanted, "OPENKEY_BLESS=1 writes the seeds anew");
}
