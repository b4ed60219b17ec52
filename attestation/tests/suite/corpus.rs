//! Replays the fuzz corpus on stable: what the fuzzer found interesting once, every build sees.

use std::fs;
use std::path::Path;

#[path = "../common/fuzz_document.rs"]
mod fuzz_document;

#[test]
fn the_corpus_of_documents_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/document");
    let mut replayed = 0;
    let mut accepted = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        accepted += usize::from(fuzz_document::run(&bytes));
        replayed += 1;
    }
    assert!(replayed >= 20, "only {replayed} inputs");
    // The seeds get past the signature, so that mutations of them do reach the rules behind it.
    assert!(accepted >= 3, "only {accepted} accepted");
}
