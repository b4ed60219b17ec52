//! Ed25519 keys whose points were computed, as every use of a key begins with that and most keys are used
//! again at once.
//!
//! Every thread has a table of its own, with one place for each of the first bits of a key: the key that
//! was used last is in it. Whoever chooses keys that meet there makes others compute them again, which is
//! what everybody did without the table.

use std::cell::RefCell;

use ed25519_dalek::VerifyingKey;

/// Places, each of some 200 bytes, in every thread that reads keys.
const PLACES: usize = 256;

thread_local! {
    static POINTS: RefCell<[Option<VerifyingKey>; PLACES]> = const { RefCell::new([None; PLACES]) };
}

/// The key of these bytes; `None`: they are no point, or one of small order.
pub(super) fn of(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    let place = usize::from(bytes[0]) % PLACES;
    POINTS.with_borrow_mut(|points| {
        let known = points.get(place).copied().flatten();
        // bytes, not points: another spelling of a point is another key
        if let Some(known) = known.filter(|known| known.as_bytes() == bytes) {
            return Some(known);
        }
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        let key = (!key.is_weak()).then_some(key)?;
        if let Some(place) = points.get_mut(place) {
            *place = Some(key);
        }
        Some(key)
    })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    fn key(seed: u8) -> [u8; 32] {
        SigningKey::from_bytes(&[seed; 32])
            .verifying_key()
            .to_bytes()
    }

    #[test]
    fn a_key_is_the_one_of_its_bytes_whatever_was_there() {
        let keys: Vec<_> = (0..=255).map(key).collect();
        let mut firsts: Vec<_> = keys.iter().map(|key| key[0]).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert!(firsts.len() < keys.len(), "no two keys meet in a place");
        for _ in 0..2 {
            for bytes in &keys {
                assert_eq!(of(bytes).map(|key| key.to_bytes()), Some(*bytes));
            }
        }
    }

    #[test]
    fn what_is_no_key_is_none_however_often_it_is_asked_for() {
        let good = key(1);
        of(&good).unwrap();
        // in the same place as a good one: no point, and the identity in two spellings
        let mut none = [0xff; 32];
        none[0] = good[0];
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut again = identity;
        again[31] = 0x80;
        for bytes in [none, identity, again, [0; 32]] {
            assert!(of(&bytes).is_none() && of(&bytes).is_none(), "{bytes:x?}");
        }
        assert!(of(&good).is_some());
    }
}
