//! Ramdisks: cpio archives (the kernel's `newc`) whose bytes depend on their contents alone.
//!
//! Owner root, no time stamps, inode numbers in sequence, entries in the order given, gzip without name
//! or time. Nothing of the building machine gets in.

use std::io::Write;

use cpio::newc::{self, ModeFileType};
use flate2::{Compression, GzBuilder};

use crate::Error;

/// gzip's "unknown operating system" (RFC 1952 §2.3.1): the builder's is nobody's business.
const NO_SYSTEM: u8 = 255;

/// One file of a ramdisk. Paths are relative, without `./`; directories come before what is in them.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// An empty directory, mode 0755.
    Directory(&'a str),
    /// A character device, mode 0600.
    Device {
        /// The path in the image, without a slash at its beginning.
        path: &'a str,
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A program, mode 0555.
    Program {
        /// The path in the image, without a slash at its beginning.
        path: &'a str,
        /// Its bytes.
        data: &'a [u8],
    },
}

/// The compressed archive of `entries`.
///
/// # Errors
/// [`Error::TooLarge`] for a file beyond what the format can say (4 GiB).
pub fn ramdisk(entries: &[Entry<'_>]) -> Result<Vec<u8>, Error> {
    let plain = archive(entries)?;
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(NO_SYSTEM)
        .write(Vec::new(), Compression::best());
    let compressed = gzip.write_all(&plain).and_then(|()| gzip.finish());
    compressed.map_err(Error::file("ramdisk"))
}

/// The archive of `entries`, not compressed.
///
/// # Errors
/// [`Error::TooLarge`] for a file beyond what the format can say (4 GiB).
pub fn archive(entries: &[Entry<'_>]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for (inode, entry) in (1..).zip(entries) {
        let (path, file_type, mode, data): (_, _, _, &[u8]) = match *entry {
            Entry::Directory(path) => (path, ModeFileType::Directory, 0o755, &[]),
            Entry::Device { path, .. } => (path, ModeFileType::Char, 0o600, &[]),
            Entry::Program { path, data } => (path, ModeFileType::Regular, 0o555, data),
        };
        let mut header = newc::Builder::new(path)
            .ino(inode)
            .mode(mode)
            .set_mode_file_type(file_type)
            .nlink(1)
            .uid(0)
            .gid(0)
            .mtime(0);
        if let Entry::Device { major, minor, .. } = *entry {
            header = header.rdev_major(major).rdev_minor(minor);
        }
        let size = u32::try_from(data.len()).map_err(|_| Error::TooLarge(path.to_owned()))?;
        let mut writer = header.write(out, size);
        out = writer
            .write_all(data)
            .and_then(|()| writer.finish())
            .map_err(Error::file(path))?;
    }
    newc::trailer(out).map_err(Error::file("ramdisk"))
}
