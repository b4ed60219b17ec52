//! Replays the fuzz corpus on stable: what the fuzzer found interesting once, every build sees.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop at once

use std::fs;
use std::path::Path;

#[path = "common/fuzz_image.rs"]
mod fuzz_image;

#[test]
fn the_corpus_of_images_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/image");
    let taken = fs::read_dir(folder)
        .unwrap()
        .filter(|entry| fuzz_image::run(&fs::read(entry.as_ref().unwrap().path()).unwrap()))
        .count();
    assert!(taken >= 2, "only {taken} are images");
}
