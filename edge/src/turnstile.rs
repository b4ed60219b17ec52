//! Processes that write one file take turns.
//!
//! A lock alone is not fair: who has just let go takes it again before who waits has woken. Here are
//! two: a process that has the first waits for the second, and only gives back the first when it has
//! the second. So whoever waits longest is next, and nobody starves. The system gives back both when
//! a process dies; of one that is stopped they are not to be had, so nobody waits without an end.
//!
//! Whoever is inside may remove both files while it holds both. Whoever has opened them before finds, with the lock,
//! that they have no name any more, and takes those that have.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::lock::{Kind, lock};

/// One process's place at a turnstile. One thread enters at a time.
#[derive(Debug)]
pub struct Turnstile {
    path: PathBuf,
    next: File,
    inside: File,
}

/// Being inside; over when dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turnstile);

const NEXT: &str = ".next";
const INSIDE: &str = ".turn";

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn open(path: &Path, suffix: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(beside(path, suffix))
}

/// Whether somebody has removed it: then others lock another one.
fn is_gone(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() == 0)
}

impl Turnstile {
    /// The one whose files are `path` with `.next` and `.turn` behind it, made if they are missing.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if they cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            next: open(path, NEXT)?,
            inside: open(path, INSIDE)?,
        })
    }

    /// Whether there is one of this path.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        beside(path, INSIDE).exists()
    }

    /// Whether nobody is inside or waits, as of now.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if the file system knows no locks.
    pub fn is_free(&mut self) -> io::Result<bool> {
        self.renew()?;
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
        let left = || wait.saturating_sub(began.elapsed());
        loop {
            lock(&self.next, Kind::Exclusive, left())?;
            if is_gone(&self.next)? {
                self.renew()?;
                continue;
            }
            let entered = lock(&self.inside, Kind::Exclusive, left());
            let released = self.next.unlock();
            entered.and(released)?;
            // removed between opening and locking it: closing it gives the lock back
            if is_gone(&self.inside)? {
                self.renew()?;
                continue;
            }
            return Ok(Turn(self));
        }
    }

    /// Opens anew what was removed.
    fn renew(&mut self) -> io::Result<()> {
        if is_gone(&self.next)? {
            self.next = open(&self.path, NEXT)?;
        }
        if is_gone(&self.inside)? {
            self.inside = open(&self.path, INSIDE)?;
        }
        Ok(())
    }
}

impl Turn<'_> {
    /// Ends it, and removes both files, unless somebody waits: who does so enters by them.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if they cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        let Turnstile { path, next, .. } = self.0;
        match next.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // both are held: who has opened them finds them gone once they are its own
        let removed = std::fs::remove_file(beside(path, NEXT))
            .and_then(|()| std::fs::remove_file(beside(path, INSIDE)));
        next.unlock().and(removed)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // It fails only for a file that is no longer open, which holds no lock either.
        let _ = self.0.inside.unlock();
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

    /// Whoever is inside removes the files as often as it can, and others open them at any moment.
    #[test]
    fn h10_one_is_inside_at_a_time_also_where_the_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let inside = AtomicBool::new(false);
        let (entered, removed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let go = |seed: usize| {
            let mut turnstile = Turnstile::open(&path).unwrap();
            for n in seed..seed + 400 {
                if n % 5 == 0 {
                    turnstile = Turnstile::open(&path).unwrap();
                }
                if n % 3 == 0 {
                    let _ = turnstile.is_free().unwrap();
                }
                let turn = turnstile.enter(Duration::from_secs(60)).unwrap();
                assert!(!inside.swap(true, Ordering::SeqCst));
                entered.fetch_add(1, Ordering::SeqCst);
                if n % 7 == 0 {
                    std::thread::sleep(Duration::from_micros(50));
                }
                inside.store(false, Ordering::SeqCst);
                if n % 2 == 0 {
                    turn.remove().unwrap();
                    let is_gone = !Turnstile::is_at(&path);
                    removed.fetch_add(usize::from(is_gone), Ordering::SeqCst);
                }
            }
        };
        std::thread::scope(|scope| {
            for seed in 0..6 {
                let go = &go;
                scope.spawn(move || go(seed));
            }
        });
        assert_eq!(entered.load(Ordering::SeqCst), 6 * 400);
        assert!(removed.load(Ordering::SeqCst) > 0);
        let mut turnstile = Turnstile::open(&path).unwrap();
        turnstile.enter(Duration::ZERO).unwrap().remove().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
