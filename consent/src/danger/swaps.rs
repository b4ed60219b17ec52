//! Orders that say a side by a number, or list what has to be paid out: Polymarket, UniswapX.

use openkey_capability::address::eip55;
use openkey_protocol::message::Line;

use super::{
    Context, Finding,
    orders::{ANY_TIME, ENDS, NOTHING, OF_ANOTHER, Party, RECEIVERS, parties},
    shape::Shape,
    spoken::{OF_TOKEN, said, token_text},
};
use crate::{
    typed_data::Value,
    words::{Size, amount, line},
};

/// The orders of Polymarket, versions 1 and 2 (<https://docs.polymarket.com/v2-migration>).
const POLYMARKET: [&str; 2] = [
    "Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,uint256 expiration,uint256 nonce,uint256 feeRateBps,uint8 side,uint8 signatureType)",
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)",
];

/// Orders over shares of an outcome: the side says whether the shares are bought or sold
/// (<https://github.com/Polymarket/ctf-exchange/blob/main/src/exchange/libraries/OrderStructs.sol>).
pub(super) fn outcome_order(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const TOKENS: [&str; 1] = ["tokenid"];
    const SIDES: [&str; 1] = ["side"];
    const MAKES: [&str; 1] = ["makeramount"];
    const TAKES: [&str; 1] = ["takeramount"];
    const MADE: [&str; 1] = ["timestamp"];
    let sides = shape.uints(&SIDES);
    let is_order = !sides.is_empty()
        && [&TOKENS, &MAKES, &TAKES]
            .into_iter()
            .all(|names| !shape.uints(names).is_empty());
    if !is_order {
        return None;
    }
    let (title, gives, gets) = match sides.as_slice() {
        [(side, _)] if side.to_u64() == Some(0) => (
            "Buy shares of an outcome, by an order",
            "of the smallest units of money",
            "of the smallest units of shares",
        ),
        [(side, _)] if side.to_u64() == Some(1) => (
            "Sell shares of an outcome, by an order",
            "of the smallest units of shares",
            "of the smallest units of money",
        ),
        _ => (
            "Buy or sell shares of an outcome, by an order",
            "of the smallest units of one of the two",
            "of the smallest units of the other",
        ),
    };
    let is_listed = POLYMARKET.contains(&context.written);
    let title = if is_listed {
        context.titled(title, "polymarket-orders")
    } else {
        title.to_owned()
    };
    let is_nothing = shape.uints(&TAKES).iter().any(|(it, _)| it.bits() == 0);
    let party = Party::of(shape, context);
    let (given, received) = match party {
        Party::Maker => ("You give at most", "You receive at least"),
        _ => ("The maker gives at most", "The maker receives at least"),
    };
    // The signer is named beside the maker, whose money it is.
    let signs = shape.rows("Signed by", &["signer"], said);
    Some(
        Finding::danger(title, ANY_TIME)
            .with(shape.amount_rows(given, &MAKES, gives))
            .with(shape.amount_rows(received, &TAKES, gets))
            .with(shape.rows("Shares", &TOKENS, said))
            .with(shape.rows("Side", &SIDES, |kind, value| match value {
                Value::Integer { magnitude, .. } if magnitude.to_u64() == Some(0) => {
                    "buy".to_owned()
                }
                Value::Integer { magnitude, .. } if magnitude.to_u64() == Some(1) => {
                    "sell".to_owned()
                }
                _ => format!("{}, which is neither to buy nor to sell", said(kind, value)),
            }))
            .with(shape.rows("Fee", &["feeratebps"], |kind, value| {
                format!("at most {} hundredths of a percent", said(kind, value))
            }))
            .with(shape.begins(&MADE, context))
            .with(signs)
            .with(parties(shape, context))
            .with(shape.until("Until", &ENDS, context))
            .warn_if(
                shape
                    .is_unlimited(&MAKES)
                    .then_some("What you give is unlimited."),
            )
            .warn_if(is_nothing.then_some(NOTHING))
            .warn_if(party.warning()),
    )
}

const OUTPUTS: [&str; 2] = ["output", "baseoutput"];
const INPUTS: [&str; 2] = ["input", "baseinput"];
const INFO: [&str; 1] = ["info"];
/// Inputs that stand beside the outputs, and not in a struct of their own.
const TOKENS: [&str; 2] = ["inputtoken", "baseinputtoken"];
const GIVEN: [&str; 5] = [
    "inputamount",
    "inputstartamount",
    "inputendamount",
    "baseinputstartamount",
    "baseinputendamount",
];
/// Amounts of one input or output.
const AMOUNTS: [&str; 5] = [
    "amount",
    "startamount",
    "endamount",
    "maxamount",
    "minamount",
];
/// Every member that an input or output of UniswapX has.
const PARTS: [&str; 10] = [
    "token",
    "amount",
    "startamount",
    "endamount",
    "maxamount",
    "minamount",
    "recipient",
    "curve",
    "mpsperpriorityfeewei",
    "adjustmentpergweibasefee",
];

/// Every member that an order of UniswapX has.
pub(super) const MEMBERS: [&str; 20] = [
    "info",
    "cosigner",
    "startingbasefee",
    "auctionstartblock",
    "baselinepriorityfeewei",
    "decaystarttime",
    "decayendtime",
    "exclusivefiller",
    "exclusivityoverridebps",
    "inputtoken",
    "baseinputtoken",
    "inputamount",
    "inputstartamount",
    "inputendamount",
    "baseinputstartamount",
    "baseinputendamount",
    "input",
    "baseinput",
    "outputs",
    "baseoutputs",
];

const INFO_MEMBERS: [&str; 6] = [
    "reactor",
    "swapper",
    "nonce",
    "deadline",
    "additionalvalidationcontract",
    "additionalvalidationdata",
];

/// Orders that list what has to be paid to whom, for one input: UniswapX
/// (<https://github.com/Uniswap/UniswapX/tree/main/src/lib>).
pub(super) fn output_order(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let outputs = shape.structs(&OUTPUTS)?;
    let inputs = shape.structs(&INPUTS).unwrap_or_default();
    let is_part =
        |it: &Shape<'_, '_>| !it.addresses(&["token"]).is_empty() && !it.uints(&AMOUNTS).is_empty();
    let is_flat = !shape.addresses(&TOKENS).is_empty() && !shape.uints(&GIVEN).is_empty();
    let is_order = (is_flat || !inputs.is_empty())
        && outputs.iter().all(is_part)
        && inputs.iter().all(is_part);
    if !is_order {
        return None;
    }
    let info = shape.structs(&INFO).unwrap_or_default();
    // Who makes it and until when is said inside, or beside the outputs.
    let mut said_inside = info.iter().chain(core::iter::once(shape));
    let is_of_another = |it: &Shape<'_, '_>| {
        it.addresses(&["swapper"])
            .iter()
            .any(|it| *it != context.signer)
    };
    let is_own = !said_inside.any(is_of_another);
    let label = if is_own {
        "You give"
    } else {
        "The swapper gives"
    };
    let mut gives = Vec::new();
    let mut is_unlimited = shape.is_unlimited(&GIVEN);
    if is_flat {
        gives.push(line(label, part(shape, &TOKENS, &GIVEN)));
    }
    for input in &inputs {
        is_unlimited |= input.is_unlimited(&AMOUNTS);
        gives.push(line(label, part(input, &["token"], &AMOUNTS)));
        shape.absorb(input, &PARTS);
    }
    let (received, is_nothing) = receipts(&outputs, context);
    for output in &outputs {
        shape.absorb(output, &PARTS);
    }
    shape.tell(&OUTPUTS);
    shape.tell(&INPUTS);
    let mut finding = Finding::danger("Exchange tokens (an order)", ANY_TIME)
        .with(gives)
        .with(received);
    for it in &info {
        finding = finding
            .with(parties(it, context))
            .with(it.until("Until", &ENDS, context))
            .with(it.rows("Carried out by", &["reactor"], said));
        shape.absorb(it, &INFO_MEMBERS);
    }
    if info.is_empty() {
        finding = finding
            .with(parties(shape, context))
            .with(shape.until("Until", &ENDS, context));
    }
    shape.tell(&INFO);
    let finding = info
        .iter()
        .chain(&inputs)
        .chain(&outputs)
        .fold(finding, Finding::accounting_for);
    Some(
        finding
            .warn_if(is_unlimited.then_some("What you give is unlimited."))
            .warn_if(is_nothing.then_some(NOTHING))
            .warn_if((!is_own).then_some(OF_ANOTHER)),
    )
}

/// Rows of what is paid out, and whether nothing of it is sure to reach the key.
fn receipts(outputs: &[Shape<'_, '_>], context: Context<'_>) -> (Vec<Line>, bool) {
    let mut lines = Vec::new();
    let mut is_nothing = true;
    for output in outputs {
        let what = part(output, &["token"], &AMOUNTS);
        let to = output.addresses(&RECEIVERS);
        output.tell(&RECEIVERS);
        lines.push(if to.is_empty() {
            line("Has to be paid", format!("{what}, to nobody that is named"))
        } else if to.iter().all(|it| *it == context.signer) {
            // What falls to zero, or may, is no receipt.
            let amounts = output.uints(&AMOUNTS);
            is_nothing &= amounts.iter().any(|(it, _)| it.bits() == 0);
            line("You receive", what)
        } else {
            let to: Vec<String> = to.into_iter().map(eip55).collect();
            line("Goes to others", format!("{what}, to {}", to.join(" and ")))
        });
    }
    if is_nothing {
        lines.push(line("You receive", "Nothing that is sure"));
    }
    (lines, is_nothing)
}

/// Amounts and token of an input or output.
fn part(shape: &Shape<'_, '_>, tokens: &[&str], amounts: &[&str]) -> String {
    shape.tell(tokens);
    shape.tell(amounts);
    let mut said: Vec<String> = shape
        .uints(amounts)
        .into_iter()
        .map(|(value, bits)| match amount(value, bits, "") {
            (text, Size::Unlimited) => text,
            (_, Size::Limited) => value.to_string(),
        })
        .collect();
    said.dedup();
    let tokens = shape.addresses(tokens).into_iter();
    let tokens: Vec<String> = tokens.map(|it| token_text(Some(it))).collect();
    format!("{} {OF_TOKEN}: {}", said.join(" to "), tokens.join(" and "))
}
