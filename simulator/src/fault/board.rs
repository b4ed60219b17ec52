//! Where a process looks up its faults.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};

use super::{Fault, Faults, Setting};

/// How long a look at the file serves.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A change of the file is noticed within this time.
pub const NOTICED_WITHIN: Duration = Duration::from_millis(100);

/// The faults of one process, and how many opportunities each has had.
#[derive(Debug)]
pub struct Board {
    file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    looked: Option<Instant>,
    stamp: Option<Stamp>,
    faults: Faults,
    counts: [u64; Fault::ALL.len()],
}

/// What changes when a file is replaced.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }
}

impl Board {
    /// Fixed faults.
    #[must_use]
    pub fn fixed(faults: Faults) -> Self {
        Self::new(None, faults)
    }

    /// The faults of a file, now and whenever it changes. A file that cannot be read changes
    /// nothing and is said in the log.
    #[must_use]
    pub fn watching(path: &Path) -> Self {
        Self::new(Some(path.to_owned()), Faults::default())
    }

    fn new(file: Option<PathBuf>, faults: Faults) -> Self {
        Self {
            file,
            state: Mutex::new(State {
                looked: None,
                stamp: None,
                faults,
                counts: [0; Fault::ALL.len()],
            }),
        }
    }

    /// Counts an opportunity of a fault; true if it strikes.
    pub fn strikes(&self, fault: Fault) -> bool {
        self.draw(fault).is_some()
    }

    /// Counts an opportunity of a fault that delays; for how long if it strikes.
    pub fn delay(&self, fault: Fault) -> Option<Duration> {
        match self.draw(fault)? {
            Setting::Delay { delay, .. } => Some(delay),
            _ => None,
        }
    }

    /// Whether a fault is set at all. Counts nothing.
    pub fn is_set(&self, fault: Fault) -> bool {
        self.state().faults.get(fault).is_some()
    }

    /// By how many milliseconds the host's clock is wrong.
    pub fn clock_offset_ms(&self) -> i64 {
        match self.state().faults.get(Fault::ClockOffset) {
            Some(Setting::Offset(ms)) => ms,
            _ => 0,
        }
    }

    fn draw(&self, fault: Fault) -> Option<Setting> {
        let mut state = self.state();
        let setting = state.faults.get(fault)?;
        let seed = state.faults.seed;
        let count = state.counts.get_mut(fault as usize)?;
        let n = *count;
        *count += 1;
        strikes(seed, fault, n, setting.chance()).then_some(setting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete in itself: a panic elsewhere leaves the state usable.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file
            && state.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY)
        {
            state.looked = Some(Instant::now());
            state.look(file);
        }
        state
    }
}

impl State {
    fn look(&mut self, file: &Path) {
        let stamp = Stamp::of(file);
        if stamp == self.stamp {
            return;
        }
        match Faults::read(file) {
            Ok(faults) => self.replace(faults),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "faults left as they were")
            }
        }
        self.stamp = stamp;
    }

    fn replace(&mut self, faults: Faults) {
        if faults == self.faults {
            return;
        }
        for fault in Fault::ALL {
            let same = faults.get(fault) == self.faults.get(fault);
            if faults.seed != self.faults.seed || !same {
                self.counts
                    .iter_mut()
                    .skip(fault as usize)
                    .take(1)
                    .for_each(|count| *count = 0);
            }
        }
        let set: Vec<String> = faults.iter().map(|(f, s)| format!("{f}={s}")).collect();
        tracing::info!(seed = faults.seed, faults = set.join(" "), "faults changed");
        self.faults = faults;
    }
}

/// The n-th opportunity of a fault: a pure function of seed, name and n.
fn strikes(seed: u64, fault: Fault, n: u64, millionths: u32) -> bool {
    let mut hash = Context::new(&SHA256);
    hash.update(&seed.to_be_bytes());
    hash.update(fault.name().as_bytes());
    hash.update(&n.to_be_bytes());
    let mut drawn = [0; 8];
    drawn
        .iter_mut()
        .zip(hash.finish().as_ref())
        .for_each(|(to, from)| *to = *from);
    // Uniform to 2⁻⁴⁴: nobody counts that far.
    u64::from_be_bytes(drawn) % 1_000_000 < u64::from(millionths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, text: &str, n: usize) -> Vec<bool> {
        let mut faults = Faults::seeded(seed);
        faults.set_text(text).unwrap();
        let (fault, _) = faults.iter().next().unwrap();
        let board = Board::fixed(faults);
        (0..n).map(|_| board.strikes(fault)).collect()
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let one = run(1, "frame-drop=0.3", 200);
        assert_eq!(one, run(1, "frame-drop=0.3", 200));
        assert_ne!(one, run(2, "frame-drop=0.3", 200));
        assert_ne!(one, run(1, "store-error=0.3", 200));
        let struck = one.iter().filter(|struck| **struck).count();
        assert!((30..=90).contains(&struck), "{struck} of 200 at 0.3");
    }

    #[test]
    fn never_and_always_are_exact() {
        assert!(run(3, "nsm-error=0", 1000).iter().all(|struck| !struck));
        assert!(
            run(3, "nsm-error=always", 1000)
                .iter()
                .all(|struck| *struck)
        );
    }

    #[test]
    fn faults_do_not_disturb_each_other() {
        let mut faults = Faults::seeded(1);
        faults.set_text("frame-drop=0.3").unwrap();
        faults.set_text("store-error=0.5").unwrap();
        let board = Board::fixed(faults);
        let mixed: Vec<bool> = (0..200)
            .map(|_| {
                board.strikes(Fault::StoreError);
                board.strikes(Fault::FrameDrop)
            })
            .collect();
        assert_eq!(mixed, run(1, "frame-drop=0.3", 200));
    }

    #[test]
    fn a_file_is_noticed_and_a_broken_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("faults.json");
        let board = Board::watching(&path);
        assert!(!board.strikes(Fault::NsmError));
        let mut faults = Faults::default();
        faults.set_text("nsm-error=always").unwrap();
        faults.set_text("clock-offset=-2h").unwrap();
        faults.set_text("nsm-slow=5ms").unwrap();
        faults.write(&path).unwrap();
        std::thread::sleep(LOOK_EVERY);
        assert!(board.strikes(Fault::NsmError));
        assert_eq!(board.clock_offset_ms(), -7_200_000);
        assert_eq!(board.delay(Fault::NsmSlow), Some(Duration::from_millis(5)));
        assert!(!board.is_set(Fault::NsmDebug));
        std::fs::write(&path, "{").unwrap();
        std::thread::sleep(LOOK_EVERY);
        assert!(board.strikes(Fault::NsmError));
        std::fs::remove_file(&path).unwrap();
        std::thread::sleep(LOOK_EVERY);
        assert!(!board.strikes(Fault::NsmError));
    }
}
