//! Any bytes as an invocation of values.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;

#[path = "../../node/tests/common/fuzz_kv_values.rs"]
mod fuzz_kv_values;
#[path = "../../node/tests/common/fuzz_node.rs"]
mod fuzz_node;

thread_local! {
    static NODE: LazyCell<fuzz_kv_values::Asked> = LazyCell::new(fuzz_kv_values::Asked::new);
}

fuzz_target!(|bytes: &[u8]| {
    NODE.with(|node| node.run(bytes));
});
