//! Ramdisks: their bytes depend on their contents, and nothing of the building machine is in them.

// Tests may fail by panicking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Read;

use cpio::newc::Reader;
use flate2::read::GzDecoder;
use openkey_image::{
    build::assemble,
    cpio::{Entry, archive, ramdisk},
};

const ENTRIES: &[Entry<'_>] = &[
    Entry::Directory("dev"),
    Entry::Device {
        path: "dev/console",
        major: 5,
        minor: 1,
    },
    Entry::Program {
        path: "init",
        data: b"program",
    },
];

/// Path, mode, contents, device.
type Found = (String, u32, Vec<u8>, (u32, u32));

/// Every entry; panics on anything that tells of the machine.
fn list(plain: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rest = plain;
    loop {
        let mut reader = Reader::new(rest).unwrap();
        let entry = reader.entry().clone();
        if entry.is_trailer() {
            return found;
        }
        assert_eq!((entry.uid(), entry.gid(), entry.mtime()), (0, 0, 0));
        assert_eq!(
            (entry.dev_major(), entry.dev_minor(), entry.nlink()),
            (0, 0, 1)
        );
        assert_eq!(entry.ino() as usize, found.len() + 1);
        let mut data = Vec::new();
        reader.read_to_end(&mut data).unwrap();
        let device = (entry.rdev_major(), entry.rdev_minor());
        found.push((entry.name().to_owned(), entry.mode(), data, device));
        rest = reader.finish().unwrap();
    }
}

fn unzip(ramdisk: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(ramdisk).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn p3_an_archive_has_its_entries_and_nothing_of_the_machine() {
    let expected = [
        ("dev".to_owned(), 0o040_755, Vec::new(), (0, 0)),
        ("dev/console".to_owned(), 0o020_600, Vec::new(), (5, 1)),
        ("init".to_owned(), 0o100_555, b"program".to_vec(), (0, 0)),
    ];
    assert_eq!(list(&archive(ENTRIES).unwrap()), expected);
}

#[test]
fn p3_the_gzip_header_has_no_name_time_or_system() {
    // RFC 1952 §2.3: magic, deflate, no flags, no time, best compression, unknown system
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    assert_eq!(ramdisk(ENTRIES).unwrap()[..10], header);
}

#[test]
fn m8_the_image_holds_one_program_and_no_other_file() {
    let image = assemble(b"kernel".to_vec(), b"program").unwrap();
    let files: Vec<_> = image
        .ramdisks
        .iter()
        .flat_map(|disk| list(&unzip(disk)))
        .collect();
    let names: Vec<&str> = files.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["dev", "dev/console", "proc", "sys", "init"]);
    let with_content = files.iter().filter(|(_, _, data, _)| !data.is_empty());
    let programs: Vec<&str> = with_content.map(|(name, ..)| name.as_str()).collect();
    assert_eq!(programs, ["init"]);
}
