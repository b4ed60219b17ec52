//! Processes that write one file take turns.
//!
//! A lock alone is not fair: who has just let go takes it again before who waits has woken. Here are
//! two: a process that has the first waits for the second, and only gives back the first when it has
//! the second. So whoever waits longest is next, and nobody starves. The system gives back both when
//! a process dies; of one that is stopped they are not to be had, so nobody waits without an end.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lock::{Kind, lock};

/// One process's place at a turnstile. One thread enters at a time.
#[derive(Debug)]
pub struct Turnstile {
    next: File,
    inside: File,
}

/// Being inside; over when dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a File);

impl Turnstile {
    /// The one whose files are `path` with `.next` and `.turn` behind it, made if they are missing.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if they cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        let open = |suffix: &str| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            options.open(path)
        };
        Ok(Self {
            next: open(".next")?,
            inside: open(".turn")?,
        })
    }

    /// Whether nobody is inside or waits, as of now.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if the file system knows no locks.
    pub fn is_free(&self) -> io::Result<bool> {
        for file in [&self.next, &self.inside] {
            match file.try_lock() {
                Ok(()) => file.unlock()?,
                Err(TryLockError::WouldBlock) => return Ok(false),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Waits until no other process is inside, but not longer than this.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`], and the text names who is inside. Others if the file system knows no
    /// locks.
    pub fn enter(&mut self, wait: Duration) -> io::Result<Turn<'_>> {
        let began = Instant::now();
        lock(&self.next, Kind::Exclusive, wait)?;
        let left = wait.saturating_sub(began.elapsed());
        let entered = lock(&self.inside, Kind::Exclusive, left);
        let released = self.next.unlock();
        entered.and(released)?;
        Ok(Turn(&self.inside))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // It fails only for a file that is no longer open, which holds no lock either.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_is_inside_at_a_time_and_who_hurries_does_not_starve_who_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let inside = AtomicBool::new(false);
        let (hurried, waited) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let go = |count: &AtomicUsize, until: &dyn Fn() -> bool| {
            let mut turnstile = Turnstile::open(&path).unwrap();
            while !until() {
                let turn = turnstile.enter(crate::lock::WAIT).unwrap();
                assert!(!inside.swap(true, Ordering::SeqCst));
                std::thread::sleep(std::time::Duration::from_micros(200));
                inside.store(false, Ordering::SeqCst);
                drop(turn);
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| go(&hurried, &|| waited.load(Ordering::SeqCst) >= 50));
            scope.spawn(|| go(&waited, &|| waited.load(Ordering::SeqCst) >= 50));
        });
        let hurried = hurried.load(Ordering::SeqCst);
        assert!(hurried < 500, "{hurried} turns against 50");
    }
}
