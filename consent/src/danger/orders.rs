//! Orders: giving something for something, at any later time.

use openkey_protocol::message::Line;

use super::{
    Context, Finding,
    shape::{Shape, address_line, token_text},
};
use crate::words::{Size, line};

const ENDS: [&str; 9] = [
    "deadline",
    "expiry",
    "expiration",
    "validto",
    "validuntil",
    "endtime",
    "expirationtime",
    "expirationtimeseconds",
    "filldeadline",
];
const ANY_TIME: &str = "Whoever holds this signature can make this exchange happen until it ends, \
                        without asking again. Check what you receive.";

/// Names of what is given and received: contract and amount of each.
struct Sides {
    give_token: &'static str,
    give_amount: &'static str,
    get_token: &'static str,
    get_amount: &'static str,
}

/// 0x v3 and v4, 1inch limit orders, CoW Protocol, and their like.
const SIDES: [Sides; 7] = [
    sides("makertoken", "makeramount", "takertoken", "takeramount"),
    sides("makerasset", "makingamount", "takerasset", "takingamount"),
    sides(
        "makerassetdata",
        "makerassetamount",
        "takerassetdata",
        "takerassetamount",
    ),
    sides("selltoken", "sellamount", "buytoken", "buyamount"),
    sides("tokenin", "amountin", "tokenout", "amountout"),
    sides("inputtoken", "inputamount", "outputtoken", "outputamount"),
    sides("fromtoken", "fromamount", "totoken", "toamount"),
];

const fn sides(
    give_token: &'static str,
    give_amount: &'static str,
    get_token: &'static str,
    get_amount: &'static str,
) -> Sides {
    Sides {
        give_token,
        give_amount,
        get_token,
        get_amount,
    }
}

/// Orders of one token for another.
pub(super) fn token_order(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let sides = SIDES
        .iter()
        .find(|sides| shape.has(&[sides.give_token]) && shape.has(&[sides.get_token]))?;
    let side = |token, amount| {
        let token = shape.address(&[token]).map_or_else(
            || "a token given by encoded data below".to_owned(),
            |token| token_text(Some(token)),
        );
        let (amount, size) = shape
            .amount(&[amount])
            .unwrap_or_else(|| ("an amount that is not said".to_owned(), Size::Limited));
        (format!("{amount}: {token}"), size)
    };
    let (give, size) = side(sides.give_token, sides.give_amount);
    let (get, _) = side(sides.get_token, sides.get_amount);
    let unlimited = (size == Size::Unlimited).then_some("What you give is unlimited.");
    Some(
        Finding::danger("Exchange tokens (an order)", ANY_TIME)
            .with([line("You give", give), line("You receive", get)])
            .with(receiver(shape))
            .with([shape.until(&ENDS, context)])
            .warn_if(unlimited),
    )
}

fn receiver(shape: &Shape<'_, '_>) -> Option<Line> {
    shape
        .address(&["receiver", "recipient"])
        .map(|address| address_line("Received by", address))
}

/// Seaport's `OrderComponents` (<https://github.com/ProjectOpenSea/seaport>): lists of what is
/// offered and what has to be paid for it.
pub(super) fn item_order(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let offer = shape.structs(&["offer", "offers"])?;
    let consideration = shape.structs(&["consideration", "considerations"])?;
    let nothing = consideration
        .is_empty()
        .then_some("You receive nothing for what you give.");
    let given = offer.iter().map(|item| line("You give", self::item(item)));
    let received = consideration.iter().map(|item| {
        let to = item.address(&["recipient"]).map_or_else(String::new, |to| {
            format!(", to {}", openkey_capability::address::eip55(to))
        });
        line("Has to be paid", format!("{}{to}", self::item(item)))
    });
    Some(
        Finding::danger("Sell or buy items (a marketplace order)", ANY_TIME)
            .with(given)
            .with(received)
            .with([shape.until(&ENDS, context)])
            .warn_if(nothing),
    )
}

/// One item: its kind by Seaport's `ItemType`, its contract, its number, how many.
fn item(item: &Shape<'_, '_>) -> String {
    let kind = item.uint(&["itemtype"]).and_then(|(kind, _)| kind.to_u64());
    let kind = match kind {
        Some(0) => "coin",
        Some(1) => "token",
        Some(2 | 3) => "item",
        Some(4 | 5) => "ANY item (or one of a list)",
        _ => "asset",
    };
    let number = item
        .uint(&["identifierorcriteria", "identifier", "tokenid"])
        .filter(|(number, _)| number.bits() > 0)
        .map_or_else(String::new, |(number, _)| format!(" number {number}"));
    let token = token_text(item.address(&["token"]));
    let end = item.uint(&["endamount", "amount"]).map(|(end, _)| end);
    let start = item
        .uint(&["startamount", "amount"])
        .map(|(start, _)| start);
    let amount = match (start, end) {
        (Some(start), Some(end)) if start != end => format!("from {start} to {end}"),
        (Some(amount), _) | (_, Some(amount)) => amount.to_string(),
        (None, None) => "an amount that is not said".to_owned(),
    };
    format!("{amount} × {kind}{number} of {token}")
}
