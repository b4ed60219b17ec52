//! Handing over control: transactions of other accounts, delegations, calls of programs.

use openkey_protocol::message::Line;

use super::{
    Context, Finding,
    shape::{Shape, address_line},
};
use crate::{
    chains,
    words::{amount, line},
};

const DATA: [&str; 8] = [
    "data",
    "calldata",
    "functionsignature",
    "functioncall",
    "functiondata",
    "payload",
    "executiondata",
    "initcode",
];
const ENDS: [&str; 5] = [
    "deadline",
    "expiry",
    "expiration",
    "validuntil",
    "validuntiltime",
];

fn data_line(data: &[u8]) -> Line {
    let what = match data {
        [] => "none in this field".to_owned(),
        _ => format!(
            "{} bytes that say what the program does; a person cannot read them",
            data.len()
        ),
    };
    line("Instructions", what)
}

fn value_line(shape: &Shape<'_, '_>) -> Option<Line> {
    let (value, bits) = shape.uint(&["value", "msgvalue"])?;
    Some(line("Sends", amount(value, bits).0))
}

/// A transaction of a Safe (<https://docs.safe.global>): the key signs as one of its owners.
pub(super) fn safe_transaction(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let to = shape.address(&["to"])?;
    let data = shape.bytes(&["data"])?;
    let (operation, _) = shape.uint(&["operation"])?;
    if !shape.has(&["safetxgas", "basegas", "gastoken", "refundreceiver"]) {
        return None;
    }
    let delegated = (operation.bits() > 0).then_some(
        "The program runs with the Safe's own rights (delegate call): it can take over the Safe.",
    );
    let safe = context.contract.map(|safe| address_line("Safe", safe));
    Some(
        Finding::danger(
            "Approve a transaction of a Safe",
            "With enough owners' signatures the Safe does this, without asking again.",
        )
        .with(safe)
        .with([address_line("Calls", to)])
        .with(value_line(shape))
        .with([data_line(data)])
        .warn_if(delegated),
    )
}

/// The members of an EIP-7702 authorisation (<https://eips.ethereum.org/EIPS/eip-7702>). A real
/// one is not typed data; programs that imitate it are no better.
pub(super) fn code_authorization(shape: &Shape<'_, '_>, _: Context<'_>) -> Option<Finding> {
    const CODE: [&str; 8] = [
        "address",
        "contract",
        "contractaddress",
        "codeaddress",
        "implementation",
        "delegate",
        "delegation",
        "delegationaddress",
    ];
    /// Chain, program, nonce, and the parts of a signature.
    const MOST: usize = 6;
    let (chain, _) = shape.uint(&["chainid", "chain"])?;
    let code = shape.address(&CODE)?;
    if !shape.has(&["nonce"]) || shape.len() > MOST {
        return None;
    }
    let chain = match chain.to_u64() {
        Some(0) => "EVERY chain".to_owned(),
        Some(id) => chains::name(id),
        None => chain.to_string(),
    };
    Some(
        Finding::danger(
            "Hand the whole account to a program",
            "Like an EIP-7702 authorisation: the program can do everything that the key can.",
        )
        .with([
            address_line("Program", code),
            line("On", chain),
            line("Until", "No end"),
        ]),
    )
}

/// Delegations of the right to act (ERC-7710 and its like) and of votes (ERC-5805).
pub(super) fn delegation(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    /// Members of a struct that moves votes and nothing else.
    const VOTES: [&str; 5] = ["delegator", "delegatee", "nonce", "expiry", "deadline"];
    if let Some(delegatee) = shape
        .address(&["delegatee"])
        .filter(|_| shape.has_only(&VOTES))
    {
        return Some(
            Finding::danger(
                "Give your votes to somebody",
                "Whoever holds this signature can make the delegatee vote with your tokens.",
            )
            .with([
                address_line("Who votes", delegatee),
                shape.until(&ENDS, context),
            ]),
        );
    }
    let delegate = shape.address(&[
        "delegate",
        "delegatee",
        "sessionkey",
        "agent",
        "agentaddress",
    ])?;
    let unbounded = shape
        .structs(&["caveats"])
        .is_some_and(|caveats| caveats.is_empty())
        .then_some("The delegation has no limits.");
    Some(
        Finding::danger(
            "Let somebody act for you (a delegation)",
            "The delegate can do what you can, within the limits below, without asking again.",
        )
        .with([
            address_line("Who may act", delegate),
            shape.until(&ENDS, context),
        ])
        .warn_if(unbounded),
    )
}

/// Calls of programs on behalf of the key: ERC-2771 forward requests, meta transactions, user
/// operations, and messages that are nothing but bytes or a hash.
pub(super) fn contract_call(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    use crate::typed_data::Type;

    let target = shape.address(&["to", "target", "sender", "from", "account", "contract"]);
    if let (Some(target), Some(data)) = (target, shape.bytes(&DATA)) {
        return Some(
            Finding::danger(
                "Let somebody call a program as you",
                "Whoever holds this signature can make the call, and a person cannot read what \
                 it does.",
            )
            .with([address_line("Calls", target)])
            .with(value_line(shape))
            .with([data_line(data), shape.until(&ENDS, context)]),
        );
    }
    let opaque = shape
        .members()
        .all(|(_, kind, _)| matches!(kind, Type::Bytes | Type::FixedBytes(32)));
    opaque.then(|| {
        Finding::danger(
            "Sign data that a person cannot read",
            "The message is only bytes or a hash. Nobody can see here what it allows.",
        )
    })
}
