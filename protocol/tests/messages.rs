//! Every message has one encoding, which is written down in `vectors/messages.json` for others.
//!
//! `OPENKEY_BLESS=1 cargo test -p openkey-protocol --test messages` writes the accepted vectors anew
//! after a change of the protocol; the refused ones are written by hand.

// Tests may fail by panicking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/arbitrary/mod.rs"]
mod arbitrary;
#[path = "support/samples.rs"]
mod samples;

use std::{collections::HashSet, fmt::Debug, path::PathBuf};

use minicbor::{Decoder, data::Type};
use openkey_protocol::{
    cbor::{self, DecodeError},
    message::*,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    accepted: Vec<Accepted>,
    refused: Vec<Refused>,
}

/// A value as JSON (byte strings are `{"$hex": "…"}`) and as CBOR.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    name: String,
    r#type: String,
    value: Value,
    cbor: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    r#type: String,
    rule: String,
    cbor: String,
    note: String,
}

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", "messages.json"]
        .iter()
        .collect()
}

fn file() -> File {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

/// What a CBOR item says, as JSON.
fn json(decoder: &mut Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::Null => {
            decoder.null().unwrap();
            Value::Null
        }
        Type::Bool => decoder.bool().unwrap().into(),
        Type::String => decoder.str().unwrap().into(),
        Type::Bytes => json!({ "$hex": hex::encode(decoder.bytes().unwrap()) }),
        Type::Array => {
            let count = decoder.array().unwrap().unwrap();
            (0..count).map(|_| json(decoder)).collect()
        }
        Type::Map => {
            let count = decoder.map().unwrap().unwrap();
            let pair = |_| {
                let key = decoder.str().unwrap().to_owned();
                (key, json(decoder))
            };
            Value::Object((0..count).map(pair).collect())
        }
        _ => i64::try_from(decoder.int().unwrap()).unwrap().into(),
    }
}

fn accepted<T>(name: &str, r#type: &str, value: &T) -> Accepted
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = cbor::encode(value).unwrap();
    assert_eq!(cbor::decode::<T>(&bytes).as_ref(), Ok(value), "{name}");
    Accepted {
        name: name.into(),
        r#type: r#type.into(),
        value: json(&mut Decoder::new(&bytes)),
        cbor: hex::encode(bytes),
    }
}

fn all_accepted() -> Vec<Accepted> {
    let (head, receipt, prompt, binding) = samples::statements();
    let requests = samples::requests();
    let replies = samples::replies();
    let answers = samples::answers();
    requests
        .iter()
        .map(|(name, value)| accepted(name, "request", value))
        .chain([accepted("call", "call", &samples::call())])
        .chain(
            answers
                .iter()
                .map(|(name, value)| accepted(name, "answer", value)),
        )
        .chain(
            replies
                .iter()
                .map(|(name, value)| accepted(name, "reply", value)),
        )
        .chain([
            accepted("account_head", "account_head", &head),
            accepted("account_receipt", "account_receipt", &receipt),
            accepted("prompt", "prompt", &prompt),
            accepted("evidence_binding", "evidence_binding", &binding),
            accepted(
                "root_descriptor",
                "root_descriptor",
                &samples::root::descriptor(),
            ),
            accepted(
                "genesis_transcript",
                "genesis_transcript",
                &samples::root::transcript(),
            ),
            accepted("secret_order", "secret_order", &samples::root::order()),
            accepted(
                "upgrade_consent",
                "upgrade_consent",
                &samples::root::consent(),
            ),
            accepted(
                "upgrade_withdrawal",
                "upgrade_withdrawal",
                &samples::root::withdrawal(),
            ),
        ])
        .collect()
}

#[test]
fn accepted_vectors_are_what_this_program_writes() {
    let mut file = file();
    let accepted = all_accepted();
    if std::env::var_os("OPENKEY_BLESS").is_some() {
        file.accepted = accepted;
        let text = serde_json::to_string_pretty(&file).unwrap();
        std::fs::write(path(), text + "\n").unwrap();
        return;
    }
    for (written, expected) in file.accepted.iter().zip(&accepted) {
        assert_eq!(written, expected);
    }
    assert_eq!(file.accepted.len(), accepted.len());
}

#[test]
fn every_kind_of_request_has_a_vector() {
    let kinds: HashSet<String> = samples::requests()
        .iter()
        .map(|(_, request)| match cbor::encode(request).unwrap()[..] {
            [0xa1, ..] => match request {
                Request::Propose(propose) => format!("{:?}", propose.action),
                Request::Operator(operator) => format!("{operator:?}"),
                other => format!("{other:?}"),
            },
            _ => format!("{request:?}"),
        })
        .map(|text| text.split([' ', '(', '{']).next().unwrap().to_owned())
        .collect();
    let expected = [
        "Status",
        "Evidence",
        "SignUp",
        "SignUpFinish",
        "SignIn",
        "PasskeyCreated",
        "Approve",
        "Read",
        "Confirm",
        "Sign",
        "AddPasskey",
        "RenamePasskey",
        "RemovePasskey",
        "CreateKey",
        "LabelKey",
        "ArchiveKey",
        "RestoreKey",
        "Genesis",
        "PostShare",
        "SetSecret",
        "Announce",
        "Consent",
        "Withdraw",
        "HandOver",
    ];
    assert_eq!(kinds, expected.map(String::from).into());
}

fn decode(r#type: &str, bytes: &[u8]) -> Result<(), DecodeError> {
    match r#type {
        "call" => cbor::decode::<Call>(bytes).map(drop),
        "request" => cbor::decode::<Request>(bytes).map(drop),
        "answer" => cbor::decode::<Answer>(bytes).map(drop),
        "reply" => cbor::decode::<Reply>(bytes).map(drop),
        "account_head" => cbor::decode::<AccountHead>(bytes).map(drop),
        "prompt" => cbor::decode::<Prompt>(bytes).map(drop),
        "evidence_binding" => cbor::decode::<EvidenceBinding>(bytes).map(drop),
        "root_descriptor" => cbor::decode::<RootDescriptor>(bytes).map(drop),
        "propose_action" => cbor::decode::<Action>(bytes).map(drop),
        other => panic!("{other}?"),
    }
}

#[test]
fn refused_vectors_name_the_rule_they_break() {
    let file = file();
    assert!(!file.refused.is_empty());
    for vector in &file.refused {
        let bytes = hex::decode(&vector.cbor).unwrap();
        let error = decode(&vector.r#type, &bytes).expect_err(&vector.name);
        assert_eq!(error.name(), vector.rule, "{}: {error}", vector.name);
        assert!(vector.name.starts_with(&vector.rule), "{}", vector.name);
    }
}

#[test]
fn every_changed_byte_is_another_value_or_refused() {
    for (name, request) in samples::requests() {
        let bytes = cbor::encode(&request).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(read) = cbor::decode::<Request>(&changed) {
                    assert_ne!(read, request, "{name}: bit {bit} of byte {at}");
                }
            }
        }
    }
}

#[test]
fn errors_do_not_repeat_what_the_sender_wrote_at_length() {
    let long = "x".repeat(100_000);
    let error = cbor::decode::<Request>(&cbor::encode(&long).unwrap()).unwrap_err();
    assert!(matches!(&error, DecodeError::Shape(_)));
    assert!(error.to_string().len() < 400);
}

fn round_trip<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = cbor::encode(value).unwrap();
    let read: T = cbor::decode(&bytes).unwrap();
    prop_assert_eq!(&read, value);
    prop_assert_eq!(cbor::encode(&read).unwrap(), bytes);
    Ok(())
}

proptest! {
    #[test]
    fn requests_round_trip(value in arbitrary::call()) {
        round_trip(&value)?;
    }

    #[test]
    fn replies_round_trip(reply in arbitrary::reply(), answer in arbitrary::answer()) {
        round_trip(&reply)?;
        round_trip(&answer)?;
    }

    #[test]
    fn statements_round_trip(
        head in arbitrary::head(),
        receipt in arbitrary::receipt(),
        prompt in arbitrary::prompt(),
        binding in arbitrary::binding(),
    ) {
        round_trip(&head)?;
        round_trip(&receipt)?;
        round_trip(&prompt)?;
        round_trip(&binding)?;
    }

    #[test]
    fn store_messages_round_trip(
        request in arbitrary::store_request(),
        reply in arbitrary::store_reply(),
    ) {
        round_trip(&request)?;
        round_trip(&reply)?;
    }

    #[test]
    fn statements_about_the_root_key_round_trip(
        descriptor in arbitrary::descriptor(),
        transcript in arbitrary::transcript(),
        order in arbitrary::order(),
        consent in arbitrary::consent(),
        withdrawal in arbitrary::withdrawal(),
    ) {
        round_trip(&descriptor)?;
        round_trip(&transcript)?;
        round_trip(&order)?;
        round_trip(&consent)?;
        round_trip(&withdrawal)?;
    }

    #[test]
    fn messages_to_the_host_round_trip(
        request in arbitrary::host_request(),
        reply in arbitrary::host_reply(),
        relay in arbitrary::relay(),
    ) {
        round_trip(&request)?;
        round_trip(&reply)?;
        round_trip(&relay.0)?;
        round_trip(&relay.1)?;
    }

    #[test]
    fn two_requests_never_share_their_bytes(a in arbitrary::request(), b in arbitrary::request()) {
        prop_assert_eq!(a == b, cbor::encode(&a).unwrap() == cbor::encode(&b).unwrap());
    }
}
