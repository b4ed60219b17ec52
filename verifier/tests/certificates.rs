//! Replays the corpus of the fuzz target `certificate`.
#![cfg(feature = "channel")]
// A test that cannot go on should stop where it is.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs, path::Path};

#[path = "common/fuzz_certificate.rs"]
mod fuzz_certificate;

#[test]
fn f7_the_certificate_corpus_is_refused_by_every_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/certificate");
    let refusals: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fuzz_certificate::run(&fs::read(entry.unwrap().path()).unwrap()))
        .collect();
    // Not a certificate, without evidence, with evidence twice, with bytes after it, with a document that is
    // cut off, and with a document of another program.
    assert_eq!(refusals.len(), 6, "{refusals:#?}");
}
