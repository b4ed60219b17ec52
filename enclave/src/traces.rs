//! Secrets on the stack. Types wipe what they own when they are dropped, but not the copies that
//! moving them and calling functions with them leave behind.

use core::hint::black_box;

use zeroize::Zeroize;

/// How much is wiped, in words of eight bytes: several times what signing, HKDF or HPKE need.
const WORDS: usize = 4096;

/// Runs `work` and wipes the part of the stack that it used.
pub(crate) fn without_traces<T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    wipe();
    result
}

/// Keeps the frame of `work` out of the caller's.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Its frame lies where that of [`apart`] was.
#[inline(never)]
fn wipe() {
    let mut frame = [0u64; WORDS];
    black_box(&mut frame).zeroize();
    black_box(&frame);
}
