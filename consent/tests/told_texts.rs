//! What a person is told about texts and sign-ins: each vector is an attack that was told too mildly, or an
//! honest text beside it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use core::time::Duration;

use openkey_consent::{Asker, MAX_PAYLOAD, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Payload, Severity};
use serde::Deserialize;

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;
const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    about: String,
    text: Option<String>,
    siwe: Option<SignIn>,
    /// Of the site that asks.
    origin: Option<String>,
    severity: Severity,
    title: Option<String>,
    /// Part of a warning.
    says: Option<String>,
    source: String,
}

/// The members of a sign-in that are not those of an honest one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    scheme: Option<String>,
    domain: Option<String>,
    statement: Option<String>,
    uri: Option<String>,
    nonce: Option<String>,
    request_id: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
}

impl SignIn {
    fn text(&self) -> String {
        let scheme = self.scheme.as_ref().map(|it| format!("{it}://"));
        let or = |given: &Option<String>, usual: &str| given.clone().unwrap_or(usual.to_owned());
        let statement = self.statement.as_ref().map(|it| format!("{it}\n"));
        let mut text = format!(
            "{}{} wants you to sign in with your Ethereum account:\n{ADDRESS}\n\n{}\nURI: {}\n\
             Version: 1\nChain ID: 1\nNonce: {}\nIssued At: 2026-03-04T05:59:00Z\n\
             Expiration Time: 2026-03-05T00:00:00Z",
            scheme.unwrap_or_default(),
            or(&self.domain, "app.example"),
            statement.unwrap_or_default(),
            or(&self.uri, "https://app.example/login"),
            or(&self.nonce, "k3jv82lq0a"),
        );
        if let Some(id) = &self.request_id {
            text.push_str(&format!("\nRequest ID: {id}"));
        }
        if !self.resources.is_empty() {
            text.push_str(&format!("\nResources:\n- {}", self.resources.join("\n- ")));
        }
        text
    }
}

fn read(payload: Payload, asker: Asker<'_>) -> SigningRequest {
    let signer: Address = ADDRESS[2..].to_lowercase().parse().unwrap();
    read_payload(&payload, &signer, asker, NOW)
        .unwrap_or_else(|error| panic!("{payload:?}: {error:?}"))
}

impl Row {
    fn read(&self) -> SigningRequest {
        let payload = match (&self.text, &self.siwe) {
            (Some(text), None) => Payload::Text(text.clone()),
            (None, Some(siwe)) => Payload::Siwe(siwe.text()),
            _ => panic!("{}: a text or a sign-in", self.about),
        };
        read(
            payload,
            self.origin.as_deref().map_or(Asker::Unknown, Asker::Site),
        )
    }
}

#[test]
fn e12_texts_and_sign_ins_are_as_severe_as_was_decided() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../vectors/text/told.json")).unwrap();
    assert!(rows.len() > 100);
    let mut wrong = Vec::new();
    for row in &rows {
        assert!(row.source.starts_with("https://"), "{}", row.source);
        let request = row.read();
        let summary = &request.summary;
        let mut warnings = summary.warnings.iter();
        let is_right = request.severity() == row.severity
            && summary.confirm == (row.severity == Severity::Danger)
            && row.title.as_ref().is_none_or(|it| *it == summary.title)
            && (row.says.as_ref()).is_none_or(|part| warnings.any(|it| it.text.contains(part)));
        if !is_right {
            let said = row.text.as_deref().unwrap_or_default();
            wrong.push(format!(
                "{} {said:?}: {}\n{:#?}",
                row.about, summary.title, summary.warnings
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

#[test]
fn c2_an_empty_statement_is_told_as_what_it_is() {
    let empty = SignIn {
        scheme: None,
        domain: None,
        statement: Some(String::new()),
        uri: None,
        nonce: None,
        request_id: None,
        resources: Vec::new(),
    };
    let text = empty.text();
    let request = read(
        Payload::Siwe(text.clone()),
        Asker::Site("https://app.example"),
    );
    assert_eq!(request.summary.warnings, []);
    assert_eq!(request.summary.text, Some(text));
    let lines = &request.summary.lines;
    let said = lines.iter().find(|line| line.label == "They say").unwrap();
    assert_eq!(said.value, "Nothing: the statement is empty");
}

/// Every member of a sign-in has a row.
#[test]
fn c2_every_member_of_a_sign_in_is_shown() {
    let sign_in = SignIn {
        scheme: None,
        domain: None,
        statement: None,
        uri: None,
        nonce: None,
        request_id: Some("7f3a".to_owned()),
        resources: Vec::new(),
    };
    let begins = "\nNot Before: 2026-03-04T12:00:00Z\nRequest ID";
    let text = sign_in.text().replace("\nRequest ID", begins);
    let site = Asker::Site("https://app.example");
    let lines = read(Payload::Siwe(text), site).summary.lines;
    for (label, value) in [
        ("From", "4 March 2026, 12:00:00 UTC"),
        ("Until", "5 March 2026, 00:00:00 UTC"),
        ("Made", "4 March 2026, 05:59:00 UTC"),
        ("Chain", "Ethereum"),
        ("Key", ADDRESS),
        ("Request", "7f3a"),
        ("Nonce", "k3jv82lq0a"),
    ] {
        let mut found = lines.iter().filter(|it| it.label == label);
        assert!(
            found.any(|it| it.value.starts_with(value)),
            "{label}: {lines:#?}"
        );
    }
}

/// A message with permissions in a wrong form is not called a plain sign-in.
#[test]
fn c2_a_refused_sign_in_says_whether_it_hands_out_permissions() {
    let recap = "urn:recap:eyJhdHQiOnt9LCJwcmYiOltdfQ";
    for (text, says) in [
        ("Hello".to_owned(), "This is not a sign-in message"),
        (format!("Hello {recap}"), "hands out permissions"),
    ] {
        let signer = Address([0x11; 20]);
        let refusal = read_payload(&Payload::Siwe(text), &signer, Asker::Unknown, NOW);
        let message = refusal.unwrap_err().message;
        assert!(message.contains(says), "{message}");
    }
}

/// The time for which this thread had a processor, however busy the machine is.
fn busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// A text that makes every rule look as far as it can takes time in proportion to its size.
#[test]
fn h4_texts_are_read_in_time_in_proportion_to_their_size() {
    let pieces = [
        "\n\n\n.\n",
        "{\"",
        "{ ",
        "{\"a\":",
        "[",
        "<a ",
        "</a",
        "<",
        "&",
        "%6",
        "\\u",
        "a=b&",
        "a=b\n",
        "a: b\n",
        "select ",
        "pay ",
        "5 ETH ",
        "send 0x123 ",
        "key generate ",
        "add owner 0x1 ",
        "not approve transaction ",
        "sign in ",
        "aB3",
        "a1-",
        "a/",
        "0x",
        "ff ",
        "255,",
        "Pay  to the ",
        "转账",
        "Ａ",
        "e\u{301}",
        "''",
        "tinycloud-",
        "Transfer  to: 0x",
        "a.eth ",
        "(",
        "ethereum:",
        "\t ",
        "delegate ",
        "ключ",
        "schlüssel ",
        "@a ",
        "@a.",
        "\\u0061",
        "א a 1 2",
        "no approve ",
        "1,",
        "I paid 5 ETH to Bob ",
        "transaction: ",
        "accept a b ",
        "the hash is ",
        "Bob with 5 ETH ",
        "5 for ",
        "aB3x.",
        "BwgJCgsM ",
    ];
    for (piece, number) in pieces.into_iter().zip(0..) {
        // Every other one as a member of JSON, which is read as such, too.
        let (before, after) = [("x ", " x"), ("{\"a\":\"", "\"}")][number % 2];
        let count = (MAX_PAYLOAD - before.len() - after.len()) / piece.len();
        let text = format!("{before}{}{after}", piece.repeat(count));
        let signer = Address([0x11; 20]);
        let began = busy();
        let _ = read_payload(&Payload::Text(text), &signer, Asker::Unknown, NOW);
        let took = busy() - began;
        // Rules that go through a text once take some tenths of a second without optimisation; one that
        // goes through it again for each piece takes many seconds.
        assert!(took.as_millis() < 2000, "{piece:?} in {before:?}: {took:?}");
    }
}
