//! What a process says, in a file that does not grow for ever.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// At this size a log becomes the old log, and the old one is gone.
const ROTATE_AT: u64 = 8 << 20;

/// One process's log: `NAME.log`, and `NAME.log.1` before it.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
}

impl LogFile {
    pub(super) fn open(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(format!("{name}.log"));
        let file = open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size >= ROTATE_AT {
            let old = self.path.with_extension("log.1");
            fs::rename(&self.path, old)?;
            self.file = open(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// The last lines of a process's log.
pub(super) fn tail(dir: &Path, name: &str, lines: usize) -> String {
    let text = fs::read(dir.join(format!("{name}.log"))).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let last = all.get(all.len().saturating_sub(lines)..);
    last.unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_becomes_the_old_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(dir.path(), "x").unwrap();
        log.write(b"one\n").unwrap();
        drop(log);
        let mut log = LogFile::open(dir.path(), "x").unwrap();
        log.write(b"two\n").unwrap();
        assert_eq!(tail(dir.path(), "x", 5), "one\ntwo");
        assert_eq!(tail(dir.path(), "x", 1), "two");
        log.size = ROTATE_AT;
        log.write(b"three\n").unwrap();
        assert_eq!(tail(dir.path(), "x", 5), "three");
        assert_eq!(fs::read(dir.path().join("x.log.1")).unwrap(), b"one\ntwo\n");
    }
}
