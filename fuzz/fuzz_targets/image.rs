//! Any bytes as an image file.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../image/tests/common/fuzz_image.rs"]
mod fuzz_image;

fuzz_target!(|bytes: &[u8]| {
    fuzz_image::run(bytes);
});
