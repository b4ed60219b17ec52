//! What a person is told about typed data: each vector is an attack, or the honest message beside
//! it, with the rows and warnings that have to be there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test says where

use std::{fs, path::Path};

use openkey_consent::{Asker, SigningRequest, read_payload};
use openkey_protocol::message::{Address, Payload, Severity};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// 4 March 2026, 06:00:00 UTC.
const NOW: u64 = 1_772_604_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    about: String,
    /// Where the type or the text is from.
    source: Option<String>,
    /// Each `Name(type member,…)`, the first of them the primary one.
    types: Vec<String>,
    domain: Map<String, Value>,
    message: Value,
    /// Of the site that asks.
    origin: Option<String>,
    severity: Severity,
    title: Option<String>,
    /// Labels, and how their values begin.
    rows: Vec<(String, String)>,
    /// Parts of warnings.
    warns: Vec<String>,
    /// Rows that must not be there.
    #[serde(default)]
    absent: Vec<(String, String)>,
    /// What viem 2 and ethers 6 compute.
    digest: Option<String>,
}

impl Row {
    fn read(&self) -> SigningRequest {
        let members = [
            ("name", "string"),
            ("version", "string"),
            ("chainId", "uint256"),
            ("verifyingContract", "address"),
            ("salt", "bytes32"),
        ];
        let domain = members
            .into_iter()
            .filter(|(name, _)| self.domain.contains_key(*name))
            .map(|(name, kind)| json!({"name": name, "type": kind}));
        let mut types = Map::new();
        types.insert("EIP712Domain".to_owned(), domain.collect());
        for written in &self.types {
            let (name, members) = written.strip_suffix(')').unwrap().split_once('(').unwrap();
            let members = members.split(',').map(|member| {
                let (kind, name) = member.split_once(' ').unwrap();
                json!({"name": name, "type": kind})
            });
            types.insert(name.to_owned(), members.collect());
        }
        let document = json!({
            "types": types,
            "primaryType": self.types[0].split('(').next(),
            "domain": self.domain,
            "message": self.message,
        });
        let signer: Address = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266".parse().unwrap();
        let payload = Payload::TypedData(document.to_string());
        let asker = self.origin.as_deref().map_or(Asker::Unknown, Asker::Site);
        read_payload(&payload, &signer, asker, NOW)
            .unwrap_or_else(|error| panic!("{}: {error:?}", self.about))
    }

    /// What is wrong with what a person is told.
    fn faults(&self, request: &SigningRequest) -> Vec<String> {
        let summary = &request.summary;
        let has = |(label, start): &(String, String)| {
            let mut lines = summary.lines.iter();
            lines.any(|line| line.label == *label && line.value.starts_with(start))
        };
        let mut faults = Vec::new();
        let digest = format!("0x{}", hex::encode(request.digest));
        if self.digest.as_ref().is_some_and(|it| *it != digest) {
            faults.push(format!("digest {digest}"));
        }
        if request.summary.confirm != (request.severity() == Severity::Danger) {
            faults.push("no second confirmation, or one too many".to_owned());
        }
        if request.severity() != self.severity {
            faults.push(format!("severity {:?}", request.severity()));
        }
        if self.title.as_ref().is_some_and(|it| *it != summary.title) {
            faults.push(format!("title {}", summary.title));
        }
        // One row has one meaning: what else is done has rows of another name.
        let what = summary.lines.iter().filter(|line| line.label == "What");
        if what.count() != 1 {
            faults.push("no row What, or several".to_owned());
        }
        for row in self.rows.iter().filter(|row| !has(row)) {
            faults.push(format!("no row {row:?}"));
        }
        for row in self.absent.iter().filter(|row| has(row)) {
            faults.push(format!("a row {row:?}"));
        }
        for part in &self.warns {
            if !summary.warnings.iter().any(|it| it.text.contains(part)) {
                faults.push(format!("no warning {part}"));
            }
        }
        faults
    }
}

fn rows(name: &str) -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/typed_data");
    serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn all_are_told(rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let request = row.read();
        let faults = row.faults(&request);
        if !faults.is_empty() {
            let summary = &request.summary;
            wrong.push(format!(
                "{}: {faults:#?}\n{:#?}\n{:#?}",
                row.about, summary.lines, summary.warnings
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn e11_attacks_are_told_of() {
    let rows = rows("told.json");
    assert!(rows.len() > 60);
    all_are_told(&rows);
}

/// Messages of real programs under their own domains, and what an attacker makes of them.
#[test]
fn e11_messages_of_programs_are_told_as_what_they_are() {
    let rows = rows("apps.json");
    assert!(rows.len() > 130);
    for row in &rows {
        let source = row.source.as_ref().unwrap();
        assert!(source.starts_with("https://"), "{source}");
        assert!(row.digest.is_some(), "{}", row.about);
    }
    all_are_told(&rows);
}
