//! Any bytes as a request to a database.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../node/tests/common/fuzz_sql_request.rs"]
mod fuzz_sql_request;

fuzz_target!(|bytes: &[u8]| {
    fuzz_sql_request::run(bytes);
});
