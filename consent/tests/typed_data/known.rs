//! Messages that wallets were drained with, or could be.

use serde_json::{Value, json};

pub(super) const TOKEN: &str = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";
pub(super) const OTHER: &str = "0x00000000000000000000000000000000000000aa";
/// The address whose key signs.
pub(super) const SIGNER: &str = "0x1111111111111111111111111111111111111111";
pub(super) const MAX: &str = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// What is asked for, how it is encoded, a value, and what the lines have to say.
pub(super) type Known = (
    &'static str,
    Vec<&'static str>,
    Value,
    Vec<(&'static str, &'static str)>,
);

#[allow(clippy::too_many_lines)] // a list
pub(super) fn known() -> Vec<Known> {
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
            "Let somebody spend tokens again and again (says it is Permit2)",
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
            "Let somebody spend tokens again and again (says it is Permit2)",
            vec![
                "PermitBatch(PermitDetails[] details,address spender,uint256 sigDeadline)",
                "PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)",
            ],
            json!({"details": [{"token": TOKEN, "amount": 5, "expiration": 0, "nonce": 0}], "spender": OTHER, "sigDeadline": 1}),
            vec![("How much", "5 of the token's smallest units")],
        ),
        (
            "Let somebody take tokens once (says it is Permit2)",
            vec![
                "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)",
                "TokenPermissions(address token,uint256 amount)",
                "Witness(address user)",
            ],
            json!({"permitted": {"token": TOKEN, "amount": 1_234_567}, "spender": OTHER, "nonce": 1, "deadline": 1, "witness": {"user": OTHER}}),
            vec![("How much", "1,234,567 of"), ("Who may take", "0x0000")],
        ),
        (
            "Let somebody take tokens once (says it is Permit2)",
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
            vec![("Who", "0x0000"), ("Until", "Not said")],
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
                "offerer": SIGNER, "zone": OTHER,
                "offer": [{"itemType": 2, "token": TOKEN, "identifierOrCriteria": 9, "startAmount": 1, "endAmount": 1}],
                "consideration": [{"itemType": 0, "token": format!("0x{}", "00".repeat(20)), "identifierOrCriteria": 0, "startAmount": 10, "endAmount": 5, "recipient": OTHER}],
                "orderType": 0, "startTime": 0, "endTime": 1_772_607_600,
                "zoneHash": format!("0x{}", "00".repeat(32)), "salt": MAX,
                "conduitKey": format!("0x{}", "00".repeat(32)), "counter": 0,
            }),
            vec![
                ("You give", "1 × item number 9 of 0xA0b8"),
                (
                    "Goes to others",
                    "from 10 to 5 × coin of the chain's own coin (zero address), to 0x0000",
                ),
            ],
        ),
        (
            "Exchange tokens (an order)",
            vec![
                "Order(address sellToken,address buyToken,address receiver,uint256 sellAmount,uint256 buyAmount,uint32 validTo,bytes32 appData,uint256 feeAmount,string kind,bool partiallyFillable,string sellTokenBalance,string buyTokenBalance)",
            ],
            json!({"sellToken": TOKEN, "buyToken": OTHER, "receiver": SIGNER, "sellAmount": 1000, "buyAmount": 1, "validTo": 1_772_607_600, "appData": format!("0x{}", "00".repeat(32)), "feeAmount": 0, "kind": "sell", "partiallyFillable": false, "sellTokenBalance": "erc20", "buyTokenBalance": "erc20"}),
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
            json!({"salt": 1, "maker": SIGNER, "receiver": OTHER, "makerAsset": TOKEN, "takerAsset": OTHER, "makingAmount": MAX, "takingAmount": 1, "makerTraits": 0}),
            vec![("You give", "UNLIMITED"), ("Received by", "0x0000")],
        ),
        (
            "Exchange tokens (an order)",
            vec![
                "LimitOrder(address makerToken,address takerToken,uint128 makerAmount,uint128 takerAmount,uint128 takerTokenFeeAmount,address maker,address taker,address sender,address feeRecipient,bytes32 pool,uint64 expiry,uint256 salt)",
            ],
            json!({"makerToken": TOKEN, "takerToken": OTHER, "makerAmount": 5, "takerAmount": 6, "takerTokenFeeAmount": 0, "maker": SIGNER, "taker": OTHER, "sender": OTHER, "feeRecipient": OTHER, "pool": format!("0x{}", "00".repeat(32)), "expiry": 1, "salt": 1}),
            vec![("You give", "5 of"), ("You receive", "6 of")],
        ),
        (
            "Approve a DELEGATE CALL of a Safe, which can take it over, and who would get a refund",
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
