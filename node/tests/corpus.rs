//! Replays the fuzz corpora on stable: what the fuzzer found interesting once, every build sees.

// A test may stop at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "common/fuzz_kv_headers.rs"]
mod fuzz_kv_headers;
#[path = "common/fuzz_kv_reading.rs"]
mod fuzz_kv_reading;
#[path = "common/fuzz_kv_values.rs"]
mod fuzz_kv_values;
#[path = "common/fuzz_node.rs"]
mod fuzz_node;
#[path = "common/fuzz_sql_request.rs"]
mod fuzz_sql_request;

fn corpus(name: &str) -> impl Iterator<Item = Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let entries = fs::read_dir(folder.join(name)).unwrap();
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap())
}

#[test]
fn the_corpus_of_requests_to_databases_replays() {
    let taken = corpus("sql_request").filter(|bytes| fuzz_sql_request::run(bytes));
    let taken = taken.count();
    assert!(taken >= 7, "only {taken} are requests");
}

#[test]
fn the_corpus_of_headers_replays() {
    let seen: Vec<_> = corpus("kv_headers")
        .map(|bytes| fuzz_kv_headers::run(&bytes))
        .collect();
    let tags = seen.iter().filter(|(tags, ..)| *tags > 0).count();
    let said = seen.iter().filter(|(_, said, _)| *said).count();
    let stored = seen.iter().filter(|(.., stored)| *stored).count();
    assert!(
        tags >= 2 && said >= 4 && stored >= 2,
        "{tags} {said} {stored}"
    );
}

#[test]
fn the_corpus_of_readings_replays() {
    let node = fuzz_kv_reading::node();
    let seen: Vec<_> = corpus("kv_reading")
        .map(|bytes| fuzz_kv_reading::run(&node, &bytes))
        .collect();
    let found = seen.iter().filter(|(found, ..)| *found).count();
    let listed = seen.iter().filter(|(_, listed, _)| *listed).count();
    let parts: usize = seen.iter().map(|(.., parts)| parts).sum();
    assert!(
        found >= 4 && listed >= 4 && parts >= 6,
        "{found} {listed} {parts}"
    );
}

#[test]
fn the_corpus_of_invocations_replays() {
    let node = fuzz_kv_values::Asked::new();
    let seen: BTreeSet<u16> = corpus("kv_values")
        .filter_map(|bytes| Some(node.run(&bytes)?.as_u16()))
        .collect();
    let all = [200, 206, 304, 400, 404, 412, 416];
    assert!(all.iter().all(|it| seen.contains(it)), "only {seen:?}");
}
