//! Replays the fuzz corpora on stable: what the fuzzer found interesting once, every build sees.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop at once

use std::collections::HashSet;
use std::fs;
use std::path::Path;

#[path = "common/fuzz_request.rs"]
mod fuzz_request;
#[path = "common/fuzz_siwe.rs"]
mod fuzz_siwe;
#[path = "common/fuzz_text.rs"]
mod fuzz_text;
#[path = "common/fuzz_typed_data.rs"]
mod fuzz_typed_data;

/// The inputs of a corpus that are text: a target that reads text is not given others.
fn corpus(name: &str) -> impl Iterator<Item = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let entries = fs::read_dir(folder.join(name)).unwrap();
    entries.filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
}

#[test]
fn the_corpus_of_sign_ins_replays() {
    let seen: Vec<_> = corpus("siwe").map(|text| fuzz_siwe::run(&text)).collect();
    let read = seen.iter().flatten().count();
    let granted: usize = seen.iter().flatten().sum();
    assert!(read >= 8 && granted >= 4, "{read} read, {granted} grants");
}

#[test]
fn the_corpus_of_typed_data_replays() {
    let seen: Vec<_> = corpus("typed_data")
        .map(|json| fuzz_typed_data::run(&json))
        .collect();
    let accepted = seen.iter().flatten().count();
    let compared = seen.iter().flatten().filter(|compared| **compared).count();
    assert!(
        accepted >= 6 && compared >= 4,
        "{accepted} accepted, {compared} compared"
    );
}

#[test]
fn the_corpus_of_texts_replays() {
    let seen: Vec<_> = corpus("text").map(|text| fuzz_text::run(&text)).collect();
    let refused = seen.iter().filter(|read| read.is_none()).count();
    let severities: HashSet<_> = seen.iter().flatten().map(|it| format!("{it:?}")).collect();
    assert!(
        refused >= 2 && severities.len() == 3,
        "{refused} refused, {severities:?}"
    );
}
