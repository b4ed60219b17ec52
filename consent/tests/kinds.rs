//! Texts of one kind each: what is told, how severely, and everyday texts beside it that are not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use openkey_consent::{Asker, SigningRequest, read_payload};
use openkey_protocol::message::{Payload, Severity};
use serde::Deserialize;

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;

/// Texts of one kind by their severity. The signer is 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    about: String,
    #[serde(default)]
    notice: Vec<String>,
    #[serde(default)]
    attention: Vec<String>,
    #[serde(default)]
    danger: Vec<String>,
    /// A notice or attention: a second look does no harm, a second confirmation is too much.
    #[serde(default)]
    mild: Vec<String>,
}

fn read(text: &str) -> SigningRequest {
    let signer = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266".parse().unwrap();
    let payload = Payload::Text(text.to_owned());
    read_payload(&payload, &signer, Asker::Unknown, NOW)
        .unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

#[test]
fn e12_texts_of_every_kind_are_as_severe_as_was_decided() {
    let kinds: Vec<Kind> =
        serde_json::from_str(include_str!("../vectors/text/kinds.json")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for kind in &kinds {
        let of: [(&[String], &[Severity]); 4] = [
            (&kind.notice, &[Severity::Notice]),
            (&kind.attention, &[Severity::Attention]),
            (&kind.danger, &[Severity::Danger]),
            (&kind.mild, &[Severity::Notice, Severity::Attention]),
        ];
        for (texts, right) in of {
            for text in texts {
                count += 1;
                let request = read(text);
                if !right.contains(&request.severity()) {
                    let title = &request.summary.title;
                    wrong.push(format!(
                        "{}: {:?} {text:?}: {title}",
                        kind.about,
                        request.severity()
                    ));
                }
            }
        }
    }
    assert!(count > 300, "{count}");
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
