//! Load that goes on while a test does harm.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For the next acknowledgement.
const PATIENCE: Duration = Duration::from_secs(120);

/// The acknowledgements that a run writes to a file.
#[derive(Debug)]
pub struct Acks(PathBuf);

impl Acks {
    /// Those in this file, once it is there.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        std::fs::read_to_string(&self.0).map_or(0, |text| text.lines().count())
    }

    /// Waits for as many more as chance says, at most `most`: what comes next happens under load, at
    /// any moment, on a machine of any speed.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub fn wait_for_some(&self, most: u32) {
        let more = 1 + getrandom::u32().unwrap() % most;
        self.wait_for(self.count() + usize::try_from(more).unwrap());
    }

    /// Waits until there are so many.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub fn wait_for(&self, wanted: usize) {
        let began = Instant::now();
        while self.count() < wanted {
            assert!(began.elapsed() < PATIENCE, "nothing is acknowledged");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
