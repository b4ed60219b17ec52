//! Any bytes as a token: DAG-CBOR or the value of a header.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../capability/tests/common/fuzz_cacao.rs"]
mod fuzz_cacao;

fuzz_target!(|bytes: &[u8]| {
    fuzz_cacao::run(bytes);
});
