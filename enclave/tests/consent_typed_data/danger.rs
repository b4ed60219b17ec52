//! Messages that can drain an account are told by their shape and need a second confirmation.

use openkey_enclave::consent::SigningRequest;
use openkey_protocol::message::Severity;
use serde_json::{Value, json};

use super::read;

const TOKEN: &str = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";
const OTHER: &str = "0x00000000000000000000000000000000000000aa";
const MAX: &str = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

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

/// What is asked for, how it is encoded, a value, and what the lines have to say.
type Known = (
    &'static str,
    Vec<&'static str>,
    Value,
    Vec<(&'static str, &'static str)>,
);

#[allow(clippy::too_many_lines)] // a list
fn known() -> Vec<Known> {
    vec![
        (
            "Let somebody spend your tokens (permit)",
            vec![
                "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)",
            ],
            json!({"owner": OTHER, "spender": OTHER, "value": MAX, "nonce": 0, "deadline": 1_772_607_600}),
            vec![
                (
                    "Who may spend",
                    "0x00000000000000000000000000000000000000AA",
                ),
                (
                    "Token contract",
                    "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
                ),
                ("How much", "UNLIMITED"),
                ("Until", "4 March 2026, 07:00:00 UTC (in 1 hour)"),
                ("Chain", "Ethereum (chain 1)"),
            ],
        ),
        (
            "Let somebody spend all of a token",
            vec![
                "Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)",
            ],
            json!({"holder": OTHER, "spender": OTHER, "nonce": 0, "expiry": 0, "allowed": true}),
            vec![
                ("How much", "UNLIMITED"),
                ("Until", "0, which some contracts take as no end"),
            ],
        ),
        (
            "Let somebody spend tokens again and again (Permit2)",
            vec![
                "PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)",
                "PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)",
            ],
            json!({"details": {"token": TOKEN, "amount": "1461501637330902918203684832716283019655932542975", "expiration": 1_772_607_600, "nonce": 0}, "spender": OTHER, "sigDeadline": MAX}),
            vec![
                ("How much", "UNLIMITED"),
                ("To be used by", "never"),
                ("Until", "4 March 2026"),
            ],
        ),
        (
            "Let somebody spend tokens again and again (Permit2)",
            vec![
                "PermitBatch(PermitDetails[] details,address spender,uint256 sigDeadline)",
                "PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)",
            ],
            json!({"details": [{"token": TOKEN, "amount": 5, "expiration": 0, "nonce": 0}], "spender": OTHER, "sigDeadline": 1}),
            vec![("How much", "5 of the token's smallest units")],
        ),
        (
            "Let somebody take tokens once (Permit2)",
            vec![
                "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)",
                "TokenPermissions(address token,uint256 amount)",
                "Witness(address user)",
            ],
            json!({"permitted": {"token": TOKEN, "amount": 1_234_567}, "spender": OTHER, "nonce": 1, "deadline": 1, "witness": {"user": OTHER}}),
            vec![("How much", "1,234,567 of"), ("Who may take", "0x0000")],
        ),
        (
            "Let somebody take tokens once (Permit2)",
            vec![
                "PermitBatchTransferFrom(TokenPermissions[] permitted,address spender,uint256 nonce,uint256 deadline)",
                "TokenPermissions(address token,uint256 amount)",
            ],
            json!({"permitted": [{"token": TOKEN, "amount": 1}, {"token": OTHER, "amount": MAX}], "spender": OTHER, "nonce": 1, "deadline": 1}),
            vec![("How much", "1 of")],
        ),
        (
            "Let somebody take an item (NFT permit)",
            vec!["Permit(address spender,uint256 tokenId,uint256 nonce,uint256 deadline)"],
            json!({"spender": OTHER, "tokenId": 77, "nonce": 0, "deadline": MAX}),
            vec![("Item", "77"), ("Until", "never")],
        ),
        (
            "Let somebody move everything you have in a contract",
            vec!["PermitForAll(address owner,address operator,bool approved,uint256 nonce)"],
            json!({"owner": OTHER, "operator": OTHER, "approved": true, "nonce": 0}),
            vec![("Who", "0x0000"), ("Until", "No end")],
        ),
        (
            "Send tokens to somebody",
            vec![
                "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)",
            ],
            json!({"from": OTHER, "to": OTHER, "value": "2000000", "validAfter": 0, "validBefore": 1_772_607_600, "nonce": format!("0x{}", "11".repeat(32))}),
            vec![
                ("To", "0x0000"),
                ("How much", "2,000,000 of"),
                ("From", "1 January 1970"),
            ],
        ),
        (
            "Sell or buy items (a marketplace order)",
            vec![
                "OrderComponents(address offerer,address zone,OfferItem[] offer,ConsiderationItem[] consideration,uint8 orderType,uint256 startTime,uint256 endTime,bytes32 zoneHash,uint256 salt,bytes32 conduitKey,uint256 counter)",
                "OfferItem(uint8 itemType,address token,uint256 identifierOrCriteria,uint256 startAmount,uint256 endAmount)",
                "ConsiderationItem(uint8 itemType,address token,uint256 identifierOrCriteria,uint256 startAmount,uint256 endAmount,address recipient)",
            ],
            json!({
                "offerer": OTHER, "zone": OTHER,
                "offer": [{"itemType": 2, "token": TOKEN, "identifierOrCriteria": 9, "startAmount": 1, "endAmount": 1}],
                "consideration": [{"itemType": 0, "token": format!("0x{}", "00".repeat(20)), "identifierOrCriteria": 0, "startAmount": 10, "endAmount": 5, "recipient": OTHER}],
                "orderType": 0, "startTime": 0, "endTime": 1_772_607_600,
                "zoneHash": format!("0x{}", "00".repeat(32)), "salt": MAX,
                "conduitKey": format!("0x{}", "00".repeat(32)), "counter": 0,
            }),
            vec![
                ("You give", "1 × item number 9 of 0xA0b8"),
                (
                    "Has to be paid",
                    "from 10 to 5 × coin of the chain's own coin (zero address), to 0x0000",
                ),
            ],
        ),
        (
            "Exchange tokens (an order)",
            vec![
                "Order(address sellToken,address buyToken,address receiver,uint256 sellAmount,uint256 buyAmount,uint32 validTo,bytes32 appData,uint256 feeAmount,string kind,bool partiallyFillable,string sellTokenBalance,string buyTokenBalance)",
            ],
            json!({"sellToken": TOKEN, "buyToken": OTHER, "receiver": OTHER, "sellAmount": 1000, "buyAmount": 1, "validTo": 1_772_607_600, "appData": format!("0x{}", "00".repeat(32)), "feeAmount": 0, "kind": "sell", "partiallyFillable": false, "sellTokenBalance": "erc20", "buyTokenBalance": "erc20"}),
            vec![
                ("You give", "1,000 of"),
                ("You receive", "1 of"),
                ("Until", "4 March 2026"),
            ],
        ),
        (
            "Exchange tokens (an order)",
            vec![
                "Order(uint256 salt,address maker,address receiver,address makerAsset,address takerAsset,uint256 makingAmount,uint256 takingAmount,uint256 makerTraits)",
            ],
            json!({"salt": 1, "maker": OTHER, "receiver": OTHER, "makerAsset": TOKEN, "takerAsset": OTHER, "makingAmount": MAX, "takingAmount": 1, "makerTraits": 0}),
            vec![("You give", "UNLIMITED"), ("Received by", "0x0000")],
        ),
        (
            "Exchange tokens (an order)",
            vec![
                "LimitOrder(address makerToken,address takerToken,uint128 makerAmount,uint128 takerAmount,uint128 takerTokenFeeAmount,address maker,address taker,address sender,address feeRecipient,bytes32 pool,uint64 expiry,uint256 salt)",
            ],
            json!({"makerToken": TOKEN, "takerToken": OTHER, "makerAmount": 5, "takerAmount": 6, "takerTokenFeeAmount": 0, "maker": OTHER, "taker": OTHER, "sender": OTHER, "feeRecipient": OTHER, "pool": format!("0x{}", "00".repeat(32)), "expiry": 1, "salt": 1}),
            vec![("You give", "5 of"), ("You receive", "6 of")],
        ),
        (
            "Approve a transaction of a Safe",
            vec![
                "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)",
            ],
            json!({"to": OTHER, "value": 1, "data": "0xdeadbeef", "operation": 1, "safeTxGas": 0, "baseGas": 0, "gasPrice": 0, "gasToken": OTHER, "refundReceiver": OTHER, "nonce": 1}),
            vec![
                ("Safe", "0xA0b8"),
                ("Calls", "0x0000"),
                ("Instructions", "4 bytes"),
            ],
        ),
        (
            "Hand the whole account to a program",
            vec!["Authorization(uint256 chainId,address address,uint256 nonce)"],
            json!({"chainId": 0, "address": OTHER, "nonce": 0}),
            vec![("Program", "0x0000"), ("On", "EVERY chain")],
        ),
        (
            "Let somebody act for you (a delegation)",
            vec![
                "Delegation(address delegate,address delegator,bytes32 authority,Caveat[] caveats,uint256 salt)",
                "Caveat(address enforcer,bytes terms)",
            ],
            json!({"delegate": OTHER, "delegator": OTHER, "authority": format!("0x{}", "ff".repeat(32)), "caveats": [], "salt": 0}),
            vec![("Who may act", "0x0000")],
        ),
        (
            "Let somebody call a program as you",
            vec![
                "ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)",
            ],
            json!({"from": OTHER, "to": OTHER, "value": 0, "gas": 1, "nonce": 1, "deadline": 1, "data": "0x00"}),
            vec![("Instructions", "1 bytes")],
        ),
        (
            "Sign data that a person cannot read",
            vec!["SafeMessage(bytes message)"],
            json!({"message": "0x1234"}),
            vec![],
        ),
        (
            "Sign data that a person cannot read",
            vec!["Digest(bytes32 hash)"],
            json!({"hash": MAX}),
            vec![],
        ),
    ]
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
            .filter(|line| line.label == "What");
        assert!(
            what.map(|line| line.value.as_str())
                .any(|value| value == title),
            "{outer}"
        );
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
    ] {
        assert!(is_dangerous(&request(&types, &message)), "{types:?}");
    }
}

#[test]
fn e11_permit2_by_its_address_is_reason_enough() {
    let mut document = document(&["Letter(string text)"], &json!({"text": "hello"}));
    assert!(!is_dangerous(&read(&document.to_string()).unwrap()));
    document["domain"]["verifyingContract"] = json!("0x000000000022d473030f116ddee9f6b43ac78ba3");
    assert!(is_dangerous(&read(&document.to_string()).unwrap()));
}

#[test]
fn giving_up_a_right_and_voting_are_no_drains() {
    for (types, message) in [
        (
            vec![
                "Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)",
            ],
            json!({"holder": OTHER, "spender": OTHER, "nonce": 0, "expiry": 0, "allowed": false}),
        ),
        (
            vec!["Delegation(address delegatee,uint256 nonce,uint256 expiry)"],
            json!({"delegatee": OTHER, "nonce": 0, "expiry": MAX}),
        ),
    ] {
        let request = request(&types, &message);
        assert!(!is_dangerous(&request), "{types:?}");
        assert!(!request.summary.warnings.is_empty(), "{types:?}");
    }
}

#[test]
fn what_is_not_known_is_shown_whole_and_flagged() {
    let request = request(
        &["Letter(string text,uint256 page,uint256 nonce,address reader)"],
        &json!({"text": "hello", "page": 12, "nonce": MAX, "reader": OTHER}),
    );
    assert!(!is_dangerous(&request));
    assert_eq!(request.summary.title, "Sign typed data of the type Letter");
    let worst = request.summary.warnings.iter().map(|w| w.severity).max();
    assert_eq!(worst, Some(Severity::Attention));
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
