//! Load that goes on while a test does harm.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For the next acknowledgement.
const PATIENCE: Duration = Duration::from_secs(120);

/// The acknowledgements that a run writes to a file.
#[derive(Debug)]
pub struct Acks {
    file: PathBuf,
    /// Bytes that were read.
    read: u64,
    /// Lines in them.
    lines: usize,
}

impl Acks {
    /// Those in this file, once it is there.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            read: 0,
            lines: 0,
        }
    }

    /// How many there are. Only what is new is read: whoever waits must not take the load's time.
    ///
    /// # Panics
    ///
    /// If the file cannot be read.
    pub fn count(&mut self) -> usize {
        if let Ok(mut file) = File::open(&self.file) {
            let mut new = Vec::new();
            file.seek(SeekFrom::Start(self.read)).unwrap();
            file.read_to_end(&mut new).unwrap();
            self.read += u64::try_from(new.len()).unwrap();
            self.lines += new.iter().filter(|byte| **byte == b'\n').count();
        }
        self.lines
    }

    /// Waits for as many more as chance says, at most `most`: what comes next happens under load, at
    /// any moment, on a machine of any speed.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub fn wait_for_some(&mut self, most: u32) {
        let more = 1 + getrandom::u32().unwrap() % most;
        let wanted = self.count() + usize::try_from(more).unwrap();
        self.wait_for(wanted);
    }

    /// Waits until there are so many.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub fn wait_for(&mut self, wanted: usize) {
        let began = Instant::now();
        while self.count() < wanted {
            assert!(began.elapsed() < PATIENCE, "nothing is acknowledged");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
