//! Letting others move tokens: permits and authorised transfers.

use super::{
    Context, Finding,
    shape::{Shape, address_line, token_line, token_text},
};
use crate::words::{Size, line};

const SPENDERS: [&str; 2] = ["spender", "operator"];
const AMOUNTS: [&str; 8] = [
    "value",
    "amount",
    "wad",
    "allowance",
    "allowedamount",
    "rawamount",
    "quantity",
    "shares",
];
const ENDS: [&str; 8] = [
    "deadline",
    "expiry",
    "expiration",
    "sigdeadline",
    "validbefore",
    "validto",
    "validuntil",
    "expirationtime",
];
/// Members of a struct that does nothing but take one token's allowance back; any other could
/// grant something.
const ALLOWANCE_TAKEN_BACK: [&str; 7] = [
    "holder", "owner", "spender", "nonce", "expiry", "deadline", "allowed",
];
/// The same for rights over everything in a contract.
const APPROVAL_TAKEN_BACK: [&str; 9] = [
    "owner", "account", "spender", "operator", "nonce", "expiry", "deadline", "approved",
    "approval",
];
const WITHOUT_ASKING: &str = "Whoever holds this signature can let the spender take these tokens, \
                              without asking again.";
const UNLIMITED: &str = "The amount is unlimited: everything of this token that the key holds, now \
                         and later, can be taken.";

fn unlimited(size: Size) -> Option<&'static str> {
    (size == Size::Unlimited).then_some(UNLIMITED)
}

/// Permit2 `PermitTransferFrom` and `PermitBatchTransferFrom`, with or without a witness
/// (<https://docs.uniswap.org/contracts/permit2/reference/signature-transfer>).
pub(super) fn permit2_transfer(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let spender = shape.address(&SPENDERS)?;
    let permitted = tokens(&shape.structs(&["permitted"])?)?;
    let finding = Finding::danger("Let somebody take tokens once (Permit2)", WITHOUT_ASKING)
        .with([address_line("Who may take", spender)]);
    Some(listed(finding, permitted).with([shape.until(&ENDS, context)]))
}

/// Permit2 `PermitSingle` and `PermitBatch`
/// (<https://docs.uniswap.org/contracts/permit2/reference/allowance-transfer>).
pub(super) fn permit2_allowance(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let spender = shape.address(&SPENDERS)?;
    let details = shape.structs(&["details"])?;
    let permitted = tokens(&details)?;
    let finding = Finding::danger(
        "Let somebody spend tokens again and again (Permit2)",
        WITHOUT_ASKING,
    )
    .with([address_line("Who may spend", spender)]);
    let ends = details.iter().map(|detail| detail.until(&ENDS, context));
    Some(
        listed(finding, permitted)
            .with(ends)
            .with([line("To be used by", shape.until(&ENDS, context).value)]),
    )
}

/// Token and amount of each struct in a list; `None` unless all have both.
fn tokens(structs: &[Shape<'_, '_>]) -> Option<Vec<(String, (String, Size))>> {
    structs
        .iter()
        .map(|item| {
            let token = item.address(&["token"])?;
            Some((token_text(Some(token)), item.amount(&AMOUNTS)?))
        })
        .collect()
}

/// Adds every token with its amount, and a warning if one is unlimited.
fn listed(finding: Finding, tokens: Vec<(String, (String, Size))>) -> Finding {
    let any = tokens.iter().find_map(|(_, (_, size))| unlimited(*size));
    finding
        .with(tokens.into_iter().flat_map(|(token, (amount, _))| {
            [line("Token contract", token), line("How much", amount)]
        }))
        .warn_if(any)
}

/// The permit of the DAI token, which knows only all or nothing
/// (<https://github.com/makerdao/developerguides>).
pub(super) fn dai_permit(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let spender = shape.address(&SPENDERS)?;
    let allowed = shape.bool(&["allowed"])?;
    let finding = if !allowed && shape.has_only(&ALLOWANCE_TAKEN_BACK) {
        Finding::danger(
            "Take back somebody's right to spend a token",
            "Whoever holds this signature can end the spender's right.",
        )
    } else {
        Finding::danger("Let somebody spend all of a token", WITHOUT_ASKING)
            .warn_if(Some(UNLIMITED))
            .with([line("How much", "UNLIMITED")])
    };
    Some(finding.with([
        address_line("Who may spend", spender),
        token_line(context.contract),
        shape.until(&ENDS, context),
    ]))
}

/// ERC-2612, <https://eips.ethereum.org/EIPS/eip-2612>, and whatever has a spender and an amount.
pub(super) fn token_permit(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let spender = shape.address(&SPENDERS)?;
    let (amount, size) = shape.amount(&AMOUNTS)?;
    let token = shape.address(&["token", "asset", "currency"]);
    Some(
        Finding::danger("Let somebody spend your tokens (permit)", WITHOUT_ASKING)
            .with([
                address_line("Who may spend", spender),
                token_line(token.or(context.contract)),
                line("How much", amount),
                shape.until(&ENDS, context),
            ])
            .warn_if(unlimited(size)),
    )
}

/// ERC-4494, <https://eips.ethereum.org/EIPS/eip-4494>: one item of a collection.
pub(super) fn item_permit(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let spender = shape.address(&SPENDERS)?;
    let (item, _) = shape.uint(&["tokenid", "id", "nftid"])?;
    Some(
        Finding::danger(
            "Let somebody take an item (NFT permit)",
            "Whoever holds this signature can let the spender take the item, without asking again.",
        )
        .with([
            address_line("Who may take", spender),
            token_line(context.contract),
            line("Item", item.to_string()),
            shape.until(&ENDS, context),
        ]),
    )
}

/// `setApprovalForAll` by signature, and every other struct that names a spender or operator.
pub(super) fn operator_approval(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let spender = shape.address(&SPENDERS)?;
    let finding = match shape.bool(&["approved", "approval", "isapproved"]) {
        Some(false) if shape.has_only(&APPROVAL_TAKEN_BACK) => Finding::danger(
            "Take back somebody's rights over your assets",
            "Whoever holds this signature can end the operator's rights.",
        ),
        Some(true) => Finding::danger(
            "Let somebody move everything you have in a contract",
            "Whoever holds this signature can let the operator move all of it, without asking \
             again.",
        ),
        _ => Finding::danger("Give somebody rights over your assets", WITHOUT_ASKING),
    };
    Some(finding.with([
        address_line("Who", spender),
        token_line(context.contract),
        shape.until(&ENDS, context),
    ]))
}

/// ERC-3009, <https://eips.ethereum.org/EIPS/eip-3009>, and whatever names a receiver and an
/// amount.
pub(super) fn token_transfer(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let to = shape.address(&["to", "recipient", "receiver", "destination", "payee"])?;
    let (amount, size) = shape.amount(&AMOUNTS)?;
    let token = shape.address(&["token", "asset", "currency"]);
    let from = shape.uint(&["validafter", "notbefore"]);
    let from = from.map(|(start, _)| {
        let start = crate::words::unix_seconds(start, context.now_ms);
        line("From", start)
    });
    Some(
        Finding::danger(
            "Send tokens to somebody",
            "Whoever holds this signature can make the transfer happen, without asking again.",
        )
        .with([
            address_line("To", to),
            token_line(token.or(context.contract)),
            line("How much", amount),
        ])
        .with(from)
        .with([shape.until(&ENDS, context)])
        .warn_if(unlimited(size)),
    )
}
