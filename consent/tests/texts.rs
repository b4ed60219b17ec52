//! Texts: signed under their prefix, whatever they look like.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use openkey_consent::{Asker, MAX_PAYLOAD, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Error, ErrorCode, Payload, Severity};
use sha3::{Digest as _, Keccak256};

fn text(text: &str) -> Result<SigningRequest, Error> {
    read_payload(
        &Payload::Text(text.to_owned()),
        &Address([0x11; 20]),
        Asker::Unknown,
        0,
    )
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
    for ordinary in ["Hello World", "cafe", "deadbeef", "Order 66 at 12:30"] {
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

/// What a contract computes for a digest: OpenZeppelin's `toEthSignedMessageHash(bytes32)`.
fn digest_for_contracts(digest: [u8; 32]) -> [u8; 32] {
    let prefix = b"\x19Ethereum Signed Message:\n32";
    Keccak256::digest([&prefix[..], &digest[..]].concat()).into()
}

/// Texts of 32 bytes can be found for any contract: one in 2^36 digests is a text without hidden
/// characters.
#[test]
fn e12_a_text_of_32_bytes_is_the_digest_of_something_else() {
    for ground in [
        "q8Zr!d0 Vx2#mK7p^Lw5@Tn9&Jc3*Yb1",
        "åäöüéèßñÅÄÖÜÉÈØÑ",
        "0123456789abcdef0123456789abcdef",
        "thirty-two bytes, all of them: a",
        "Thirty two bytes of plain letter",
        "thirty two bytes\nof plain letter",
    ] {
        assert_eq!(ground.len(), 32, "{ground}");
        let request = text(ground).unwrap();
        let bytes = ground.as_bytes().try_into().unwrap();
        assert_eq!(request.digest, digest_for_contracts(bytes));
        assert_eq!(worst(&request), Some(Severity::Danger), "{ground}");
        assert!(request.summary.confirm);
        let said = &request.summary.warnings[0].text;
        assert!(said.contains("32 bytes") && said.contains("Safe"), "{said}");
    }
    let words = "thirty two bytes of plain letter";
    assert_eq!(words.len(), 32);
    assert_eq!(worst(&text(words).unwrap()), None);
    assert_eq!(
        worst(&text("Plant two trees, in my 31 bytes").unwrap()),
        None
    );
}

#[test]
fn e12_a_text_whose_signature_is_a_key_says_so() {
    let space = "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:default";
    for (key, severity) in [
        (
            format!("tinycloud-vault-master-v1:{space}"),
            Severity::Danger,
        ),
        (
            "tinycloud-encryption-identity-v1".to_owned(),
            Severity::Danger,
        ),
        (
            format!("tinycloud-encryption-receiver-v1:{space}"),
            Severity::Danger,
        ),
        (
            "Access zkSync account.\n\nOnly sign this message for a trusted client!".to_owned(),
            Severity::Attention,
        ),
        (
            "Sign this message to access Loopring Exchange: \
             0x0BABA1Ad5bE3a5C0a66E7ac838a129Bf948f1eA4 with key nonce: 0"
                .to_owned(),
            Severity::Attention,
        ),
        (
            "Only sign this request if you’ve initiated an action with Immutable X.".to_owned(),
            Severity::Attention,
        ),
        (
            "name: ApeX\nversion: 1.0\nenvId: 1\naction: L2 Key\nonlySignOn: \
             https://pro.apex.exchange"
                .to_owned(),
            Severity::Attention,
        ),
        (
            "{\n  \"name\": \"dYdX\",\n  \"action\": \"dYdX STARK Key\"\n}".to_owned(),
            Severity::Attention,
        ),
        (
            "Sign this message to access your Umbra account.\n\nOnly sign this message for a \
             trusted client!"
                .to_owned(),
            Severity::Attention,
        ),
        (
            "Sign this message to generate your Fluidkey private payment keys.\n\nSecret: 0"
                .to_owned(),
            Severity::Attention,
        ),
        (
            "Sign this message to generate your Aztec Privacy Key. This key lets the application \
             decrypt your balance on Aztec.\n\nIMPORTANT: Only sign this message if you trust the \
             application."
                .to_owned(),
            Severity::Attention,
        ),
        (
            "Allow this account to control your identity".to_owned(),
            Severity::Attention,
        ),
        (
            "Add this account as a Ceramic authentication method".to_owned(),
            Severity::Attention,
        ),
        (
            "Access zkBob account.\n\nOnly sign this message for a trusted client!".to_owned(),
            Severity::Attention,
        ),
        (
            "Enable Push Profile \nc6f086dbc8295c8499873bf73e374f0bc230d567705c047938b3414163132280"
                .to_owned(),
            Severity::Attention,
        ),
        (
            "XMTP : Enable Identity\n00\n\nFor more info: https://xmtp.org/signatures/".to_owned(),
            Severity::Attention,
        ),
    ] {
        let request = text(&key).unwrap();
        assert_eq!(worst(&request), Some(severity), "{key}");
        assert_eq!(
            request.summary.title, "Sign a text whose signature is a secret key",
            "{key}"
        );
        let mut warnings = request.summary.warnings.iter();
        let is_said = |said: &str| said.contains("The signature of this text is itself");
        assert!(warnings.any(|it| is_said(&it.text)), "{key}");
    }
}

#[test]
fn c2_runs_that_push_words_out_of_sight_are_told_and_folded() {
    for (run, told) in [
        ("\n".repeat(10_001), "10,000 blank lines"),
        (" ".repeat(50_000), "50,000 spaces"),
        ("\n \t".repeat(400), "399 blank lines"),
    ] {
        let request = text(&format!("Hello{run}and pay everything")).unwrap();
        assert_eq!(worst(&request), Some(Severity::Attention), "{told}");
        let mut warnings = request.summary.warnings.iter();
        assert!(warnings.any(|it| it.text.contains(told)), "{told}");
        let shown = request.summary.text.unwrap();
        assert!(shown.len() < 100 && shown.ends_with("and pay everything"));
        assert!(shown.contains(told), "{shown}");
    }
}

#[test]
fn c2_stacked_marks_are_refused_and_joiners_of_scripts_are_not() {
    let zalgo = format!("pay{}", "\u{336}\u{301}".repeat(8));
    let error = text(&zalgo).unwrap_err();
    assert!(error.message.ends_with("[hidden_character]"), "{error:?}");
    assert_eq!(worst(&text("می\u{200c}خواهم وارد شوم").unwrap()), None);
    assert_eq!(worst(&text("क\u{94d}\u{200d}ष").unwrap()), None);
    for text_with in ["pay\u{200c}pal", "a\u{13430}b", "a\u{2800}b", "a\u{1bca0}b"] {
        assert!(text(text_with).is_err(), "{text_with:?}");
    }
}
