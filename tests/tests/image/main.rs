//! The real enclave image, booted: `OPENKEY_TEST_IMAGE` names it, `OPENKEY_TEST_SUCCESSOR` another
//! one of a later epoch.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // a test may stop at once

mod contents;
mod kills;
mod measurements;
mod upgrades;

use std::path::PathBuf;

use openkey_simulator::vm::Image;

/// The image under test.
fn image() -> Image {
    let dir = openkey_tests::image();
    let dir = dir.expect("name a directory that openkey-image built in OPENKEY_TEST_IMAGE");
    Image::open(&dir).unwrap()
}

/// Its successor.
fn successor() -> Image {
    let dir = std::env::var_os("OPENKEY_TEST_SUCCESSOR").map(PathBuf::from);
    let dir = dir.expect("name an image of a later epoch in OPENKEY_TEST_SUCCESSOR");
    Image::open(&dir).unwrap()
}
