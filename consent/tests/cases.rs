//! Inputs that other readers took for something else, each with its right answer, and the typed
//! data of real protocols with the severity that was decided for it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use std::{fs, path::Path};

use openkey_consent::{Asker, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Error, Payload, Severity};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;

fn read(payload: &Payload) -> Result<SigningRequest, Error> {
    let signer: Address = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266".parse().unwrap();
    read_payload(payload, &signer, Asker::Unknown, NOW)
}

/// As if the page of the vectors asked.
fn read_at_site(payload: &Payload) -> Result<SigningRequest, Error> {
    let signer: Address = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266".parse().unwrap();
    read_payload(payload, &signer, Asker::Site("https://app.example"), NOW)
}

fn worst(request: &SigningRequest) -> Severity {
    let warnings = request.summary.warnings.iter();
    let worst = warnings.map(|it| it.severity).max();
    worst.unwrap_or(Severity::Notice)
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn payload(kind: &str, bytes: String) -> Payload {
    match kind {
        "text" => Payload::Text(bytes),
        "siwe" => Payload::Siwe(bytes),
        "typed_data" => Payload::TypedData(bytes),
        other => panic!("{other}"),
    }
}

/// An input and what is right about it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    kind: String,
    severity: Option<Severity>,
    /// What wallets and libraries compute (viem 2, ethers 5 and 6).
    digest: Option<String>,
    same_digest_as: Option<String>,
    titled: Option<String>,
    /// The rule that refuses it.
    refused: Option<String>,
    /// What the refusal names.
    says: Option<String>,
}

#[test]
fn every_case_has_its_right_answer() {
    let cases: Vec<Case> = serde_json::from_str(&file("cases/index.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let read_file = |name: &str| {
            let bytes = file(&format!("cases/{name}"));
            read(&payload(&case.kind, bytes))
        };
        let got = read_file(&case.file);
        let is_right = match (&got, &case.refused) {
            (Err(error), Some(rule)) => {
                error.message.ends_with(&format!(" [{rule}]"))
                    && error.message.contains(case.says.as_deref().unwrap())
            }
            (Ok(request), None) => {
                let digest = format!("0x{}", hex::encode(request.digest));
                let severity = case.severity.unwrap();
                worst(request) == severity
                    && request.summary.confirm == (severity == Severity::Danger)
                    && case.digest.as_ref().is_none_or(|it| *it == digest)
                    && (case.titled.as_ref()).is_none_or(|it| *it == request.summary.title)
                    && (case.same_digest_as.as_ref())
                        .is_none_or(|it| read_file(it).unwrap().digest == request.digest)
            }
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{}: {got:#?}", case.file));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Typed data of a protocol. The digest is that of viem 2 and ethers 6.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    protocol: String,
    source: String,
    severity: Severity,
    /// Each `Name(type member,…)`, the first of them the primary one.
    types: Vec<String>,
    domain: Map<String, Value>,
    message: Value,
    digest: String,
}

impl Row {
    fn document(&self) -> Value {
        let mut types = Map::new();
        let members = [
            ("name", "string"),
            ("version", "string"),
            ("chainId", "uint256"),
            ("verifyingContract", "address"),
        ];
        let domain = members
            .into_iter()
            .filter(|(name, _)| self.domain.contains_key(*name))
            .map(|(name, kind)| json!({"name": name, "type": kind}));
        types.insert("EIP712Domain".to_owned(), domain.collect());
        for written in &self.types {
            let (name, members) = written.strip_suffix(')').unwrap().split_once('(').unwrap();
            let members = members.split(',').map(|member| {
                let (kind, name) = member.split_once(' ').unwrap();
                json!({"name": name, "type": kind})
            });
            types.insert(name.to_owned(), members.collect());
        }
        let primary = self.types[0].split('(').next();
        json!({
            "types": types,
            "primaryType": primary,
            "domain": self.domain,
            "message": self.message,
        })
    }
}

#[test]
fn e11_typed_data_of_real_protocols_is_as_severe_as_was_decided() {
    let rows: Vec<Row> = serde_json::from_str(&file("typed_data/severities.json")).unwrap();
    assert!(rows.len() > 100);
    let mut wrong = Vec::new();
    for row in &rows {
        assert!(!row.source.is_empty());
        let request = read_at_site(&Payload::TypedData(row.document().to_string()))
            .unwrap_or_else(|error| panic!("{}: {error:?}", row.protocol));
        let digest = format!("0x{}", hex::encode(request.digest));
        assert_eq!(digest, row.digest, "{}", row.protocol);
        assert_eq!(
            request.summary.confirm,
            worst(&request) == Severity::Danger,
            "{}",
            row.protocol
        );
        if worst(&request) != row.severity {
            wrong.push(format!(
                "{}: {:?}, not {:?} ({})",
                row.protocol,
                worst(&request),
                row.severity,
                request.summary.title
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
