//! The border to JavaScript: the only place with pointers.
//!
//! # Safety of this module
//!
//! All memory that crosses the border is a `Box<[u8]>` turned into a raw pointer by [`give`], and
//! its length travels beside it. The caller's side of the contract, which `web`'s loader keeps and
//! the module cannot check: `ptr` and `len` come from the same earlier `alloc` or `call`, and
//! nothing is used after `dealloc`. A caller that breaks it corrupts its own linear memory, which
//! holds no secret and lives for one page; it cannot reach beyond it, because WebAssembly bounds
//! every access.

use crate::ops::{MAX_INPUT, answer};

/// Bytes in front of a result: its length, little-endian.
const PREFIX: usize = 4;

/// `len` bytes of memory for an input; null if `len` is more than [`MAX_INPUT`].
#[unsafe(no_mangle)]
pub extern "C" fn alloc(len: usize) -> *mut u8 {
    if len > MAX_INPUT {
        return core::ptr::null_mut();
    }
    give(vec![0; len])
}

/// Frees what [`alloc`] gave (`len` as asked) or [`call`] returned (`len` = 4 + the length in it).
/// Null is ignored.
///
/// # Safety
///
/// `ptr` came from [`alloc`] or [`call`] with this `len`, and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dealloc(ptr: *mut u8, len: usize) {
    if ptr.is_null() {
        return;
    }
    // SAFETY: by the contract above `ptr` is what `give` made of a `Box<[u8]>` of `len` bytes, so
    // it is valid for exactly this layout, and nobody else owns it.
    drop(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(ptr, len)) });
}

/// Answers the JSON text at `ptr`: a pointer to `[u32 length][JSON]`. The input stays the caller's.
///
/// # Safety
///
/// `ptr` is null, or came from [`alloc`] with this `len` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn call(ptr: *const u8, len: usize) -> *mut u8 {
    let input = if ptr.is_null() {
        &[]
    } else {
        // SAFETY: by the contract above `ptr` is valid for `len` bytes, which `alloc` initialised,
        // and nothing writes to them during this call: WebAssembly runs one call at a time.
        unsafe { core::slice::from_raw_parts(ptr, len) }
    };
    let json = answer(input);
    // An answer repeats less than its input, which is bounded far below four gigabytes.
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    let mut result = Vec::with_capacity(PREFIX + json.len());
    result.extend_from_slice(&length.to_le_bytes());
    result.extend_from_slice(&json);
    give(result)
}

/// Hands memory to the caller; `dealloc` takes it back.
fn give(bytes: Vec<u8>) -> *mut u8 {
    Box::into_raw(bytes.into_boxed_slice()).cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_is_crossed_and_everything_freed() {
        let text = br#"{"op":"nothing"}"#;
        let input = alloc(text.len());
        assert!(!input.is_null());
        // SAFETY: `input` has room for the text; every pointer is freed once, with its length.
        unsafe {
            core::ptr::copy_nonoverlapping(text.as_ptr(), input, text.len());
            let result = call(input, text.len());
            dealloc(input, text.len());
            let mut length = [0; PREFIX];
            core::ptr::copy_nonoverlapping(result, length.as_mut_ptr(), PREFIX);
            let length = u32::from_le_bytes(length) as usize;
            let json = core::slice::from_raw_parts(result.add(PREFIX), length).to_vec();
            dealloc(result, PREFIX + length);
            assert_eq!(json, answer(text));
        }
    }

    #[test]
    fn nothing_and_too_much_are_answered_too() {
        assert!(alloc(MAX_INPUT + 1).is_null());
        let empty = alloc(0);
        // SAFETY: as above; null is allowed for both functions.
        unsafe {
            let result = call(empty, 0);
            dealloc(empty, 0);
            let mut length = [0; PREFIX];
            core::ptr::copy_nonoverlapping(result, length.as_mut_ptr(), PREFIX);
            dealloc(result, PREFIX + u32::from_le_bytes(length) as usize);
            dealloc(core::ptr::null_mut(), 5);
            let result = call(core::ptr::null(), 5);
            core::ptr::copy_nonoverlapping(result, length.as_mut_ptr(), PREFIX);
            dealloc(result, PREFIX + u32::from_le_bytes(length) as usize);
        }
    }
}
