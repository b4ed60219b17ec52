//! Any bytes as a key in a URL, with headers behind it.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;

#[path = "../../node/tests/common/fuzz_kv_reading.rs"]
mod fuzz_kv_reading;
#[path = "../../node/tests/common/fuzz_node.rs"]
mod fuzz_node;

thread_local! {
    static NODE: LazyCell<fuzz_node::Fixture> = LazyCell::new(fuzz_kv_reading::node);
}

fuzz_target!(|bytes: &[u8]| {
    NODE.with(|node| fuzz_kv_reading::run(node, bytes));
});
