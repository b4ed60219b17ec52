//! Letting others move tokens: permits and authorised transfers.

use super::{
    Context, Finding,
    shape::Shape,
    spoken::{OF_TOKEN, said},
    swaps,
};
use crate::words::line;

const SPENDERS: [&str; 2] = ["spender", "operator"];
/// Whose tokens they are.
const OWNERS: [&str; 7] = [
    "owner",
    "holder",
    "from",
    "sender",
    "account",
    "user",
    "authorizer",
];
const TOKENS: [&str; 4] = ["token", "asset", "currency", "tokenaddress"];
const AMOUNTS: [&str; 8] = [
    "value",
    "amount",
    "wad",
    "allowance",
    "allowedamount",
    "rawamount",
    "quantity",
    "share",
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
const ITEMS: [&str; 3] = ["tokenid", "id", "nftid"];
const APPROVALS: [&str; 3] = ["approved", "approval", "isapproved"];
const RECEIVERS: [&str; 6] = [
    "to",
    "recipient",
    "receiver",
    "destination",
    "payee",
    "beneficiary",
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

fn unlimited(is_unlimited: bool) -> Option<&'static str> {
    is_unlimited.then_some(UNLIMITED)
}

/// Permit2 `PermitTransferFrom` and `PermitBatchTransferFrom`, with or without a witness
/// (<https://docs.uniswap.org/contracts/permit2/reference/signature-transfer>).
pub(super) fn permit2_transfer(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const PERMITTED: [&str; 1] = ["permitted"];
    /// What the spender promises for the tokens.
    const WITNESS: [&str; 1] = ["witness"];
    let permitted = permitted(shape, &PERMITTED)?;
    let witnesses = shape.structs(&WITNESS).unwrap_or_default();
    let order = match witnesses.as_slice() {
        [witness] => swaps::output_order(witness, context).map(|order| {
            shape.absorb(witness, &swaps::MEMBERS);
            shape.tell(&WITNESS);
            order.accounting_for(witness)
        }),
        _ => None,
    };
    let title = match order {
        Some(_) => "Exchange tokens (an order): let somebody take yours once",
        None => "Let somebody take tokens once",
    };
    let mut finding = Finding::danger(context.titled(title, "permit2"), WITHOUT_ASKING)
        .with(shape.address_rows("Who may take", &SPENDERS));
    finding = permitted.iter().fold(finding, listed);
    permitted.iter().for_each(|it| shape.adopt(it));
    shape.tell(&PERMITTED);
    if let Some(order) = order {
        finding.lines.extend(order.lines);
        finding.warnings.extend(order.warnings);
    }
    Some(finding.with(shape.until("Until", &ENDS, context)))
}

/// Permit2 `PermitSingle` and `PermitBatch`
/// (<https://docs.uniswap.org/contracts/permit2/reference/allowance-transfer>).
pub(super) fn permit2_allowance(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const DETAILS: [&str; 1] = ["detail"];
    let details = permitted(shape, &DETAILS)?;
    let mut finding = Finding::danger(
        context.titled("Let somebody spend tokens again and again", "permit2"),
        WITHOUT_ASKING,
    )
    .with(shape.address_rows("Who may spend", &SPENDERS));
    for detail in &details {
        let until = detail.until("Until", &ENDS, context);
        finding = listed(finding.with(until), detail);
        shape.adopt(detail);
    }
    shape.tell(&DETAILS);
    Some(finding.with(shape.until("To be used by", &ENDS, context)))
}

/// The structs that say token and amount; `None` without a spender, or unless all of them do.
fn permitted<'v, 's>(shape: &Shape<'v, 's>, names: &[&str]) -> Option<Vec<Shape<'v, 's>>> {
    let structs = shape.structs(names)?;
    let is_permitted =
        |it: &Shape<'_, '_>| !it.addresses(&["token"]).is_empty() && !it.uints(&AMOUNTS).is_empty();
    let is_whole = !shape.addresses(&SPENDERS).is_empty() && structs.iter().all(is_permitted);
    is_whole.then_some(structs)
}

/// Adds token and amount, and a warning if it is unlimited.
fn listed(finding: Finding, item: &Shape<'_, '_>) -> Finding {
    finding
        .with(item.rows("Token contract", &["token"], said))
        .with(item.amount_rows("How much", &AMOUNTS, OF_TOKEN))
        .warn_if(unlimited(item.is_unlimited(&AMOUNTS)))
        .accounting_for(item)
}

/// The permit of the DAI token, which knows only all or nothing
/// (<https://github.com/makerdao/developerguides>).
pub(super) fn dai_permit(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const ALLOWED: [&str; 1] = ["allowed"];
    let allowed = shape.bools(&ALLOWED);
    if shape.addresses(&SPENDERS).is_empty() || allowed.is_empty() {
        return None;
    }
    let finding = if !allowed.contains(&true) && shape.has_only(&ALLOWANCE_TAKEN_BACK) {
        Finding::danger(
            "Take back somebody's right to spend a token",
            "Whoever holds this signature can end the spender's right.",
        )
        .milder()
    } else {
        Finding::danger("Let somebody spend all of a token", WITHOUT_ASKING)
            .warn_if(Some(UNLIMITED))
            .with([line("How much", "UNLIMITED")])
    };
    Some(
        finding
            .with(shape.rows("Allowed", &ALLOWED, said))
            .with(shape.address_rows("Who may spend", &SPENDERS))
            .with(shape.token_rows(&TOKENS, context))
            .with(shape.actor_rows(&OWNERS, context))
            .with(shape.until("Until", &ENDS, context)),
    )
}

/// ERC-2612, <https://eips.ethereum.org/EIPS/eip-2612>, and whatever has a spender and an amount.
pub(super) fn token_permit(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    if shape.addresses(&SPENDERS).is_empty() || shape.uints(&AMOUNTS).is_empty() {
        return None;
    }
    Some(
        Finding::danger("Let somebody spend your tokens (permit)", WITHOUT_ASKING)
            .with(shape.address_rows("Who may spend", &SPENDERS))
            .with(shape.token_rows(&TOKENS, context))
            .with(shape.amount_rows("How much", &AMOUNTS, OF_TOKEN))
            .with(shape.actor_rows(&OWNERS, context))
            .with(shape.until("Until", &ENDS, context))
            .warn_if(unlimited(shape.is_unlimited(&AMOUNTS))),
    )
}

/// ERC-4494, <https://eips.ethereum.org/EIPS/eip-4494>: one item of a collection.
pub(super) fn item_permit(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    if shape.addresses(&SPENDERS).is_empty() || shape.uints(&ITEMS).is_empty() {
        return None;
    }
    Some(
        Finding::danger(
            "Let somebody take an item (NFT permit)",
            "Whoever holds this signature can let the spender take the item, without asking again.",
        )
        .with(shape.address_rows("Who may take", &SPENDERS))
        .with(shape.token_rows(&TOKENS, context))
        .with(shape.rows("Item", &ITEMS, said))
        .with(shape.actor_rows(&OWNERS, context))
        .with(shape.until("Until", &ENDS, context)),
    )
}

/// `setApprovalForAll` by signature, and every other struct that names a spender or operator.
pub(super) fn operator_approval(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    if shape.addresses(&SPENDERS).is_empty() {
        return None;
    }
    let approved = shape.bools(&APPROVALS);
    let finding = if approved.contains(&true) {
        Finding::danger(
            "Let somebody move everything you have in a contract",
            "Whoever holds this signature can let the operator move all of it, without asking \
             again.",
        )
    } else if !approved.is_empty() && shape.has_only(&APPROVAL_TAKEN_BACK) {
        Finding::danger(
            "Take back somebody's rights over your assets",
            "Whoever holds this signature can end the operator's rights.",
        )
        .milder()
    } else {
        Finding::danger("Give somebody rights over your assets", WITHOUT_ASKING)
    };
    Some(
        finding
            .with(shape.address_rows("Who", &SPENDERS))
            .with(shape.rows("Approved", &APPROVALS, said))
            .with(shape.token_rows(&TOKENS, context))
            .with(shape.actor_rows(&OWNERS, context))
            .with(shape.until("Until", &ENDS, context)),
    )
}

/// ERC-3009, <https://eips.ethereum.org/EIPS/eip-3009>, and whatever names a receiver and an
/// amount.
pub(super) fn token_transfer(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const BEGINS: [&str; 2] = ["validafter", "notbefore"];
    if shape.addresses(&RECEIVERS).is_empty() || shape.uints(&AMOUNTS).is_empty() {
        return None;
    }
    let unit = if shape.has(&TOKENS) || context.contract.is_some() {
        OF_TOKEN
    } else {
        "of units that are not said"
    };
    Some(
        Finding::danger(
            "Send tokens to somebody",
            "Whoever holds this signature can make the transfer happen, without asking again.",
        )
        .with(shape.address_rows("To", &RECEIVERS))
        .with(shape.token_rows(&TOKENS, context))
        .with(shape.amount_rows("How much", &AMOUNTS, unit))
        .with(shape.actor_rows(&OWNERS, context))
        .with(shape.begins(&BEGINS, context))
        .with(shape.until("Until", &ENDS, context))
        .warn_if(unlimited(shape.is_unlimited(&AMOUNTS))),
    )
}
