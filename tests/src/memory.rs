//! A look into the memory of a process: does the private key of a known address lie there, or a known
//! secret?

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use k256::ecdsa::SigningKey;
use sha3::{Digest, Keccak256};

/// Bytes of a private key.
const KEY: usize = 32;
/// Of 32 random bytes, about 30 differ; fewer than this many do not happen (odds below 10⁻⁹). Most of
/// memory (text, zeros, pointers) has fewer, and is skipped.
const DISTINCT: usize = 23;

/// Every place in the writable memory of a process where the private key of one of these addresses
/// lies, big-endian (as it is written) or little-endian (as arithmetic keeps it).
///
/// # Panics
///
/// If the memory cannot be read.
#[must_use]
pub fn find_keys(pid: u32, addresses: &HashSet<[u8; 20]>) -> Vec<u64> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    each_region(pid, |start, bytes| {
        for (offset, window) in bytes.windows(KEY).enumerate() {
            if is_random(window) && seen.insert(window.to_vec()) && is_key(window, addresses) {
                found.push(start + offset as u64);
            }
        }
    });
    found
}

/// Every place in the writable memory of a process where a secret lies, or half of it: an allocator
/// writes into what it frees. Forwards, as it is written, or backwards, as arithmetic may keep it.
///
/// # Panics
///
/// If the memory cannot be read.
#[must_use]
pub fn find_secret(pid: u32, secret: &[u8; KEY]) -> Vec<u64> {
    let mut places = BTreeSet::new();
    let mut reversed = *secret;
    reversed.reverse();
    for whole in [*secret, reversed] {
        for start in [0, KEY / 2] {
            let half = memchr::memmem::Finder::new(&whole[start..start + KEY / 2]);
            each_region(pid, |at, bytes| {
                for offset in half.find_iter(bytes) {
                    // where the whole of it would begin
                    places.insert((at + offset as u64).wrapping_sub(start as u64));
                }
            });
        }
    }
    places.into_iter().collect()
}

/// Reads the writable memory of a process, region by region.
fn each_region(pid: u32, mut look: impl FnMut(u64, &[u8])) {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
        if !access.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // a region that went away or cannot be read holds nothing
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        look(start, &bytes);
    }
}

fn is_random(window: &[u8]) -> bool {
    let mut bits = [0_u64; 4];
    for &byte in window {
        bits[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    bits.iter()
        .map(|word| word.count_ones() as usize)
        .sum::<usize>()
        >= DISTINCT
}

fn is_key(window: &[u8], addresses: &HashSet<[u8; 20]>) -> bool {
    let mut reversed = window.to_vec();
    reversed.reverse();
    [window, &reversed].into_iter().any(|bytes| {
        SigningKey::from_slice(bytes).is_ok_and(|key| {
            let point = key.verifying_key().to_sec1_point(false);
            let hash = Keccak256::digest(&point.as_bytes()[1..]);
            addresses.contains(&hash[12..])
        })
    })
}
