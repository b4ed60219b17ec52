//! The verifier as one WebAssembly file for browsers: plain exports, no imports, JSON in and out.
//!
//! The caller writes a JSON text into memory that [`alloc`] gave, passes it to [`call`], and reads
//! `[u32, little-endian: length][JSON]` where the result points. Both are freed by [`dealloc`].
//! The texts themselves are described at [`answer`].

#![cfg_attr(
    test,
    // A test that cannot go on should stop where it is.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod anchored;
mod memory;
mod ops;

pub use memory::{alloc, call, dealloc};
pub use ops::{MAX_INPUT, answer};
