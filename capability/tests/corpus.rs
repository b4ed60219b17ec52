//! Replays the fuzz corpora on stable: what the fuzzer found interesting once, every build sees.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop at once

use std::fs;
use std::path::Path;

#[path = "common/fuzz_cacao.rs"]
mod fuzz_cacao;
#[path = "common/fuzz_recap.rs"]
mod fuzz_recap;

fn corpus(name: &str) -> impl Iterator<Item = Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let entries = fs::read_dir(folder.join(name)).unwrap();
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap())
}

#[test]
fn the_corpus_of_tokens_replays() {
    let seen: Vec<_> = corpus("cacao")
        .map(|bytes| fuzz_cacao::run(&bytes))
        .collect();
    let taken = seen.iter().filter(|(taken, _)| *taken).count();
    let held = seen.iter().filter(|(_, held)| *held).count();
    assert!(taken >= 5 && held >= 4, "{taken} tokens, {held} hold");
}

#[test]
fn the_corpus_of_recaps_replays() {
    let taken = corpus("recap")
        .filter(|bytes| core::str::from_utf8(bytes).is_ok_and(fuzz_recap::run))
        .count();
    assert!(taken >= 4, "only {taken} are ReCaps");
}
