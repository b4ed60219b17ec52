//! Room on the disk. Some of it is kept back: when the rest is full, what only reads or makes room goes on,
//! and that needs to write a little, too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// What is kept back unless somebody says otherwise, in bytes; of a smaller disk a sixteenth.
pub const RESERVE: u64 = 256 * 1024 * 1024;
/// The file of that part of it that is there also when somebody else takes all the rest.
pub const FILE_NAME: &str = "node.reserve";

/// Most bytes of that file.
const HELD: u64 = 16 * 1024 * 1024;

/// The disk that a node's directory is on.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    reserve: Option<u64>,
    /// Bytes of the file, as they were when it was looked after.
    held: AtomicU64,
    /// Bytes that are going to be written.
    promised: AtomicU64,
}

/// Bytes of the disk for what is going to be written; over when dropped.
#[derive(Debug)]
pub(crate) struct Promised {
    disk: Arc<Disk>,
    bytes: u64,
}

impl Drop for Promised {
    fn drop(&mut self) {
        self.disk.promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How much room there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free, and the file that is held back.
    pub free: u64,
    /// What must stay of it.
    pub reserve: u64,
}

impl Room {
    /// Whether nothing may grow.
    #[must_use]
    pub const fn is_low(self) -> bool {
        self.free < self.reserve
    }
}

impl Disk {
    /// Of this directory, with so many bytes kept back.
    #[must_use]
    pub fn new(dir: &Path, reserve: Option<u64>) -> Self {
        Self {
            dir: dir.to_owned(),
            reserve,
            held: AtomicU64::new(0),
            promised: AtomicU64::new(0),
        }
    }

    /// How much room there is.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if the system does not tell.
    pub fn room(&self) -> io::Result<Room> {
        let system = statvfs(&self.dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(system.f_frsize);
        Ok(Room {
            free: bytes(system.f_bavail).saturating_add(self.held.load(Ordering::Relaxed)),
            reserve: match self.reserve {
                Some(reserve) => reserve,
                None => RESERVE.min(bytes(system.f_blocks) / 16),
            },
        })
    }

    /// Whether something may grow by so many bytes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`]. Where the system does not tell, it is tried.
    pub fn grow(&self, bytes: u64) -> io::Result<()> {
        match self.room() {
            Ok(room) if room.free < room.reserve.saturating_add(bytes) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    /// Room for so many bytes that are going to be written, beside those that others were promised.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`].
    pub(crate) fn promise(self: &Arc<Self>, bytes: u64) -> io::Result<Promised> {
        let before = self.promised.fetch_add(bytes, Ordering::Relaxed);
        let promised = Promised {
            disk: Arc::clone(self),
            bytes,
        };
        self.grow(before.saturating_add(bytes))?;
        Ok(promised)
    }

    /// Whether so many bytes more can be written for a while, by what must go on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`]: not without taking most of what is left.
    pub fn fits(&self, bytes: u64) -> io::Result<()> {
        match self.room() {
            Ok(room) if bytes > room.free / 4 => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// Whether nothing may grow.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.grow(0).is_err()
    }

    /// Pages that the log of the store may have before it is folded in: as many as SQLite has it, or, where little
    /// is held back, as many as can be folded in with a part of that. Pages have 4 KiB.
    #[must_use]
    pub fn log_pages(&self) -> u32 {
        const USUAL: u64 = 1000;
        const LEAST: u64 = 64;
        let held = self.room().map_or(0, |room| HELD.min(room.reserve / 2));
        let pages = (held / 4 / 4096).clamp(LEAST, USUAL);
        u32::try_from(pages).unwrap_or(1000)
    }

    /// Gives the held file up where somebody else has taken the rest, so that there is room for what must
    /// go on, and makes it anew when there is enough again.
    pub fn tend(&self) {
        // also where another process has changed it
        self.held.store(self.held(), Ordering::Relaxed);
        if let Err(error) = self.tended() {
            tracing::debug!(%error, "{FILE_NAME} is left as it is");
        }
        self.held.store(self.held(), Ordering::Relaxed);
    }

    fn tended(&self) -> io::Result<()> {
        let (room, held) = (self.room()?, self.held());
        let wanted = HELD.min(room.reserve / 2);
        let others = room.free.saturating_sub(held);
        if held > 0 && others < wanted / 2 {
            tracing::warn!("the disk is full: what was held back for this is given up");
            return self.file()?.set_len(0);
        }
        if held < wanted && room.free >= room.reserve.saturating_add(wanted) {
            let file = self.file()?;
            if let Err(error) = fallocate(&file, FallocateFlags::empty(), 0, wanted) {
                file.set_len(0)?;
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn held(&self) -> u64 {
        std::fs::metadata(self.dir.join(FILE_NAME)).map_or(0, |file| file.len())
    }

    fn file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.dir.join(FILE_NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h11_promises_of_one_disk_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let free = Disk::new(dir.path(), Some(0)).room().unwrap().free;
        let disk = Arc::new(Disk::new(dir.path(), Some(free / 2)));
        let first = disk.promise(free / 4).unwrap();
        let refused = disk.promise(free / 3).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        drop(first);
        drop(disk.promise(free / 4).unwrap());
        assert_eq!(disk.promised.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn h11_nothing_grows_into_the_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let free = Disk::new(dir.path(), Some(0)).room().unwrap().free;
        let disk = Disk::new(dir.path(), Some(free / 2));
        assert!(!disk.is_low());
        disk.grow(free / 4).unwrap();
        let refused = disk.grow(free / 4 * 3).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(Disk::new(dir.path(), Some(u64::MAX)).is_low());
        // what is held is a part of the reserve
        disk.tend();
        assert_eq!(disk.held(), HELD);
        assert!(disk.room().unwrap().free > free - HELD);
    }
}
