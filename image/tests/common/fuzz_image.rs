//! Any bytes as an image file: the fuzz target's body, also run on its corpus by the tests.

use openkey_image::eif::{HEADER, Image};

/// Where the checksum is: at the end of the header.
const CHECKSUM: core::ops::Range<usize> = HEADER - 4..HEADER;

/// Whether the bytes are an image, once their checksum is put right: a fuzzer does not guess it.
pub(crate) fn run(input: &[u8]) -> bool {
    let mut bytes = input.to_vec();
    if let (Some(before), Some(after)) = (input.get(..CHECKSUM.start), input.get(CHECKSUM.end..)) {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(before);
        checksum.update(after);
        if let Some(field) = bytes.get_mut(CHECKSUM) {
            field.copy_from_slice(&checksum.finalize().to_be_bytes());
        }
    }
    let Ok(image) = Image::decode(&bytes) else {
        return false;
    };
    // What was read is written again, and measures the same.
    let again = image.encode().and_then(|bytes| Image::decode(&bytes));
    assert!(
        again.is_ok_and(|again| again == image && again.measurements() == image.measurements())
    );
    true
}
