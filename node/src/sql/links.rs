//! Delegations on which something rests that is becoming durable.
//!
//! A worker holds a byte of one file (a shared lock of the system's) for each delegation that a write rests on:
//! from before the node asks whether they still stand until the write is durable or undone. Whoever revokes one
//! writes that first, and then waits until nobody holds its byte. So whoever has asked before is waited for, and
//! whoever asks later is refused; also in another process, and if either is killed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

/// The name of the file, in the directory of databases. It stays empty.
pub(super) const FILE: &str = "links.lock";

/// What a delegation says, as the place of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link(i64);

impl Link {
    pub(super) fn of(statement: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *statement;
        // two that share a place wait for each other: it is one of 2^62
        Self(i64::from_le_bytes([a, b, c, d, e, f, g, h]) & (i64::MAX >> 1))
    }
}

/// The file, as opened once: its locks are told from those of whoever else has opened it.
#[derive(Debug)]
pub(super) struct Links(File);

/// What is held, until this is dropped: until the file is closed.
#[derive(Debug)]
pub(super) struct Held {
    _file: Links,
}

impl Links {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        Ok(Self(options.mode(0o600).open(dir.join(FILE))?))
    }

    /// The file, if anybody has ever held something. Nothing is written for that.
    pub(super) fn find(dir: &Path) -> io::Result<Option<Self>> {
        match OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.join(FILE))
        {
            Ok(file) => Ok(Some(Self(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Holds these. Nobody waits for it.
    pub(super) fn hold<'a>(self, links: impl IntoIterator<Item = &'a Link>) -> io::Result<Held> {
        for link in links {
            let lock = lock(libc::F_RDLCK, link.0);
            fcntl(&self.0, FcntlArg::F_OFD_SETLK(&lock))?;
        }
        Ok(Held { _file: self })
    }

    /// Whether somebody else holds this.
    pub(super) fn is_held(&self, link: Link) -> io::Result<bool> {
        let mut found = lock(libc::F_WRLCK, link.0);
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut found))?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }
}

fn lock(kind: i32, start: i64) -> libc::flock {
    libc::flock {
        // both are small numbers
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g5_who_revokes_sees_what_others_hold_until_they_let_go() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Links::find(dir.path()).unwrap().is_none());
        let open = || Links::open(dir.path()).unwrap();
        let [a, b, c] = [1, 2, 3].map(|n| Link::of(&[n; 32]));
        let held = open().hold(&[a, b]).unwrap();
        let again = open().hold(&[b]).unwrap();
        let revoker = Links::find(dir.path()).unwrap().unwrap();
        let seen = || [a, b, c].map(|link| revoker.is_held(link).unwrap());
        assert_eq!(seen(), [true, true, false]);
        drop(held);
        assert_eq!(seen(), [false, true, false]);
        drop(again);
        assert_eq!(seen(), [false; 3]);
    }
}
