//! Messages that can drain an account are told by their shape and need a second confirmation.

use openkey_consent::SigningRequest;
use openkey_protocol::message::Severity;
use serde_json::{Value, json};

use self::known::{MAX, OTHER, TOKEN, known};
use super::read;

#[path = "known.rs"]
mod known;

/// A document of `types`, each `Name(type member,…)`, the first of them the primary one.
fn document(types: &[&str], message: &Value) -> Value {
    let mut all = serde_json::Map::new();
    let mut primary = None;
    let domain = "EIP712Domain(string name,uint256 chainId,address verifyingContract)";
    for encoded in types.iter().chain([&domain]) {
        let (name, members) = encoded.strip_suffix(')').unwrap().split_once('(').unwrap();
        let members = members.split(',').map(|member| {
            let (kind, name) = member.split_once(' ').unwrap();
            json!({"name": name, "type": kind})
        });
        all.insert(name.to_owned(), members.collect());
        primary.get_or_insert(name);
    }
    json!({
        "types": all,
        "primaryType": primary,
        "domain": {"name": "Friendly", "chainId": 1, "verifyingContract": TOKEN},
        "message": message,
    })
}

fn request(types: &[&str], message: &Value) -> SigningRequest {
    read(&document(types, message).to_string()).unwrap()
}

fn is_dangerous(request: &SigningRequest) -> bool {
    let danger = request
        .summary
        .warnings
        .iter()
        .any(|w| w.severity == Severity::Danger);
    assert_eq!(danger, request.summary.confirm);
    danger
}

#[test]
fn e11_drains_are_explained_and_need_a_second_confirmation() {
    for (title, types, message, lines) in known() {
        let request = request(&types, &message);
        assert_eq!(request.summary.title, title, "{types:?}");
        assert!(is_dangerous(&request), "{types:?}");
        for (label, start) in lines {
            let found = request
                .summary
                .lines
                .iter()
                .find(|line| line.label == label);
            let found = found.unwrap_or_else(|| panic!("{label}: {:#?}", request.summary.lines));
            assert!(found.value.starts_with(start), "{label}: {}", found.value);
        }
    }
}

#[test]
fn e11_another_name_hides_nothing() {
    for (title, types, message, _) in known() {
        let renamed: Vec<String> = types
            .iter()
            .map(|encoded| format!("Poem{}", &encoded[encoded.find('(').unwrap()..]))
            .collect();
        // Only structs without others inside can be renamed alone.
        if let [only] = renamed.as_slice() {
            let request = request(&[only.as_str()], &message);
            assert_eq!(request.summary.title, title, "{only}");
            assert!(is_dangerous(&request), "{only}");
        }
    }
}

#[test]
fn e11_another_struct_around_it_hides_nothing() {
    for (title, types, message, _) in known() {
        let inner = types[0].split('(').next().unwrap();
        let outer = format!("Vote({inner}[2][] ballots,string comment)");
        let mut types = types.clone();
        types.insert(0, &outer);
        let message = json!({"ballots": [[message, message]], "comment": "hello"});
        let request = request(&types, &message);
        assert!(is_dangerous(&request), "{outer}");
        let what = request
            .summary
            .lines
            .iter()
            .filter(|line| matches!(line.label.as_str(), "What" | "Also"));
        assert!(
            what.map(|line| line.value.as_str())
                .any(|value| value == title),
            "{outer}"
        );
    }
}

#[test]
fn e11_a_decoy_member_hides_nothing() {
    let decoys = [
        ("bool allowed", json!(false)),
        ("bool approved", json!(false)),
        ("address delegatee", json!(OTHER)),
        ("string note", json!("Free flowers")),
        ("uint256 zero", json!(0)),
    ];
    for (_, types, message, _) in known() {
        for (member, value) in &decoys {
            let first = types[0].strip_suffix(')').unwrap();
            let first = format!("{first},{member})");
            let mut types = types.clone();
            types[0] = &first;
            let mut message = message.clone();
            let name = member.split(' ').nth(1).unwrap();
            if message.get(name).is_some() {
                continue;
            }
            message[name] = value.clone();
            assert!(is_dangerous(&request(&types, &message)), "{first}");
        }
    }
}

#[test]
fn e11_names_and_amounts_alone_are_reason_enough() {
    for (types, message) in [
        (vec!["PermitSomething(string a)"], json!({"a": "x"})),
        (
            vec!["Letter(MyOrder a)", "MyOrder(string b)"],
            json!({"a": {"b": "x"}}),
        ),
        (vec!["Gift(uint256 amount)"], json!({"amount": MAX})),
        (
            vec!["Gift(uint256 amount)"],
            json!({"amount": format!("0x1{}", "0".repeat(40))}),
        ),
        (vec!["Gift(uint256 thing)"], json!({"thing": MAX})),
        (
            vec!["Gift(uint96[] x,A[] a)", "A(uint128 value)"],
            json!({"x": [], "a": [{"value": "340282366920938463463374607431768211455"}]}),
        ),
        (vec!["Right(address _spender)"], json!({"_spender": OTHER})),
        (
            vec!["Right(address[] spenders)"],
            json!({"spenders": [OTHER]}),
        ),
        (
            vec!["Letter(string text,bytes[] data)"],
            json!({"text": "x", "data": ["0x01"]}),
        ),
    ] {
        assert!(is_dangerous(&request(&types, &message)), "{types:?}");
    }
}

#[test]
fn e11_permit2_by_its_address_is_reason_enough() {
    let ballot = ["Ballot(uint256 proposalId,uint8 support)"];
    let mut document = document(&ballot, &json!({"proposalId": 1, "support": 1}));
    assert!(!is_dangerous(&read(&document.to_string()).unwrap()));
    document["domain"]["verifyingContract"] = json!("0x000000000022d473030f116ddee9f6b43ac78ba3");
    assert!(is_dangerous(&read(&document.to_string()).unwrap()));
}

#[test]
fn e11_giving_up_a_right_or_votes_is_told_as_that_and_dangerous() {
    for (title, types, message) in [
        (
            "Take back somebody's right to spend a token",
            vec![
                "Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)",
            ],
            json!({"holder": OTHER, "spender": OTHER, "nonce": 0, "expiry": 0, "allowed": false}),
        ),
        (
            "Give your votes to somebody",
            vec!["Delegation(address delegatee,uint256 nonce,uint256 expiry)"],
            json!({"delegatee": OTHER, "nonce": 0, "expiry": MAX}),
        ),
    ] {
        let request = request(&types, &message);
        assert!(is_dangerous(&request), "{types:?}");
        assert_eq!(request.summary.title, title, "{types:?}");
    }
}

#[test]
fn e11_what_is_not_known_is_shown_whole_and_dangerous() {
    let request = request(
        &["Letter(string text,uint256 page,uint256 nonce,address reader)"],
        &json!({"text": "hello", "page": 12, "nonce": MAX, "reader": OTHER}),
    );
    assert!(is_dangerous(&request));
    assert_eq!(
        request.summary.title,
        "Sign a message that OpenKey does not know, of the type “Letter”"
    );
    let labels: Vec<&str> = request
        .summary
        .lines
        .iter()
        .map(|l| l.label.as_str())
        .collect();
    assert_eq!(
        labels,
        [
            "Who asks",
            "What",
            "Contract",
            "Chain",
            "Key",
            "text (string)",
            "page (uint256)",
            "nonce (uint256)",
            "reader (address)",
        ]
    );
}
