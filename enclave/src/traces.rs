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

/// A look into the memory of the test's own process.
#[cfg(test)]
pub(crate) mod look {
    use std::{
        collections::BTreeSet,
        fs::{self, File},
        os::unix::fs::FileExt,
    };

    /// Bytes that are read at once.
    const CHUNK: usize = 1 << 20;
    /// Half of a secret: an allocator writes into what it frees.
    const HALF: usize = 16;

    /// Finds the halves of secrets wherever they lie, and is none of these places itself. Everything that it
    /// needs is allocated before, so that a look writes over nothing that was freed.
    pub(crate) struct Look {
        regions: Vec<(u64, u64)>,
        memory: File,
        buffer: Vec<u8>,
        found: Vec<u64>,
    }

    impl Look {
        pub(crate) fn new() -> Self {
            let buffer = vec![0; CHUNK + HALF];
            let maps = fs::read_to_string("/proc/self/maps").unwrap();
            let hex = |text| u64::from_str_radix(text, 16).unwrap();
            let writable = maps.lines().filter_map(|line| {
                let (range, rest) = line.split_once(' ')?;
                let (start, end) = range.split_once('-')?;
                rest.starts_with("rw").then(|| (hex(start), hex(end)))
            });
            Self {
                regions: writable.collect(),
                memory: File::open("/proc/self/mem").unwrap(),
                buffer,
                found: Vec::with_capacity(1 << 16),
            }
        }

        /// Where a secret lies now. It is given with all bits turned, so that this is not one of the places.
        pub(crate) fn places(&mut self, turned: &[u8; 2 * HALF]) -> BTreeSet<u64> {
            let own = self.buffer.as_ptr() as u64;
            let own = own..own + self.buffer.len() as u64;
            self.found.clear();
            for (start, end) in &self.regions {
                let mut at = *start;
                while at < *end {
                    let left = usize::try_from(end - at).unwrap();
                    let length = left.min(self.buffer.len());
                    let bytes = &mut self.buffer[..length];
                    if self.memory.read_exact_at(bytes, at).is_err() {
                        break;
                    }
                    for offset in memchr::memchr2_iter(!turned[0], !turned[HALF], bytes) {
                        let Some(window) = bytes.get(offset..offset + HALF) else {
                            break;
                        };
                        for half in [0, HALF] {
                            let here = turned[half..half + HALF].iter().zip(window);
                            let whole = (at + offset as u64).wrapping_sub(half as u64);
                            if here.into_iter().all(|(one, other)| !one == *other)
                                && !own.contains(&(at + offset as u64))
                                && self.found.len() < self.found.capacity()
                            {
                                self.found.push(whole);
                            }
                        }
                    }
                    at += left.min(CHUNK) as u64;
                }
            }
            self.found.iter().copied().collect()
        }
    }

    pub(crate) fn turned(secret: &[u8; 2 * HALF]) -> [u8; 2 * HALF] {
        secret.map(|byte| !byte)
    }

    #[test]
    fn e9_a_look_finds_what_was_freed() {
        let secret = [3, 1, 4, 1, 5, 9, 2, 6].repeat(4);
        let needle: [u8; 32] = turned(secret.as_slice().try_into().unwrap());
        let mut look = Look::new();
        let place = secret.as_ptr() as u64;
        assert!(look.places(&needle).contains(&place));
        drop(secret);
        assert!(look.places(&needle).contains(&place));
    }
}
