//! Whatever is asked for: nothing that is added makes it milder, all of it is shown or told of, and
//! nothing stops the program. Real texts and sign-ins with their severities: `vectors/corpus.json`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use openkey_capability::siwe::Message;
use openkey_consent::{Asker, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Error, Payload, Severity};
use proptest::{prelude::*, sample::select, strategy::BoxedStrategy};
use serde::Deserialize;

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;
const SIGNER: Address = Address([0x11; 20]);

/// A text or sign-in of a real program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Real {
    kind: String,
    text: String,
    /// When the site itself asks, if that can be told.
    severity: Severity,
    /// Part of what is said.
    says: Option<String>,
    source: String,
}

fn corpus() -> Vec<Real> {
    serde_json::from_str(include_str!("../vectors/corpus.json")).unwrap()
}

fn text(text: &str) -> Result<SigningRequest, Error> {
    read_payload(
        &Payload::Text(text.to_owned()),
        &SIGNER,
        Asker::Unknown,
        NOW,
    )
}

fn siwe(text: &str, asker: Asker<'_>) -> Result<SigningRequest, Error> {
    let signer = Message::parse(text).map_or(SIGNER, |it| Address(it.fields().address));
    read_payload(&Payload::Siwe(text.to_owned()), &signer, asker, NOW)
}

/// The origin of the site that a sign-in names.
fn own(text: &str) -> String {
    let message = Message::parse(text).unwrap();
    let fields = message.fields();
    let scheme = fields.scheme.as_deref().unwrap_or("https");
    format!("{scheme}://{}", fields.domain)
}

#[test]
fn real_texts_and_sign_ins_are_as_severe_as_was_decided() {
    let corpus = corpus();
    assert!(corpus.len() > 40);
    let mut wrong = Vec::new();
    for real in &corpus {
        assert!(real.source.starts_with("https://"), "{}", real.source);
        let request = match real.kind.as_str() {
            "text" => text(&real.text),
            _ => siwe(&real.text, Asker::Site(&own(&real.text))),
        };
        let request = request.unwrap_or_else(|error| panic!("{}: {error:?}", real.text));
        let warnings = &request.summary.warnings;
        let is_said = |part: &String| warnings.iter().any(|it| it.text.contains(part));
        if request.severity() != real.severity || !real.says.as_ref().is_none_or(is_said) {
            wrong.push(format!("{:?} {}: {warnings:#?}", real.text, real.source));
        }
        // Once each.
        for (at, warning) in warnings.iter().enumerate() {
            assert!(!warnings[..at].iter().any(|it| it.text == warning.text));
        }
        if real.kind == "siwe" {
            for asker in [Asker::Unknown, Asker::Page("https://openkey.example")] {
                let request = siwe(&real.text, asker).unwrap();
                assert!(request.summary.confirm, "{}", real.text);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Pieces of which texts that mislead are made.
fn piece() -> BoxedStrategy<String> {
    let texts: Vec<String> = corpus().into_iter().map(|it| it.text).collect();
    prop_oneof![
        2 => select(texts),
        2 => "[ -~]{0,40}",
        2 => "\\PC{0,12}",
        1 => "[0-9a-fA-F]{40,70}",
        1 => "0x[0-9a-f]{64}",
        1 => "[A-Za-z0-9+/]{43}=",
        1 => "(\n| |\t|\u{301}|\u{3000}|\\.){1,60}",
        1 => "[a-z]{32}",
        1 => select(vec![
            "tinycloud-vault-master-v1:x",
            "{\"primaryType\":\"Mail\"}",
            "action: L2 Key",
            "key",
            "generate",
            "n\u{336}o",
            "[… 3 blank lines …]",
        ])
        .prop_map(str::to_owned),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// A text that is nothing but a value is Danger as a whole; with anything else it stays told. Only
    /// what says nothing but an address, and the one length that counts, become ordinary by words.
    #[test]
    fn e12_what_is_added_makes_no_text_milder(
        a in piece(),
        more in prop::collection::vec((select(vec!["\n", " ", "\n\n"]), piece()), 1..4),
    ) {
        // What is blank at the end is the distance to what follows.
        prop_assume!(a.ends_with(|c: char| c.is_alphanumeric() || c.is_ascii_punctuation()));
        let Ok(before) = text(&a) else { return Ok(()) };
        let mut whole = a.clone();
        for (between, piece) in more {
            whole.push_str(between);
            whole.push_str(&piece);
        }
        let Ok(after) = text(&whole) else { return Ok(()) };
        let least = if a.starts_with("tinycloud-") {
            before.severity()
        } else {
            before.severity().min(Severity::Attention)
        };
        // Data as a whole are no data any more with words around them, and no program reads them.
        let is_whole = ["an address", "data for a program", "move value", "typed data"]
            .iter()
            .any(|it| before.summary.title.contains(it));
        // So is the label of a key.
        let is_label = before.summary.title.contains("a key") && a.split_whitespace().count() <= 3;
        // A few words with an amount are taken for a payment: what more words say is judged by itself.
        let is_short =
            before.summary.title.contains("a payment") && a.split_whitespace().count() <= 4;
        if a.len() != 32 && !is_whole && !is_label && !is_short {
            prop_assert!(after.severity() >= least, "{a:?} {whole:?}");
        }
        prop_assert_eq!(after.summary.confirm, after.severity() == Severity::Danger);
    }

    #[test]
    fn c2_all_of_a_text_is_shown_or_told_of_as_folded(
        pieces in prop::collection::vec(piece(), 1..6),
        between in select(vec!["\n", " ", "\n \n", ""]),
    ) {
        let whole = pieces.join(between);
        let Ok(request) = text(&whole) else { return Ok(()) };
        let shown = request.summary.text.clone().unwrap();
        if shown != whole {
            let is_told = request.summary.warnings.iter().any(|it| it.text.contains("folded in"));
            prop_assert!(is_told, "{whole:?}");
            prop_assert!(request.severity() >= Severity::Attention);
        }
        for word in whole.split_whitespace() {
            let has_words = word.contains(char::is_alphanumeric);
            let is_shown = shown.contains(word) || shown.contains("lines without words");
            prop_assert!(!has_words || is_shown, "{word:?} of {whole:?}");
        }
        for line in &request.summary.lines {
            prop_assert!(!line.value.contains(char::is_control));
        }
        for warning in &request.summary.warnings {
            prop_assert!(!warning.text.contains(char::is_control));
        }
    }

    #[test]
    fn c5_no_site_but_the_own_one_signs_in_mildly(
        domain in "[a-z0-9.:%@_\\[\\]-]{1,30}|[a-z]{1,70}(\\.[a-z]{1,70}){0,5}(:[0-9]{1,5})?",
        scheme in prop::option::of("[a-z]{1,40}"),
        asks in "https?://[a-z]{1,9}\\.example(:[0-9]{2,5})?",
    ) {
        let real = corpus().into_iter().find(|it| it.kind == "siwe").unwrap().text;
        let (_, rest) = real.split_once(" wants you").unwrap();
        let scheme = scheme.map_or_else(String::new, |it| format!("{it}://"));
        let message = format!("{scheme}{domain} wants you{rest}");
        for asker in [Asker::Site(&asks), Asker::Page(&asks), Asker::Unknown] {
            if let Ok(request) = siwe(&message, asker) {
                prop_assert!(request.summary.confirm, "{message}");
                // Whose it is stands whole in what is said.
                prop_assert!(request.summary.warnings[0].text.contains(&domain));
                let end = domain.get(domain.len().saturating_sub(40)..).unwrap();
                prop_assert!(request.summary.title.ends_with(end));
            }
        }
    }

    #[test]
    fn c5_what_is_added_makes_no_sign_in_milder(
        at in any::<prop::sample::Index>(),
        resources in prop::collection::vec("[a-z]{1,8}:[a-z/*.]{0,12}", 1..4),
    ) {
        let sign_ins: Vec<_> = corpus().into_iter().filter(|it| it.kind == "siwe").collect();
        let text = &at.get(&sign_ins).text;
        let origin = own(text);
        let before = siwe(text, Asker::Site(&origin)).unwrap();
        let label = if text.contains("\nResources:") { "" } else { "\nResources:" };
        let more: String = resources.iter().map(|it| format!("\n- {it}")).collect();
        if let Ok(after) = siwe(&format!("{text}{label}{more}"), Asker::Site(&origin)) {
            prop_assert!(after.severity() >= before.severity().max(Severity::Attention));
        }
    }

    #[test]
    fn nothing_stops_the_program(any in "\\PC{0,80}|(.|\n){0,200}") {
        for asker in [Asker::Unknown, Asker::Page(&any), Asker::Site(&any)] {
            for payload in [
                Payload::Text(any.clone()),
                Payload::Siwe(any.clone()),
                Payload::TypedData(any.clone()),
            ] {
                if let Err(error) = read_payload(&payload, &SIGNER, asker, NOW) {
                    prop_assert!(error.message.ends_with(']'));
                }
            }
        }
    }
}
