//! Shamir's secret sharing of the root key, by the library `vsss-rs` over GF(256): constant time,
//! coefficients uniform over the whole field, random bytes from the caller's generator.
//!
//! A share is 32 bytes; its index is the operator's place, from 1. With a threshold of 1 there is
//! nothing to share: each operator holds the root key itself.

use rand_core::CryptoRng;
use vsss_rs::{Gf256, IdentifierGf256};
use zeroize::Zeroizing;

use super::RootKey;
use crate::traces::without_traces;

/// Bytes of the root key, and of a share of it.
pub(crate) const SHARE: usize = 32;

/// One share. Boxed, so that moving it leaves no copy; wiped when dropped.
pub(crate) type Share = Box<Zeroizing<[u8; SHARE]>>;

/// Splits a root key into `count` shares of which any `threshold` make it again, and makes it again
/// from each of them before any is given out. `None` if that fails.
pub(crate) fn split(
    root: &RootKey,
    threshold: usize,
    count: usize,
    rng: &mut impl CryptoRng,
) -> Option<Vec<Share>> {
    if threshold == 0 || threshold > count || count > usize::from(u8::MAX) {
        return None;
    }
    let shares = if threshold == 1 {
        (0..count).map(|_| share(root.expose())).collect()
    } else {
        without_traces(|| by_library(root, threshold, count, rng))?
    };
    // Every share is in one of these groups.
    for first in 0..count {
        let group = (first..first + threshold).map(|at| at % count);
        let group: Option<Vec<(u8, &Share)>> = group
            .map(|at| Some((u8::try_from(at + 1).ok()?, shares.get(at)?)))
            .collect();
        let again = combine(&group?)?;
        if !again.equals(root) {
            return None;
        }
    }
    Some(shares)
}

fn by_library(
    root: &RootKey,
    threshold: usize,
    count: usize,
    rng: &mut impl CryptoRng,
) -> Option<Vec<Share>> {
    let ids = (1..=u8::MAX).map(|index| IdentifierGf256(Gf256(index)));
    let split = Gf256::split_bytes_with_participant_ids_iter(
        threshold,
        count,
        root.expose(),
        rng,
        ids.take(count),
    );
    let split: Vec<_> = split.ok()?.into_iter().map(Zeroizing::new).collect();
    let mut shares = Vec::with_capacity(count);
    for (bytes, index) in split.iter().zip(1u8..) {
        let (own, bytes) = bytes.split_first()?;
        let bytes: &[u8; SHARE] = bytes.try_into().ok()?;
        if *own != index {
            return None;
        }
        shares.push(share(bytes));
    }
    (shares.len() == count).then_some(shares)
}

/// Makes a root key of shares, each with its index. Whether it is the right one, the commitment
/// tells.
pub(crate) fn combine(shares: &[(u8, &Share)]) -> Option<RootKey> {
    without_traces(|| combined(shares))
}

fn combined(shares: &[(u8, &Share)]) -> Option<RootKey> {
    if let [(_, only)] = shares {
        return Some(RootKey::new(only));
    }
    let mut indexed: Vec<Vec<u8>> = shares
        .iter()
        .map(|(index, share)| {
            let mut bytes = Vec::with_capacity(1 + SHARE);
            bytes.push(*index);
            bytes.extend_from_slice(share.as_slice());
            bytes
        })
        .collect();
    let combined = Gf256::combine_bytes(&indexed).map(Zeroizing::new);
    zeroize::Zeroize::zeroize(&mut indexed);
    let combined = combined.ok()?;
    Some(RootKey::new(combined.as_slice().try_into().ok()?))
}

/// Takes a share over. The caller wipes its own copy.
pub(crate) fn share(bytes: &[u8; SHARE]) -> Share {
    let mut own = Box::new(Zeroizing::new([0; SHARE]));
    own.copy_from_slice(bytes);
    own
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand_core::SeedableRng;
    use std::collections::BTreeSet;

    use super::*;
    use crate::traces::look::{self, Look};

    fn indexed(shares: &[Share]) -> Vec<(u8, &Share)> {
        (1..).zip(shares).collect()
    }

    proptest! {
        #[test]
        fn k9_any_threshold_of_shares_makes_the_key_and_fewer_do_not(
            key in any::<[u8; 32]>(),
            seed in any::<[u8; 32]>(),
            count in 1usize..=16,
            threshold in 1usize..=16,
            start in 0usize..16,
        ) {
            let root = RootKey::new(&key);
            let mut rng = ChaCha20Rng::from_seed(seed);
            let shares = split(&root, threshold, count, &mut rng);
            prop_assume!(threshold <= count || shares.is_none());
            let Some(shares) = shares else { return Ok(()) };
            let mut all = indexed(&shares);
            all.rotate_left(start % count);
            let enough = combine(&all[..threshold]).unwrap();
            prop_assert!(enough.equals(&root));
            prop_assert!(combine(&all).unwrap().equals(&root));
            if threshold > 1 {
                let fewer = combine(&all[..threshold - 1]);
                prop_assert!(fewer.is_none_or(|key| !key.equals(&root)));
            }
            // A share under another's index spoils the key.
            if threshold > 1 && count > threshold {
                let mut wrong = all[..threshold].to_vec();
                wrong[0].0 = all[threshold].0;
                prop_assert!(!combine(&wrong).unwrap().equals(&root));
            }
        }

        #[test]
        fn combining_anything_never_panics(
            shares in prop::collection::vec((any::<u8>(), any::<[u8; 32]>()), 0..20)
        ) {
            let owned: Vec<(u8, Share)> =
                shares.iter().map(|(index, bytes)| (*index, share(bytes))).collect();
            let borrowed: Vec<(u8, &Share)> =
                owned.iter().map(|(index, share)| (*index, share)).collect();
            let _ = combine(&borrowed);
        }
    }

    /// The places of a secret that were not there before.
    fn new_places(look: &mut Look, turned: &[u8; SHARE], before: &BTreeSet<u64>) -> Vec<u64> {
        look.places(turned).difference(before).copied().collect()
    }

    #[test]
    fn e9_splitting_and_combining_leave_no_copy() {
        let mut rng = ChaCha20Rng::from_seed([0xe9; 32]);
        let root = RootKey::new(&core::array::from_fn(|at| {
            u8::try_from(at * 7 + 3).unwrap()
        }));
        let turned_root = look::turned(root.expose());
        let mut look = Look::new();
        let before = look.places(&turned_root);
        let shares = split(&root, 2, 3, &mut rng).unwrap();
        let found = new_places(&mut look, &turned_root, &before);
        assert!(
            found.is_empty(),
            "splitting left the root key at {found:x?}"
        );
        let turned: Vec<_> = shares.iter().map(|share| look::turned(share)).collect();
        for (share, turned) in shares.iter().zip(&turned) {
            let own = BTreeSet::from([share.as_ptr() as u64]);
            let found = new_places(&mut look, turned, &own);
            assert!(found.is_empty(), "splitting left a share at {found:x?}");
        }
        let indexed = indexed(&shares);
        let combined = combine(&indexed[1..]).unwrap();
        for (share, turned) in shares.iter().zip(&turned) {
            let own = BTreeSet::from([share.as_ptr() as u64]);
            let found = new_places(&mut look, turned, &own);
            assert!(found.is_empty(), "combining left a share at {found:x?}");
        }
        // Beside the places from the start, where the test itself has the root key.
        let mut own = before;
        own.insert(combined.expose().as_ptr() as u64);
        let found = new_places(&mut look, &turned_root, &own);
        assert!(
            found.is_empty(),
            "combining left the root key at {found:x?}"
        );
    }

    #[test]
    fn impossible_thresholds_split_nothing() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let root = RootKey::new(&[7; 32]);
        for (threshold, count) in [(0, 1), (2, 1), (0, 0), (1, 256)] {
            assert!(split(&root, threshold, count, &mut rng).is_none());
        }
    }
}
