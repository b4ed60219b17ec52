//! Vectors and properties of the strict SIWE reader.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use std::{fs, num::NonZeroU64, path::Path};

use openkey_capability::siwe::{Fields, Message, looks_like_siwe, mentions_recap};
use proptest::{option, prelude::*};

fn vectors(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors/siwe")
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

#[test]
fn accepted_vectors_print_to_the_same_bytes() {
    for (name, text) in vectors("accepted") {
        let message = Message::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(message.to_string(), text, "{name}");
        assert_eq!(
            Message::new(message.fields().clone()),
            Ok(message),
            "{name}"
        );
        assert!(looks_like_siwe(&text), "{name}");
        assert_eq!(mentions_recap(&text), name == "recap", "{name}");
    }
}

/// Each file is named after the rule that refuses it, with a note after a dot.
#[test]
fn refused_vectors_break_the_rule_they_are_named_after() {
    for (name, text) in vectors("refused") {
        let rule = name.split('.').next().unwrap();
        match Message::parse(&text) {
            Ok(_) => panic!("{name} was accepted"),
            Err(error) => assert_eq!(error.rule(), rule, "{name}: {error}"),
        }
    }
}

#[test]
fn a8_texts_that_are_not_canonical_are_refused_and_still_look_like_sign_ins() {
    for (name, text) in vectors("refused") {
        if text.is_empty() {
            continue;
        }
        assert!(Message::parse(&text).is_err(), "{name}");
        assert!(looks_like_siwe(&text), "{name} could be signed as a text");
    }
}

#[test]
fn built_messages_cannot_smuggle_lines() {
    let good = Message::parse(&vectors("accepted")[0].1).unwrap();
    let mut fields = good.fields().clone();
    fields.nonce = "abcdefgh\nIssued At: 2026-01-01T00:00:00Z".to_owned();
    assert!(Message::new(fields).is_err());
    let mut fields = good.fields().clone();
    fields.statement = Some("a\n\nURI: https://other.example".to_owned());
    assert!(Message::new(fields).is_err());
    let mut fields = good.fields().clone();
    fields.domain = "https://app.example".to_owned();
    assert!(Message::new(fields).is_err());
    let mut fields = good.fields().clone();
    fields.resources = Some(vec!["x:a\n- x:b".to_owned()]);
    assert!(Message::new(fields).is_err());
}

prop_compose! {
    fn fields()(
        scheme in option::of("https|http|a[a-z0-9+.-]{0,4}"),
        domain in "[a-z0-9-]{1,12}(\\.[a-z]{2,5}){0,2}(:[1-9][0-9]{0,3})?",
        address in any::<[u8; 20]>(),
        statement in option::of("[A-Za-z0-9 ._~/?#!$&'()*+,;=@-]{0,60}"),
        uri in "[a-z][a-z0-9+.-]{0,6}:(//[a-z0-9.]{1,12})?(/[a-z0-9._~-]{0,8}){0,3}(\\?[a-z=&]{0,5})?(#[a-z]{0,5})?",
        chain_id in 1..1_u64 << 53,
        nonce in "[A-Za-z0-9]{8,40}",
        issued_at in "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])",
        expiration_time in option::of("20[0-9]{2}-0[1-9]-0[1-9]T00:00:00Z"),
        not_before in option::of("20[0-9]{2}-0[1-9]-0[1-9]T00:00:00Z"),
        request_id in option::of("[A-Za-z0-9:@._-]{0,12}"),
        resources in option::of(prop::collection::vec("[a-z]{1,5}:[a-z0-9]{0,6}(/[a-z0-9]{1,4}){0,2}", 0..5)),
    ) -> Fields {
        let mut fields = Fields::new(
            domain, address, uri, NonZeroU64::new(chain_id).unwrap(), nonce, issued_at,
        );
        fields.scheme = scheme;
        fields.statement = statement;
        fields.expiration_time = expiration_time;
        fields.not_before = not_before;
        fields.request_id = request_id;
        fields.resources = resources;
        fields
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(fields in fields()) {
        let text = fields.to_string();
        let message = Message::parse(&text).unwrap();
        prop_assert_eq!(message.fields(), &fields);
        prop_assert_eq!(&message.to_string(), &text);
        prop_assert!(looks_like_siwe(&text));
    }

    #[test]
    fn a_changed_text_is_refused_or_says_what_it_says(
        fields in fields(),
        at in any::<prop::sample::Index>(),
        change in 0..4u8,
        with in prop_oneof![
            Just('\n'), Just('\r'), Just(' '), Just('\u{200b}'), Just('0'), Just(':'),
            Just('-'), any::<char>(),
        ],
    ) {
        let mut text: Vec<char> = fields.to_string().chars().collect();
        let at = at.index(text.len());
        match change {
            0 => { text.remove(at); }
            1 => text.insert(at, with),
            2 => text[at] = with,
            _ => { let copy = text[at]; text.insert(at, copy); }
        }
        let text: String = text.into_iter().collect();
        if let Ok(message) = Message::parse(&text) {
            prop_assert_eq!(message.to_string(), text);
        }
    }

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        if let Ok(message) = Message::parse(&text) {
            prop_assert_eq!(&message.to_string(), &text);
            prop_assert!(looks_like_siwe(&text));
        }
        let _ = mentions_recap(&text);
    }
}
