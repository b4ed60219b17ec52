//! Attacks on what people are told before they approve, and vectors named after the rules that
//! refuse them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use std::{fs, path::Path};

use openkey_consent::{Asker, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Error, ErrorCode, Payload, PromptKind, Severity};

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;

/// The page that asks.
const ORIGIN: Asker<'static> = Asker::Site("https://app.example");

fn signer() -> Address {
    "f39fd6e51aad88f6f4ce6ab8827279cfffb92266".parse().unwrap()
}

fn read(payload: &Payload) -> Result<SigningRequest, Error> {
    read_payload(payload, &signer(), ORIGIN, NOW)
}

fn text(text: &str) -> Result<SigningRequest, Error> {
    read(&Payload::Text(text.to_owned()))
}

fn siwe(text: &str) -> Result<SigningRequest, Error> {
    read(&Payload::Siwe(text.to_owned()))
}

/// Every file of a folder: its name without the ending, and what it holds.
fn vectors(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(folder);
    let mut vectors: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    vectors.sort();
    assert!(!vectors.is_empty());
    vectors
}

fn vector(folder: &str, name: &str) -> String {
    let mut vectors = vectors(folder).into_iter();
    vectors.find(|(found, _)| found == name).unwrap().1
}

fn line<'r>(request: &'r SigningRequest, label: &str) -> &'r str {
    let lines = &request.summary.lines;
    let found = lines.iter().find(|line| line.label == label);
    found.map_or_else(
        || panic!("no line {label} in {lines:#?}"),
        |line| &line.value,
    )
}

fn worst(request: &SigningRequest) -> Option<Severity> {
    request.summary.warnings.iter().map(|w| w.severity).max()
}

type Wrap = fn(String) -> Payload;
const KINDS: [(&str, Wrap, PromptKind, ErrorCode); 3] = [
    (
        "text",
        Payload::Text,
        PromptKind::SignText,
        ErrorCode::TextRefused,
    ),
    (
        "siwe",
        Payload::Siwe,
        PromptKind::SignSiwe,
        ErrorCode::SiweRefused,
    ),
    (
        "typed_data",
        Payload::TypedData,
        PromptKind::SignTypedData,
        ErrorCode::TypedDataRefused,
    ),
];

#[test]
fn accepted_vectors_are_shown_whole() {
    for (folder, wrap, kind, _) in KINDS {
        for (name, payload) in vectors(&format!("{folder}/accepted")) {
            let request =
                read(&wrap(payload.clone())).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(request.kind, kind, "{name}");
            assert_eq!(request.summary.text, Some(payload), "{name}");
            assert!(!request.summary.title.is_empty(), "{name}");
            let key = openkey_capability::address::eip55(signer().as_bytes());
            assert_eq!(line(&request, "Key"), key, "{name}");
            let danger = worst(&request) == Some(Severity::Danger);
            assert_eq!(request.summary.confirm, danger, "{name}");
        }
    }
}

/// Each file is named after the rule that refuses it, with a note after a dot.
#[test]
fn refused_vectors_break_the_rule_they_are_named_after() {
    for (folder, wrap, _, code) in KINDS {
        for (name, payload) in vectors(&format!("{folder}/refused")) {
            let rule = name.split('.').next().unwrap();
            let Err(error) = read(&wrap(payload)) else {
                panic!("{folder}/{name} was accepted");
            };
            let expected = match rule {
                "empty" | "too_long" => ErrorCode::OutOfBounds,
                "looks_like_siwe" => ErrorCode::SiweRefused,
                "other_address" | "expired" | "never_valid" | "other_owner" | "other_service"
                | "odd_resource" | "hosting_mixed" | "hosting_resource" | "too_many_grants" => {
                    ErrorCode::SiweUnsupported
                }
                _ => code,
            };
            assert_eq!(error.code, expected, "{folder}/{name}: {error:?}");
            let ending = format!(" [{rule}]");
            assert!(
                error.message.ends_with(&ending),
                "{folder}/{name}: {error:?}"
            );
            assert!(!error.advice.is_empty(), "{folder}/{name}");
        }
    }
}

#[test]
fn a8_a_sign_in_that_is_not_canonical_is_refused() {
    let good = vector("siwe/accepted", "plain");
    assert!(siwe(&good).is_ok());
    for (what, bad) in [
        ("carriage returns", good.replace('\n', "\r\n")),
        ("a last line feed", format!("{good}\n")),
        (
            "a decoy in the statement",
            good.replace("Welcome back", "URI: https://app.example/ Welcome back"),
        ),
        (
            "an expiry in the statement",
            good.replace("Welcome back", "Expiration Time: 2026-03-04T07:00:00Z"),
        ),
        (
            "a second statement line",
            good.replace("garden.", "garden.\nExpiration Time: 2026-03-04T07:00:00Z"),
        ),
        (
            "a URI twice",
            good.replace("Version: 1", "URI: https://other.example/\nVersion: 1"),
        ),
        (
            "a chain with a zero in front",
            good.replace("Chain ID: 1", "Chain ID: 01"),
        ),
        (
            "an address in lower case",
            good.replace("0xf39Fd6e5", "0xf39fd6e5"),
        ),
    ] {
        let error = siwe(&bad).unwrap_err();
        assert_eq!(error.code, ErrorCode::SiweRefused, "{what}: {error:?}");
        // And it cannot be had as an ordinary text either.
        assert_eq!(
            text(&bad).unwrap_err().code,
            ErrorCode::SiweRefused,
            "{what}"
        );
    }
}

#[test]
fn a9_text_that_looks_like_a_sign_in_is_never_signed_as_text() {
    let good = vector("siwe/accepted", "plain");
    let recap = vector("siwe/accepted", "recap");
    for disguised in [
        good.clone(),
        good.to_lowercase(),
        good.replace(' ', "\u{a0}"),
        good.replace("wants", "w\u{200d}ants"),
        good.replace("wants", "w\u{430}nts"),
        good.replace("account:", "account :"),
        good.replace('\n', "\u{2028}"),
        good.replace("Ethereum", "Solana"),
        good.lines().skip(1).collect::<Vec<_>>().join("\n"),
        recap.clone(),
        recap.replace("urn:recap:", "URN:RECAP:"),
        recap.lines().last().unwrap().to_owned(),
    ] {
        let error = text(&disguised).unwrap_err();
        assert_eq!(
            error.code,
            ErrorCode::SiweRefused,
            "{disguised:?}: {error:?}"
        );
    }
}

#[test]
fn a9_a_recap_is_never_signed_as_a_plain_sign_in() {
    for (name, message) in vectors("siwe/refused") {
        if name.contains("recap") {
            let error = siwe(&message).unwrap_err();
            assert_eq!(error.code, ErrorCode::SiweRefused, "{name}: {error:?}");
            assert!(error.message.contains("hands out permissions"), "{name}");
            let error = text(&message).unwrap_err();
            assert_eq!(error.code, ErrorCode::SiweRefused, "{name}: {error:?}");
        }
    }
}

#[test]
fn b7_a_sign_in_is_bound_to_its_chain() {
    let on = |chain: &str| {
        siwe(
            &vector("siwe/accepted", "plain").replace("Chain ID: 1", &format!("Chain ID: {chain}")),
        )
    };
    let (ethereum, optimism) = (on("1").unwrap(), on("10").unwrap());
    assert_ne!(ethereum.digest, optimism.digest);
    assert_eq!(line(&ethereum, "Chain"), "Ethereum (chain 1)");
    assert_eq!(line(&optimism, "Chain"), "OP Mainnet (chain 10)");
    assert!(line(&ethereum, "Account").starts_with("did:pkh:eip155:1:0xf39F"));
    assert!(line(&optimism, "Account").starts_with("did:pkh:eip155:10:0xf39F"));
    assert_eq!(
        line(&on("123456789").unwrap(), "Chain"),
        "chain 123456789, which has no name here"
    );
    for wrong in ["0", "01", "-1", "0x1", "1 ", "18446744073709551616", "one"] {
        assert_eq!(
            on(wrong).unwrap_err().code,
            ErrorCode::SiweRefused,
            "{wrong}"
        );
    }
}

#[test]
fn b7_typed_data_is_bound_to_its_chain() {
    let mail = vector("typed_data/accepted", "mail");
    let on = |chain: &str| {
        let json = mail.replace("\"chainId\": 1", &format!("\"chainId\": {chain}"));
        read(&Payload::TypedData(json))
    };
    let (ethereum, base) = (on("1").unwrap(), on("8453").unwrap());
    assert_ne!(ethereum.digest, base.digest);
    assert_eq!(line(&ethereum, "Chain"), "Ethereum (chain 1)");
    assert_eq!(line(&base, "Chain"), "Base (chain 8453)");
    for same in ["\"8453\"", "\"0x2105\""] {
        assert_eq!(
            on(same).unwrap(),
            SigningRequest {
                summary: openkey_protocol::message::Summary {
                    text: on(same).unwrap().summary.text,
                    ..base.summary.clone()
                },
                ..base.clone()
            }
        );
    }
    // No chain at all is possible, and said.
    let none = mail
        .replace(
            "{\n    \"name\": \"chainId\",\n    \"type\": \"uint256\"\n   },",
            "",
        )
        .replace("\"chainId\": 1,", "");
    let none = read(&Payload::TypedData(none)).unwrap();
    assert_eq!(line(&none, "Chain"), "Not said");
    assert!(
        none.summary
            .warnings
            .iter()
            .any(|w| w.text.contains("every chain"))
    );
}

#[test]
fn sign_ins_say_who_what_and_until_when() {
    let plain = vector("siwe/accepted", "plain");
    let request = siwe(&vector("siwe/accepted", "expires")).unwrap();
    assert_eq!(request.summary.title, "Sign in to app.example");
    assert_eq!(line(&request, "Who asks"), "app.example");
    assert_eq!(line(&request, "They say"), "“Welcome back to the garden.”");
    assert_eq!(line(&request, "For"), "https://app.example/login");
    assert_eq!(
        line(&request, "Until"),
        "5 March 2026, 00:00:00 UTC (in 18 hours)"
    );
    assert_eq!(worst(&request), None);

    let warns = |change: &dyn Fn(String) -> String, part: &str| {
        let request = siwe(&change(plain.clone())).unwrap();
        let found = request
            .summary
            .warnings
            .iter()
            .any(|w| w.text.contains(part));
        assert!(found, "{part}: {:#?}", request.summary);
    };
    warns(&|s| s, "no end of its own");
    warns(
        &|s| s + "\nExpiration Time: 2026-04-04T00:00:00Z",
        "more than thirty days",
    );
    warns(
        &|s| s + "\nNot Before: 2026-03-05T00:00:00Z",
        "not hold yet",
    );
    warns(
        &|s| s.replace("Issued At: 2026", "Issued At: 2027"),
        "in the future",
    );
    warns(
        &|s| s.replace("URI: https://app", "URI: https://other"),
        "different sites",
    );
    warns(
        &|s| s.replace("URI: https://app.example", "URI: https://app.example:444"),
        "different",
    );
    warns(
        &|s| s.replace("URI: https://app.example", "URI: https://app.example@x"),
        "different",
    );
    warns(&|s| format!("http://{s}"), "not encrypted");
    warns(
        &|s| s.replace("app.example wants", "xn--pp-1ka.example wants"),
        "look like another",
    );
    let same = plain.replace("URI: https://app.example/", "URI: HTTPS://APP.example:443/");
    assert!(
        !siwe(&same)
            .unwrap()
            .summary
            .warnings
            .iter()
            .any(|w| w.text.contains("sites"))
    );
    let resources = siwe(&format!(
        "{plain}\nResources:\n- ipfs://a\n- https://b.example/"
    ))
    .unwrap();
    assert_eq!(line(&resources, "Resource 1"), "ipfs://a");
    assert_eq!(line(&resources, "Resource 2"), "https://b.example/");
}

/// Everything that a text does is in its title; done for another site it is dangerous.
/// Readers exist that skip what stands before `/ipfs/` or behind a CID, and revoke.
#[test]
fn a13_an_address_that_others_read_as_a_revocation_is_dangerous() {
    let plain = vector("siwe/accepted", "expires");
    let cid = "bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima";
    for uri in [
        format!("ucan:/ipfs/{cid}"),
        format!("ucan:x/ipfs/{cid}"),
        format!("UCAN:{cid}"),
        format!("ucan:{cid}a"),
    ] {
        let text = plain.replace("https://app.example/login", &uri);
        let read = read_payload(&Payload::Siwe(text), &signer(), ORIGIN, NOW).unwrap();
        assert!(read.summary.confirm, "{uri}");
        assert_eq!(read.summary.title, "Sign in to app.example", "{uri}");
    }
}

/// What a site gets a person to sign for another site: SCENARIOS 27 of the design.
#[test]
fn c5_s27_a_sign_in_to_another_site_than_the_one_that_asks_is_dangerous() {
    let text = vector("siwe/accepted", "expires");
    let read = |text: &str, asker| {
        read_payload(&Payload::Siwe(text.to_owned()), &signer(), asker, NOW).unwrap()
    };
    let request = read(&text, ORIGIN);
    assert!(!request.summary.confirm && request.summary.warnings.is_empty());
    assert_eq!(request.summary.lines[0].label, "Who asks");
    // A person pasted it into OpenKey's own page, even if it is one to that page, or it is not known where.
    for asker in [
        Asker::Page("https://app.example"),
        Asker::Page("https://openkey.example"),
        Asker::Unknown,
    ] {
        let request = read(&text, asker);
        assert_eq!(request.summary.lines[0].label, "Sign in to");
        assert_eq!(request.severity(), Severity::Danger);
        assert!(request.summary.confirm);
        assert_eq!(
            request.summary.warnings[0].text,
            "OpenKey cannot see which site asks. Sign only if you are at app.example yourself and \
             began this sign-in there."
        );
    }
    // The words name both.
    let request = read(&text, Asker::Site("https://evil.example"));
    assert!(request.summary.confirm);
    let said = &request.summary.warnings[0].text;
    assert!(
        said.contains("app.example") && said.contains("https://evil.example"),
        "{said}"
    );
    // So for every kind of sign-in.
    for (name, text) in vectors("siwe/accepted") {
        assert!(read(&text, Asker::Unknown).summary.confirm, "{name}");
        assert!(
            read(&text, Asker::Site("https://evil.example"))
                .summary
                .confirm,
            "{name}"
        );
    }
}

/// Systems exist that take such sign-ins as the rights of a session key.
#[test]
fn c5_a_sign_in_for_a_key_or_with_resources_of_other_systems_says_so() {
    let plain = vector("siwe/accepted", "expires");
    for uri in [
        "did:key:z6MkwJZvUcdFomr1peSoTBjwYEGwKDjLxrDXcMkp1bHAzui6",
        "DID:key:z6Mk",
        "did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "ceramic://*",
        "ipfs://bafy",
        "lit:session:80d2a7",
        "urn:uuid:00000000-0000-4000-8000-000000000002",
        "x:",
    ] {
        let text = plain.replace("https://app.example/login", uri);
        let request = siwe(&text).unwrap();
        assert_eq!(request.severity(), Severity::Attention, "{uri}");
        let said = &request.summary.warnings[0].text;
        assert!(
            said.contains("OpenKey does not know which rights"),
            "{said}"
        );
    }
    for resources in [
        "- ceramic://*",
        "- https://app.example/terms\n- ipfs://bafy\n- http://app.example/",
        "- did:key:z6Mk",
    ] {
        let request = siwe(&format!("{plain}\nResources:\n{resources}")).unwrap();
        assert_eq!(request.severity(), Severity::Attention, "{resources}");
        let said = &request.summary.warnings[0].text;
        assert!(said.contains("may give a session key rights"), "{said}");
    }
    let https = siwe(&format!("{plain}\nResources:\n- https://app.example/terms")).unwrap();
    assert_eq!(https.severity(), Severity::Notice);
}

#[test]
fn c5_the_end_of_a_long_site_name_is_always_shown() {
    let long = format!("bank.example.{0}.{0}.{0}.evil.example:444", "a".repeat(60));
    let text = vector("siwe/accepted", "expires");
    let text = text.replacen("app.example wants", &format!("{long} wants"), 1);
    let request = siwe(&text).unwrap();
    assert!(request.summary.title.starts_with("Sign in to …aa.aaa"));
    assert!(request.summary.title.ends_with(".evil.example:444"));
    assert_eq!(line(&request, "Sign in to"), long);
    assert!(request.summary.warnings[0].text.contains(&long));
}

#[test]
fn times_that_cannot_be_say_which_and_why() {
    let plain = vector("siwe/accepted", "plain");
    for (more, said) in [
        (
            "\nExpiration Time: 2026-05-01T00:00:00Z\nNot Before: 2026-06-01T00:00:00Z",
            "ends before it begins: it would begin on 1 June 2026, 00:00:00 UTC (in 89 days) (Not Before)",
        ),
        (
            "\nExpiration Time: 2026-01-01T00:00:00Z",
            "it ended on 1 January 2026",
        ),
    ] {
        let error = siwe(&format!("{plain}{more}")).unwrap_err();
        assert!(error.message.contains(said), "{}", error.message);
    }
    let future = plain.replace("Issued At: 2026", "Issued At: 2027");
    let error = siwe(&format!("{future}\nExpiration Time: 2026-05-01T00:00:00Z")).unwrap_err();
    assert!(
        error.message.contains("ends before it was made"),
        "{}",
        error.message
    );
    assert!(error.message.contains("(Issued At)"), "{}", error.message);
}

#[test]
fn a13_a_sign_in_that_does_more_is_titled_as_all_of_it() {
    let plain = vector("siwe/accepted", "expires");
    let cid = "bafkr4icbi4xymykl4imn6dj6so3typosyzw3sp235q4nq35rdqfwbv7ima";
    let revoking = plain.replace("https://app.example/login", &format!("ucan:{cid}"));
    let hosting = vector("siwe/accepted", "recap.hosting");
    for (text, title) in [
        (
            &revoking,
            "Sign in to app.example and take back a permission",
        ),
        (
            &hosting,
            "Sign in to app.example and let a node keep your space “default”",
        ),
    ] {
        let asked_by = |text: &str, asker: Asker<'_>| {
            read_payload(&Payload::Siwe(text.to_owned()), &signer(), asker, NOW).unwrap()
        };
        let own = asked_by(text, ORIGIN);
        assert_eq!(own.summary.title, title);
        assert!(!own.summary.confirm, "{:#?}", own.summary.warnings);
        let what = own.summary.lines.iter().filter(|line| line.label == "What");
        assert_eq!(what.count(), 2);
        let bank = text.replacen("app.example wants", "bank.example wants", 1);
        let other_port = text.replacen("app.example wants", "app.example:444 wants", 1);
        let other_scheme = format!("http://{text}");
        for (foreign, asker) in [
            (&bank, ORIGIN),
            (&other_port, ORIGIN),
            (&other_scheme, ORIGIN),
            (text, Asker::Site("https://bank.example")),
            (text, Asker::Site("https://app.example:444")),
            (text, Asker::Site("https://app.example@bank.example")),
            (text, Asker::Site("no origin")),
            (text, Asker::Page("https://openkey.example")),
            (text, Asker::Unknown),
        ] {
            let request = asked_by(foreign, asker);
            assert!(request.summary.confirm, "{asker:?} {foreign}");
            assert_eq!(request.summary.warnings[0].severity, Severity::Danger);
            assert!(request.summary.title.starts_with("Sign in to "));
        }
    }
    // What is no revocation is not called one, and a plain sign-in is for whom it is for.
    for (uri, title) in [
        (
            format!("ucan:ada@example.com/keep/ipfs/{cid}"),
            "Sign in to app.example",
        ),
        (format!("ucan:/ipfs/{cid}"), "Sign in to app.example"),
        (format!("ucan:{cid}?x"), "Sign in to app.example"),
    ] {
        let request = siwe(&plain.replace("https://app.example/login", &uri)).unwrap();
        assert_eq!(request.summary.title, title, "{uri}");
    }
}
