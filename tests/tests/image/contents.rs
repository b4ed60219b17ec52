//! What is in the image, and what is not.

use std::io::Read;

use cpio::newc;
use flate2::read::GzDecoder;
use memchr::memmem;
use openkey_image::eif;
use openkey_tests::program;

/// The files of the image's ramdisks, in order: name and content.
fn files() -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(crate::image().eif()).unwrap();
    let mut files = Vec::new();
    for ramdisk in eif::Image::decode(&bytes).unwrap().ramdisks {
        let mut rest: Box<dyn Read> = Box::new(GzDecoder::new(std::io::Cursor::new(ramdisk)));
        loop {
            let mut entry = newc::Reader::new(rest).unwrap();
            if entry.entry().is_trailer() {
                break;
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.push((entry.entry().name().to_owned(), content));
            rest = entry.finish().unwrap();
        }
    }
    files
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memmem::find(bytes, text.as_bytes()).is_some()
}

#[test]
fn p7_the_image_holds_one_program_without_a_development_root_key() {
    let files = files();
    let (programs, others): (Vec<_>, Vec<_>) = files
        .iter()
        .partition(|(_, content)| content.starts_with(b"\x7fELF"));
    let others: Vec<_> = others
        .iter()
        .filter(|(_, content)| !content.is_empty())
        .collect();
    assert_eq!(
        others.len(),
        0,
        "{:?}",
        others.iter().map(|it| &it.0).collect::<Vec<_>>()
    );
    let [(_, init)] = programs[..] else {
        panic!("{:?}", programs.iter().map(|it| &it.0).collect::<Vec<_>>());
    };
    // the places where it may panic say what it was made of
    assert!(contains(init, "enclave/src/root/"));
    assert!(!contains(init, "simulator/src/"));

    // the same program with its symbols, beside one that does have such a source
    let [enclave, simulator] =
        ["openkey-enclave", "openkey-sim"].map(|name| std::fs::read(program(name)).unwrap());
    for source in ["HandOverSource", "KmsSource"] {
        assert!(contains(&enclave, source));
    }
    assert!(contains(&simulator, "DevelopmentRoot"));
    assert!(!contains(&enclave, "DevelopmentRoot"));
}
