//! Replays the corpora of the fuzz targets `frame`, `message` and `channel`.

// Tests may fail by panicking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(feature = "channel")]
#[path = "support/fuzz_channel.rs"]
mod fuzz_channel;
#[path = "support/fuzz_frame.rs"]
mod fuzz_frame;
#[path = "support/fuzz_message.rs"]
mod fuzz_message;

use std::{fs, path::PathBuf};

fn replay(target: &str, run: fn(&[u8])) {
    /// Fewer would mean that the corpus was lost.
    const LEAST: usize = 20;
    let corpus: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target]
        .iter()
        .collect();
    let mut replayed = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        run(&fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= LEAST, "only {replayed} in {}", corpus.display());
}

#[test]
fn h1_the_frame_corpus_is_harmless() {
    replay("frame", fuzz_frame::run);
}

#[test]
fn h1_the_message_corpus_is_harmless() {
    replay("message", fuzz_message::run);
}

#[cfg(feature = "channel")]
#[test]
fn f5_the_channel_corpus_is_harmless() {
    replay("channel", fuzz_channel::run);
}
