//! The enclave image: built the same by everyone, measured without building.
//!
//! ```text
//! pinned kernel source + enclave.config ──► bzImage ────────────┐
//! bootstrap: mount points, /dev/console ──► cpio, gzip ─────────┤
//! openkey-enclave (static, musl) as /init ► cpio, gzip ─────────┼─► enclave.eif, PCR0–2
//! command line, metadata ───────────────────────────────────────┘
//! ```
//!
//! * [`eif`]: the file format of Nitro enclave images, written and strictly read;
//! * [`pcr`]: the measurements a Nitro hypervisor makes of such an image;
//! * [`cpio`]: ramdisks whose bytes depend on their contents alone;
//! * [`kernel`]: the kernel from its pinned source;
//! * [`build`]: the whole image, from a source tree to `enclave.eif`, `measurements.json`,
//!   `draft.json`.
//!
//! Same source, same toolchain, same bytes: directories, users, clocks and the environment do not
//! matter. The toolchain is named in `draft.json`; `enclave.Dockerfile` fixes it.
//!
//! The writer of images is this crate's own, because AWS's (`aws-nitro-enclaves-image-format`) links
//! OpenSSL and the AWS SDK whatever one asks of it; `cross-check/` holds the two against each other.

// Tests may fail by panicking; nothing else may.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod build;
pub mod cache;
pub mod cpio;
pub mod eif;
mod error;
pub mod kernel;
pub mod manifest;
pub mod packages;
pub mod pcr;
pub mod program;
mod run;
pub mod source;
pub mod toolchain;

pub use error::Error;

/// Who is told how a long step goes, one line at a time.
pub type Progress<'a> = &'a dyn Fn(&str);
