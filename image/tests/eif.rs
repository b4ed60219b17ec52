//! The image format: what is written is read back, and nothing else is read.

// Tests may fail by panicking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use openkey_image::eif::{
    Error, HEADER, Image, MAX_COMMAND_LINE, MAX_IMAGE, MAX_RAMDISKS, SECTION_HEADER, TABLE,
};
use proptest::prelude::*;

fn sample() -> Image {
    Image {
        kernel: b"kernel".to_vec(),
        command_line: "console=ttyS0".to_owned(),
        metadata: b"{}".to_vec(),
        ramdisks: vec![b"first".to_vec(), b"second".to_vec()],
        signature: None,
    }
}

fn signed() -> Image {
    Image {
        signature: Some(b"signature".to_vec()),
        ..sample()
    }
}

/// Writes the checksum that belongs to `bytes`, as an attacker would.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..HEADER - 4]);
    crc.update(&bytes[HEADER..]);
    bytes[HEADER - 4..HEADER].copy_from_slice(&crc.finalize().to_be_bytes());
    bytes
}

/// `bytes` with `value` at `offset`, and a checksum that agrees.
fn with(bytes: &[u8], offset: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[offset..offset + value.len()].copy_from_slice(value);
    seal(bytes)
}

fn refusal(bytes: &[u8]) -> Error {
    Image::decode(bytes).expect_err("accepted")
}

/// Where the header has the offset and the size of section `index`, and where the section starts.
fn places(bytes: &[u8], index: usize) -> (usize, usize, usize) {
    let offset = 28 + 8 * index;
    let start = u64::from_be_bytes(bytes[offset..offset + 8].try_into().unwrap());
    (offset, offset + 8 * TABLE, usize::try_from(start).unwrap())
}

#[test]
fn an_image_is_read_back() {
    for image in [sample(), signed()] {
        assert_eq!(Image::decode(&image.encode().unwrap()).unwrap(), image);
    }
}

#[test]
fn measurements_that_nobody_can_read_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("enclave.eif");
    std::fs::write(&file, sample().encode().unwrap()).unwrap();
    for more in [&[][..], &["--json"]] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_openkey-image"))
            .arg("measure")
            .arg(&file)
            .args(more)
            .stdout(full.unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: cannot_write: stdout: "), "{said}");
    }
}

#[test]
fn p3_every_prefix_is_refused() {
    let bytes = signed().encode().unwrap();
    for length in 0..bytes.len() {
        assert!(Image::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn p3_every_changed_byte_is_noticed_or_measured() {
    let image = signed();
    let bytes = image.encode().unwrap();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert!(
            Image::decode(&changed).is_err(),
            "byte {position}, checksum of the original"
        );
        if (HEADER - 4..HEADER).contains(&position) {
            continue; // that is the checksum
        }
        if let Ok(other) = Image::decode(&seal(changed)) {
            let same_parts = other.kernel == image.kernel
                && other.command_line == image.command_line
                && other.ramdisks == image.ramdisks;
            assert_eq!(
                other.measurements() == image.measurements(),
                same_parts,
                "byte {position}, checksum made to agree"
            );
            assert_ne!(other, image, "byte {position}");
        }
    }
}

#[test]
fn p3_headers_of_other_formats_are_refused() {
    let bytes = sample().encode().unwrap();
    assert_eq!(refusal(&with(&bytes, 0, b"\x7fELF")), Error::Magic);
    assert_eq!(refusal(&with(&bytes, 4, &[0, 3])), Error::Version(3));
    assert_eq!(refusal(&with(&bytes, 6, &[0, 1])), Error::Flags(1));
    for (offset, name) in [
        (8, "default memory"),
        (16, "default number of CPUs"),
        (24, "reserved field"),
        (540, "unused field"),
    ] {
        assert_eq!(refusal(&with(&bytes, offset, &[1])), Error::Header(name));
    }
    for count in [0_u16, 3, 33, u16::MAX] {
        let changed = with(&bytes, 26, &count.to_be_bytes());
        assert_eq!(refusal(&changed), Error::Sections(count));
    }
    assert_eq!(refusal(&with(&bytes, 26, &[0, 4])), Error::Table);
    assert_eq!(refusal(&with(&bytes, 26, &[0, 6])), Error::Gap(5));
    assert_eq!(refusal(b""), Error::Short("header"));
}

#[test]
fn p3_sections_that_readers_could_understand_differently_are_refused() {
    let bytes = sample().encode().unwrap();
    for index in 0..5 {
        let (offset, size, start) = places(&bytes, index);
        let moved = (start as u64 + 1).to_be_bytes();
        assert_eq!(refusal(&with(&bytes, offset, &moved)), Error::Gap(index));
        assert_eq!(
            refusal(&with(&bytes, size, &u64::MAX.to_be_bytes())),
            Error::TwoSizes(index)
        );
        assert_eq!(refusal(&with(&bytes, start + 2, &[0, 1])), Error::Flags(1));
        // the same size in both places, but beyond the end
        let both = with(&bytes, size, &u64::MAX.to_be_bytes());
        let both = with(&both, start + 4, &u64::MAX.to_be_bytes());
        assert_eq!(refusal(&both), Error::Short("sections"));
        for kind in [0_u16, 1, 2, 3, 4, 5, 6, u16::MAX] {
            let changed = with(&bytes, start, &kind.to_be_bytes());
            if changed == bytes || (index == 4 && kind == 4) {
                continue;
            }
            let position = index;
            assert_eq!(refusal(&changed), Error::Order { position, kind });
        }
    }
    let mut trailing = bytes;
    trailing.push(0);
    assert_eq!(refusal(&seal(trailing)), Error::Trailing(1));
    assert_eq!(refusal(&vec![0; MAX_IMAGE + 1]), Error::Size(MAX_IMAGE + 1));
}

#[test]
fn a_signature_comes_last_and_once() {
    let bytes = signed().encode().unwrap();
    let (_, _, start) = places(&bytes, 4);
    let changed = with(&bytes, start, &[0, 4]);
    let (position, kind) = (4, 4);
    assert_eq!(refusal(&changed), Error::Order { position, kind });
}

#[test]
fn parts_out_of_bounds_are_neither_written_nor_read() {
    let change = |how: fn(&mut Image)| {
        let mut image = sample();
        how(&mut image);
        image.encode().expect_err("written")
    };
    assert_eq!(change(|i| i.kernel.clear()), Error::Empty("kernel"));
    assert_eq!(
        change(|i| i.command_line.clear()),
        Error::Empty("command line")
    );
    assert_eq!(change(|i| i.command_line.push('\n')), Error::CommandLine);
    assert_eq!(change(|i| i.command_line.push('é')), Error::CommandLine);
    assert_eq!(
        change(|i| i.command_line = "x".repeat(MAX_COMMAND_LINE + 1)),
        Error::CommandLine
    );
    assert_eq!(change(|i| i.metadata = b"[]".to_vec()), Error::Metadata);
    assert_eq!(change(|i| i.metadata = b"{} x".to_vec()), Error::Metadata);
    assert_eq!(change(|i| i.ramdisks.clear()), Error::Ramdisks(0));
    assert_eq!(
        change(|i| i.ramdisks = vec![vec![0]; MAX_RAMDISKS + 1]),
        Error::Ramdisks(MAX_RAMDISKS + 1)
    );
    assert_eq!(
        change(|i| i.ramdisks.push(Vec::new())),
        Error::Empty("ramdisk")
    );
    assert_eq!(
        change(|i| i.signature = Some(Vec::new())),
        Error::Empty("signature")
    );
    assert_eq!(
        change(|i| i.signature = Some(vec![0; 1 << 20])),
        Error::Signature
    );

    let bytes = sample().encode().unwrap();
    let (_, _, start) = places(&bytes, 1);
    let unprintable = with(&bytes, start + SECTION_HEADER, b"\0");
    assert_eq!(refusal(&unprintable), Error::CommandLine);
    let (_, _, start) = places(&bytes, 2);
    assert_eq!(
        refusal(&with(&bytes, start + SECTION_HEADER, b"[]")),
        Error::Metadata
    );
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..longest)
}

proptest! {
    #[test]
    fn every_image_is_read_back(
        kernel in bytes(200),
        command_line in "[ -~]{1,100}",
        name in "[a-z]{0,20}",
        ramdisks in prop::collection::vec(bytes(100), 1..=MAX_RAMDISKS),
        signature in prop::option::of(bytes(100)),
    ) {
        let metadata = format!("{{\"ImageName\":\"{name}\"}}").into_bytes();
        let image = Image { kernel, command_line, metadata, ramdisks, signature };
        let bytes = image.encode().unwrap();
        prop_assert_eq!(Image::decode(&bytes).unwrap(), image);
    }

    #[test]
    fn p3_what_is_accepted_has_one_encoding(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        is_signed: bool,
    ) {
        let mut bytes = if is_signed { signed() } else { sample() }.encode().unwrap();
        for (index, value) in changes {
            let position = index.index(bytes.len());
            bytes[position] = value;
        }
        let bytes = seal(bytes);
        if let Ok(image) = Image::decode(&bytes) {
            prop_assert_eq!(image.encode().unwrap(), bytes);
        }
    }
}
