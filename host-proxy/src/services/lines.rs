//! Lines of the log about an enclave's events.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use openkey_edge::log::Sparing;

/// Lines in a second about events of one kind.
const EACH: NonZeroU32 = const { NonZeroU32::new(20).unwrap() };

/// Bounds the lines of each kind apart: what strangers cause often hides nothing that is rare.
#[derive(Default)]
pub(super) struct Lines(Mutex<BTreeMap<&'static str, Sparing>>);

impl Lines {
    /// Whether there may be a line about an event of this kind; with it, how many events of the kind
    /// have had none since the last.
    pub(super) fn admits(&self, kind: &'static str) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = kinds.entry(kind).or_insert_with(|| Sparing::new(EACH));
        lines.admits().then(|| lines.left_out())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h1_events_that_are_frequent_hide_none_that_are_rare() {
        let lines = Lines::default();
        let written: Vec<u64> = (0..10_000)
            .filter_map(|_| lines.admits("refused"))
            .collect();
        assert!((20..200).contains(&written.len()), "{}", written.len());
        assert_eq!(lines.admits("rolled_back"), Some(0));
        std::thread::sleep(std::time::Duration::from_millis(60));
        let before = written.iter().sum::<u64>() + written.len() as u64;
        assert_eq!(lines.admits("refused"), Some(10_000 - before));
    }
}
