//! Texts: signed under their prefix, whatever they look like.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use openkey_consent::{MAX_PAYLOAD, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Error, ErrorCode, Payload, Severity};
use sha3::{Digest as _, Keccak256};

fn text(text: &str) -> Result<SigningRequest, Error> {
    read_payload(&Payload::Text(text.to_owned()), &Address([0x11; 20]), 0)
}

fn worst(request: &SigningRequest) -> Option<Severity> {
    request.summary.warnings.iter().map(|w| w.severity).max()
}

/// The digest that ethers' documentation gives for this text.
#[test]
fn e12_a_text_is_signed_under_its_prefix() {
    assert_eq!(
        hex::encode(text("Hello World").unwrap().digest),
        "a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2"
    );
}

#[test]
fn e12_encoded_transactions_and_preimages_are_texts_with_a_second_confirmation() {
    let legacy = format!("f8{:02x}{}", 100, "80".repeat(100));
    let digest = "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45";
    for (what, hex_text) in [
        ("a legacy transaction", format!("0x{legacy}")),
        ("without a prefix", legacy.clone()),
        ("in capitals", format!("0X{}", legacy.to_uppercase())),
        ("an EIP-1559 transaction", format!("0x02{legacy}")),
        ("a blob transaction", format!("0x03{legacy}")),
        (
            "an EIP-7702 authorisation",
            format!("0x05d70194{}80", "ab".repeat(20)),
        ),
        ("an EIP-712 preimage", format!("0x1901{digest}{digest}")),
        ("a short transaction", "0xc9808080808080808080".to_owned()),
        ("an EIP-191 preimage", format!("0x1945{digest}")),
        ("a digest", format!("0x{digest}")),
        ("a digest between spaces", format!("  {digest}\n")),
        (
            "a digest in pieces",
            format!("{} {}", &digest[..32], &digest[32..]),
        ),
    ] {
        let request = text(&hex_text).unwrap();
        assert_eq!(worst(&request), Some(Severity::Danger), "{what}");
        assert!(request.summary.confirm, "{what}");
        // Neither the bytes nor the text alone are hashed.
        let compact: String = hex_text.split_whitespace().collect();
        let digits = compact.trim_start_matches("0x").trim_start_matches("0X");
        let bytes = hex::decode(digits).unwrap();
        assert_ne!(request.digest[..], Keccak256::digest(&bytes)[..], "{what}");
        assert_ne!(request.digest[..], bytes[..], "{what}");
        assert_ne!(
            request.digest[..],
            Keccak256::digest(&hex_text)[..],
            "{what}"
        );
        let prefixed = format!("\x19Ethereum Signed Message:\n{}{hex_text}", hex_text.len());
        assert_eq!(
            request.digest[..],
            Keccak256::digest(prefixed)[..],
            "{what}"
        );
    }
    let raw = format!("\x19\x01{digest}");
    assert_eq!(text(&raw).unwrap_err().code, ErrorCode::TextRefused);
}

#[test]
fn ordinary_texts_need_no_confirmation() {
    for ordinary in [
        "Hello World",
        "cafe",
        "0x12",
        "1901",
        "deadbeef",
        "Order 66 at 12:30",
    ] {
        let request = text(ordinary).unwrap();
        assert_eq!(
            (worst(&request), request.summary.confirm),
            (None, false),
            "{ordinary}"
        );
    }
    let address = text("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266").unwrap();
    assert_eq!(worst(&address), Some(Severity::Attention));
    let json = text(r#"{"types":{},"primaryType":"Mail"}"#).unwrap();
    assert_eq!(worst(&json), Some(Severity::Attention));
    let long = "all of this is shown. ".repeat(MAX_PAYLOAD / 22);
    assert_eq!(text(&long).unwrap().summary.text, Some(long));
}
