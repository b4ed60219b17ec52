//! Documents that mix known messages with more structs, members, nesting and lists: more never makes
//! a message less severe, and everything that is signed is shown.

use std::{fs, path::Path, sync::LazyLock};

use openkey_protocol::message::{Severity, Summary};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{oracle, read};

static PROTOCOLS: LazyLock<Vec<Value>> = LazyLock::new(protocols);

/// Messages of protocols, dangerous and harmless.
fn protocols() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/typed_data");
    ["severities.json", "told.json", "apps.json"]
        .into_iter()
        .flat_map(|name| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            serde_json::from_str::<Vec<Value>>(&text).unwrap()
        })
        // With a colon in its name, a type cannot be changed much.
        .filter(|row| !row["types"].to_string().contains(':'))
        .map(|row| document(&row))
        .collect()
}

fn document(row: &Value) -> Value {
    let mut types = Map::new();
    let members = [
        ("name", "string"),
        ("version", "string"),
        ("chainId", "uint256"),
        ("verifyingContract", "address"),
        ("salt", "bytes32"),
    ];
    let domain = members
        .into_iter()
        .filter(|(name, _)| row["domain"].get(name).is_some())
        .map(|(name, kind)| json!({"name": name, "type": kind}));
    types.insert("EIP712Domain".to_owned(), domain.collect());
    let written = row["types"].as_array().unwrap().iter();
    let written: Vec<&str> = written.map(|it| it.as_str().unwrap()).collect();
    for written in &written {
        let (name, members) = written.strip_suffix(')').unwrap().split_once('(').unwrap();
        let members = members.split(',').map(|member| {
            let (kind, name) = member.split_once(' ').unwrap();
            json!({"name": name, "type": kind})
        });
        types.insert(name.to_owned(), members.collect());
    }
    json!({
        "types": types,
        "primaryType": written[0].split('(').next(),
        "domain": row["domain"],
        "message": row["message"],
    })
}

const SIGNER: &str = "0x1111111111111111111111111111111111111111";
const OTHER: &str = "0x00000000000000000000000000000000000000aa";

/// A member that an attacker adds: name, type, value.
fn member() -> impl Strategy<Value = (String, &'static str, Value)> {
    let names = prop::sample::select(vec![
        "to",
        "recipient",
        "from",
        "owner",
        "spender",
        "operator",
        "delegatee",
        "value",
        "amount",
        "deadline",
        "expiry",
        "token",
        "maker",
        "taker",
        "receiver",
        "allowed",
        "approved",
        "nonce",
        "data",
        "salt",
        "wallet",
        "note",
        "zero",
        "gasPrice",
        "chainId",
    ]);
    let values = prop_oneof![
        prop::sample::select(vec![SIGNER, OTHER]).prop_map(|it| ("address", json!(it))),
        prop::sample::select(vec![0_u64, 1, 1_772_607_600]).prop_map(|it| ("uint256", json!(it))),
        Just((
            "uint256",
            json!("115792089237316195423570985008687907853269984665640564039457584007913129639935")
        )),
        any::<bool>().prop_map(|it| ("bool", json!(it))),
        "[a-z ]{0,12}".prop_map(|it| ("string", json!(it))),
        Just(("bytes", json!("0xdeadbeef"))),
        Just(("bytes32", json!(format!("0x{}", "3c".repeat(32))))),
        Just(("address[]", json!([OTHER, SIGNER]))),
        Just(("uint256[]", json!([]))),
    ];
    (names, values, "[A-Za-z_]{0,2}")
        .prop_map(|(name, (kind, value), end)| (format!("{name}{end}"), kind, value))
}

/// How an attacker dresses a message up.
#[derive(Clone, Debug)]
enum Change {
    /// One more member in the message's own struct, at a place.
    Member((String, &'static str, Value), prop::sample::Index),
    /// One more member that is a struct with such members.
    Struct(Vec<(String, &'static str, Value)>),
    /// Another struct around the message.
    Around(Vec<(String, &'static str, Value)>),
    /// Another struct around a list of the message, twice.
    Listed,
}

fn change() -> impl Strategy<Value = Change> {
    let members = || prop::collection::vec(member(), 1..4);
    prop_oneof![
        3 => (member(), any::<prop::sample::Index>()).prop_map(|(it, at)| Change::Member(it, at)),
        1 => members().prop_map(Change::Struct),
        1 => members().prop_map(Change::Around),
        1 => Just(Change::Listed),
    ]
}

/// A struct of members, each once.
fn structure(members: &[(String, &'static str, Value)]) -> (Value, Map<String, Value>) {
    let (mut kinds, mut values) = (Vec::new(), Map::new());
    for (name, kind, value) in members {
        if values.insert(name.clone(), value.clone()).is_none() {
            kinds.push(json!({"name": name, "type": kind}));
        } else {
            let first = members.iter().find(|it| it.0 == *name).unwrap();
            values.insert(name.clone(), first.2.clone());
        }
    }
    (kinds.into(), values)
}

/// False if the member or type is there already.
fn apply(document: &mut Value, change: &Change, number: usize) -> bool {
    let primary = document["primaryType"].as_str().unwrap().to_owned();
    let name = format!("Extra{number}");
    match change {
        Change::Member((member, kind, value), at) => {
            if document["message"].get(member).is_some() {
                return false;
            }
            let members = document["types"][&primary].as_array_mut().unwrap();
            let at = at.index(members.len() + 1);
            members.insert(at, json!({"name": member, "type": kind}));
            document["message"][member] = value.clone();
        }
        Change::Struct(members) => {
            let (kinds, values) = structure(members);
            let member = json!({"name": format!("extra{number}"), "type": &name});
            let own = document["types"][&primary].as_array_mut().unwrap();
            own.push(member);
            document["types"][&name] = kinds;
            document["message"][format!("extra{number}")] = values.into();
        }
        Change::Around(members) => {
            let (mut kinds, mut values) = structure(members);
            let inner = format!("inner{number}");
            kinds
                .as_array_mut()
                .unwrap()
                .push(json!({"name": &inner, "type": primary}));
            values.insert(inner, document["message"].clone());
            document["types"][&name] = kinds;
            document["message"] = values.into();
            document["primaryType"] = name.into();
        }
        Change::Listed => {
            let message = document["message"].clone();
            document["types"][&name] = json!([{"name": "all", "type": format!("{primary}[]")}]);
            document["message"] = json!({"all": [message, message]});
            document["primaryType"] = name.into();
        }
    }
    true
}

/// Every value of a message: its path with the type, as rows are labelled.
fn leaves(types: &Value, kind: &str, path: &str, value: &Value, found: &mut Vec<String>) {
    if let Some((item, _)) = kind.rsplit_once('[') {
        let items = value.as_array().unwrap();
        if items.is_empty() {
            found.push(format!("{path} ({kind})"));
        }
        for (at, value) in items.iter().enumerate() {
            leaves(types, item, &format!("{path}[{at}]"), value, found);
        }
    } else if let Some(members) = types.get(kind) {
        for member in members.as_array().unwrap() {
            let name = member["name"].as_str().unwrap();
            let path = match path {
                "" => name.to_owned(),
                path => format!("{path}.{name}"),
            };
            let kind = member["type"].as_str().unwrap();
            leaves(types, kind, &path, &value[name], found);
        }
    } else {
        found.push(format!("{path} ({kind})"));
    }
}

/// Every value of the message and the domain has a row.
fn everything_is_shown(document: &Value, summary: &Summary) -> Result<(), TestCaseError> {
    let mut found = Vec::new();
    let primary = document["primaryType"].as_str().unwrap();
    leaves(
        &document["types"],
        primary,
        "",
        &document["message"],
        &mut found,
    );
    let mut labels = summary.lines.iter().map(|line| line.label.as_str());
    for leaf in &found {
        // In this order, each once.
        prop_assert!(labels.any(|label| label == leaf), "{}", leaf);
    }
    prop_assert_eq!(labels.next(), None);
    for (part, label) in [
        ("name", "Who asks"),
        ("version", "Version"),
        ("chainId", "Chain"),
        ("verifyingContract", "Contract"),
        ("salt", "Salt"),
    ] {
        if document["domain"].get(part).is_some() {
            prop_assert!(summary.lines.iter().any(|line| line.label == label));
        }
    }
    Ok(())
}

/// In every struct that is told by its shape, no member of a meaning goes without a row: each
/// address of the message stands in the rows above the fields, or its member is named there.
fn nothing_is_passed_over(document: &Value, summary: &Summary) -> Result<(), TestCaseError> {
    let key = summary.lines.iter().position(|line| line.label == "Key");
    let above = &summary.lines[..key.unwrap()];
    let primary = document["primaryType"].as_str().unwrap();
    let is_told = !summary
        .title
        .starts_with("Sign a message that OpenKey does not know, of the type");
    if !is_told || summary.severity_of_worst() != Severity::Danger {
        return Ok(());
    }
    let is_shape = above.iter().any(|line| line.label == "Until");
    for member in document["types"][primary].as_array().unwrap() {
        let (name, kind) = (
            member["name"].as_str().unwrap(),
            member["type"].as_str().unwrap(),
        );
        if is_shape && kind == "address" {
            let address = document["message"][name].as_str().unwrap().to_lowercase();
            let is_zero = address.trim_matches(['0', 'x']).is_empty();
            let is_there = is_zero
                || above.iter().any(|line| {
                    line.value.to_lowercase().contains(&address)
                        || (line.label == "Not explained" && line.value.contains(name))
                });
            prop_assert!(is_there, "{} in {:#?}", name, above);
        }
    }
    Ok(())
}

trait Worst {
    fn severity_of_worst(&self) -> Severity;
}

impl Worst for Summary {
    fn severity_of_worst(&self) -> Severity {
        let worst = self.warnings.iter().map(|it| it.severity).max();
        worst.unwrap_or(Severity::Notice)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn e11_more_structs_and_members_never_make_a_message_milder(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut document = which.get(&PROTOCOLS).clone();
        let mut before = read(&document.to_string()).unwrap().severity();
        for (number, change) in changes.iter().enumerate() {
            if !apply(&mut document, change, number) {
                continue;
            }
            let json = document.to_string();
            let request = read(&json).unwrap();
            prop_assert!(request.severity() >= before, "{} {:#?}", json, request.summary);
            prop_assert_eq!(request.summary.confirm, request.severity() == Severity::Danger);
            prop_assert_eq!(Some(request.digest), oracle(&json));
            everything_is_shown(&document, &request.summary)?;
            nothing_is_passed_over(&document, &request.summary)?;
            before = request.severity();
        }
    }
}

#[test]
fn e11_an_address_under_the_name_of_a_counter_is_named() {
    for document in PROTOCOLS.iter() {
        for name in ["nonce", "salt", "Counter", "user_nonce"] {
            let mut document = document.clone();
            if document["message"].get(name).is_some() {
                continue;
            }
            let primary = document["primaryType"].as_str().unwrap().to_owned();
            let members = document["types"][&primary].as_array_mut().unwrap();
            members.push(json!({"name": name, "type": "address"}));
            document["message"][name] = json!(OTHER);
            let request = read(&document.to_string()).unwrap();
            nothing_is_passed_over(&document, &request.summary).unwrap();
        }
    }
}

/// The most rows and warnings that a payload can have fit a frame several times over: about 500 fields.
#[test]
fn the_longest_prompt_of_typed_data_fits_a_frame() {
    let gift = json!({"spender": OTHER, "to": OTHER, "value": 1, "data": "0x01"});
    let mut document = json!({
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}],
            "A": [{"name": "all", "type": "B[]"}],
            "B": [
                {"name": "spender", "type": "address"}, {"name": "to", "type": "address"},
                {"name": "value", "type": "uint256"}, {"name": "data", "type": "bytes"},
            ],
        },
        "primaryType": "A",
        "domain": {"name": "Example"},
        "message": {"all": []},
    });
    document["message"]["all"] = (0..100).map(|_| gift.clone()).collect();
    let request = read(&document.to_string()).unwrap();
    let size = serde_json::to_vec(&request.summary).unwrap().len();
    assert!(size < openkey_protocol::frame::MAX_BODY / 2, "{size}");
    let what = |line: &&openkey_protocol::message::Line| line.label == "Also";
    let told: Vec<_> = request.summary.lines.iter().filter(what).collect();
    assert!(
        told.last()
            .unwrap()
            .value
            .contains("more, none of them worse")
    );
    assert!(told.len() < 80);
}
