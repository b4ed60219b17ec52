//! H8: what requests of databases take of the memory is what is counted for them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may stop at once

use openkey_node::body::memory;
use openkey_node::sql::{MAX_REQUEST, Request};

/// At once.
const REQUESTS: usize = 8;

/// The most that this process had, in bytes.
fn most() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.unwrap().parse::<usize>().unwrap() * 1024
}

/// As much of it as a request may have.
fn filled(begin: &str, each: &str, end: &str) -> String {
    let count = (MAX_REQUEST - begin.len() - end.len() - 20) / each.len();
    let all = each.repeat(count);
    format!("{begin}{}{end}", all.trim_end_matches(','))
}

/// What requests consist of: how they begin, what is repeated, how they end.
const SHAPES: [(&str, &str, &str); 6] = [
    ("{\"action\":\"query\",\"sql\":\"", "xxxx", "\"}"),
    (PARAMS, "1,", "]}"),
    (PARAMS, "\"a\",", "]}"),
    (PARAMS, "[1],", "]}"),
    (
        "{\"action\":\"execute\",\"sql\":\"q\",\"schema\":[",
        "\"\",",
        "]}",
    ),
    (
        "{\"action\":\"batch\",\"statements\":[",
        "{\"sql\":\"\"},",
        "]}",
    ),
];
const PARAMS: &str = "{\"action\":\"query\",\"sql\":\"q\",\"params\":[";

/// Names the shape that a process measures: what one process has had, it has.
const SHAPE: &str = "OPENKEY_TEST_SHAPE";

#[test]
fn h8_what_parsed_requests_take_is_what_is_counted() {
    if let Ok(shape) = std::env::var(SHAPE) {
        return measure(shape.parse().unwrap());
    }
    for (shape, (_, each, _)) in SHAPES.iter().enumerate() {
        let mut own = std::process::Command::new(std::env::current_exe().unwrap());
        own.env(SHAPE, shape.to_string());
        assert!(own.status().unwrap().success(), "{each}");
    }
}

fn measure(shape: usize) {
    let (begin, each, end) = SHAPES[shape];
    let body = filled(begin, each, end);
    let before = most();
    let mut kept = Vec::new();
    for _ in 0..REQUESTS {
        let body = body.clone().into_bytes();
        let request = Request::parse(&body).unwrap();
        // it is kept to be repeated
        kept.push((request.clone(), request, body));
    }
    let took = most().saturating_sub(before) / REQUESTS;
    let counted = memory(body.as_bytes());
    println!("{each}: {took} of {counted}");
    assert!(took <= counted, "{each}: {took} of {counted}");
}
