//! Orders: giving something for something, at any later time. Who gives and who receives is told
//! from where the key stands: it may be the maker's, the taker's, or neither's, and what goes to
//! others is nothing received.

use openkey_capability::address::eip55;
use openkey_protocol::message::Line;

use super::{
    Context, Finding,
    shape::{OF_TOKEN, Shape, is_zero, said, token_text},
};
use crate::{typed_data::Value, words::line};

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
/// Who makes an order, and gives what it offers.
const MAKERS: [&str; 10] = [
    "maker",
    "makeraddress",
    "offerer",
    "trader",
    "swapper",
    "owner",
    "user",
    "seller",
    "from",
    "signer",
];
/// Who alone may take an order; the zero address stands for anybody.
const TAKERS: [&str; 3] = ["taker", "takeraddress", "buyer"];
const RECEIVERS: [&str; 4] = ["receiver", "recipient", "to", "beneficiary"];
const ANY_TIME: &str = "Whoever holds this signature can make this exchange happen until it ends, \
                        without asking again. Check what you receive.";
/// Whose side is whose is the program's to say, if another account is the maker.
const OF_ANOTHER: &str = "The order names another account as the one who makes it. A program may \
                          still take it for an order of your key; then both sides are the other way \
                          round.";
const NOTHING: &str = "You receive nothing for what you give.";

/// Where the key stands in an order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Party {
    Maker,
    Taker,
    /// The order is another account's.
    Neither,
}

impl Party {
    /// Without a maker by name, the maker is whoever signs.
    fn of(shape: &Shape<'_, '_>, context: Context<'_>) -> Self {
        let makers = shape.addresses(&MAKERS);
        if makers.is_empty() || makers.contains(&context.signer) {
            Self::Maker
        } else if shape.addresses(&TAKERS).contains(&context.signer) {
            Self::Taker
        } else {
            Self::Neither
        }
    }
}

/// Maker, taker and receiver, with a note where they are not the key.
fn parties(shape: &Shape<'_, '_>, context: Context<'_>) -> Vec<Line> {
    let mut lines = shape.actor_rows(&MAKERS, context);
    lines.extend(
        shape.rows("Who may take it", &TAKERS, |kind, value| match value {
            Value::Address(taker) if is_zero(taker) => "anybody".to_owned(),
            Value::Address(taker) if taker == context.signer => {
                format!("{}, the address of your key", eip55(taker))
            }
            _ => said(kind, value),
        }),
    );
    lines
}

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

/// One side of an order.
struct Leg {
    says: String,
    is_unlimited: bool,
    /// True if an amount is said and none is zero.
    is_something: bool,
}

impl Leg {
    fn of(shape: &Shape<'_, '_>, token: &'static str, amount: &'static str) -> Self {
        let join = |rows: Vec<Line>| {
            let texts: Vec<String> = rows.into_iter().map(|row| row.value).collect();
            texts.join(" and ")
        };
        let tokens = join(shape.rows("", &[token], |_, value| match value {
            Value::Address(token) => token_text(Some(token)),
            _ => "a token given by encoded data below".to_owned(),
        }));
        let amounts = shape.uints(&[amount]);
        let how_much = match join(shape.amount_rows("", &[amount], OF_TOKEN)) {
            none if none.is_empty() => "an amount that is not said".to_owned(),
            how_much => how_much,
        };
        Self {
            says: format!("{how_much}: {tokens}"),
            is_unlimited: shape.is_unlimited(&[amount]),
            is_something: !amounts.is_empty() && amounts.iter().all(|(it, _)| it.bits() > 0),
        }
    }
}

/// Orders of one token for another.
pub(super) fn token_order(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    let sides: Vec<&Sides> = SIDES
        .iter()
        .filter(|sides| shape.has(&[sides.give_token]) && shape.has(&[sides.get_token]))
        .collect();
    if sides.is_empty() {
        return None;
    }
    let party = Party::of(shape, context);
    let mut finding = Finding::danger("Exchange tokens (an order)", ANY_TIME)
        .warn_if((party != Party::Maker).then_some(OF_ANOTHER));
    if sides.len() > 1 {
        finding = finding.warn_if(Some(
            "It has several pairs of what is given and received. Any of them may be the one that \
             counts.",
        ));
    }
    for sides in sides {
        let makers = Leg::of(shape, sides.give_token, sides.give_amount);
        let takers = Leg::of(shape, sides.get_token, sides.get_amount);
        finding = match party {
            Party::Maker => exchange(finding, &makers, &takers, &elsewhere(shape, context)),
            // The receiver is who receives for the maker.
            Party::Taker => exchange(finding, &takers, &makers, &[]),
            Party::Neither => finding.with([
                line("The maker gives", &makers.says),
                line("The maker receives", &takers.says),
            ]),
        };
    }
    let received = shape.rows("Received by", &RECEIVERS, |kind, value| match value {
        Value::Address(to) if is_zero(to) => "the maker (zero address)".to_owned(),
        _ => said(kind, value),
    });
    Some(
        finding
            .with(received)
            .with(parties(shape, context))
            .with(shape.until("Until", &ENDS, context)),
    )
}

/// Receivers other than the key.
fn elsewhere(shape: &Shape<'_, '_>, context: Context<'_>) -> Vec<String> {
    let receivers = shape.addresses(&RECEIVERS).into_iter();
    receivers
        .filter(|it| *it != context.signer && !is_zero(it))
        .map(eip55)
        .collect()
}

/// What the key gives and what it gets for it.
fn exchange(finding: Finding, give: &Leg, get: &Leg, elsewhere: &[String]) -> Finding {
    let receives = match elsewhere {
        [] if get.is_something => get.says.clone(),
        [] => format!("Perhaps nothing: {}", get.says),
        others => format!("Nothing: {} goes to {}", get.says, others.join(" and ")),
    };
    let is_nothing = !elsewhere.is_empty() || !get.is_something;
    finding
        .with([line("You give", &give.says), line("You receive", receives)])
        .warn_if(give.is_unlimited.then_some("What you give is unlimited."))
        .warn_if(is_nothing.then_some(NOTHING))
}

/// Seaport's `OrderComponents` (<https://github.com/ProjectOpenSea/seaport>): lists of what is
/// offered and what has to be paid for it, each part of it to a recipient of its own.
pub(super) fn item_order(shape: &Shape<'_, '_>, context: Context<'_>) -> Option<Finding> {
    const OFFER: [&str; 1] = ["offer"];
    const CONSIDERATION: [&str; 1] = ["consideration"];
    let offer = shape.structs(&OFFER)?;
    let consideration = shape.structs(&CONSIDERATION)?;
    let party = Party::of(shape, context);
    let gives = match party {
        Party::Maker => "You give",
        Party::Taker | Party::Neither => "The offerer gives",
    };
    let given = offer.iter().map(|item| line(gives, self::item(item)));
    let mut received = Vec::new();
    let mut is_nothing = true;
    for item in &consideration {
        let what = self::item(item);
        let to = item.addresses(&RECEIVERS);
        received.push(if to.is_empty() {
            line("Has to be paid", format!("{what}, to nobody that is named"))
        } else if to.iter().all(|to| *to == context.signer) {
            is_nothing &= !is_something(item);
            line("You receive", what)
        } else {
            let to: Vec<String> = to.into_iter().map(eip55).collect();
            let to = to.join(" and ");
            line("Goes to others", format!("{what}, to {to}"))
        });
    }
    if is_nothing {
        received.push(line("You receive", "Nothing that is sure"));
    }
    shape.tell(&OFFER);
    shape.tell(&CONSIDERATION);
    let finding = Finding::danger("Sell or buy items (a marketplace order)", ANY_TIME)
        .with(given)
        .with(received);
    let finding = offer
        .iter()
        .chain(&consideration)
        .fold(finding, Finding::accounting_for);
    Some(
        finding
            .with(parties(shape, context))
            .with(shape.begins(&["starttime"], context))
            .with(shape.until("Until", &ENDS, context))
            .warn_if(is_nothing.then_some(NOTHING))
            .warn_if((party != Party::Maker).then_some(OF_ANOTHER)),
    )
}

const AMOUNTS: [&str; 3] = ["startamount", "endamount", "amount"];

/// True if an amount is said and none is zero, at the beginning or at the end.
fn is_something(item: &Shape<'_, '_>) -> bool {
    let amounts = item.uints(&AMOUNTS);
    !amounts.is_empty() && amounts.iter().all(|(it, _)| it.bits() > 0)
}

/// One item: its kind by Seaport's `ItemType`, its contract, its number, how many.
fn item(item: &Shape<'_, '_>) -> String {
    const TOKENS: [&str; 1] = ["token"];
    const NUMBERS: [&str; 3] = ["identifierorcriteria", "identifier", "tokenid"];
    const KINDS: [&str; 1] = ["itemtype"];
    for names in [&TOKENS[..], &NUMBERS, &KINDS, &AMOUNTS, &RECEIVERS] {
        item.tell(names);
    }
    let first = |names: &[&str]| item.uints(names).first().map(|(number, _)| **number);
    let kind = match first(&KINDS).and_then(|kind| kind.to_u64()) {
        Some(0) => "coin",
        Some(1) => "token",
        Some(2 | 3) => "item",
        Some(4 | 5) => "ANY item (or one of a list)",
        _ => "asset",
    };
    let number = first(&NUMBERS)
        .filter(|number| number.bits() > 0)
        .map_or_else(String::new, |number| format!(" number {number}"));
    let tokens = item.addresses(&TOKENS).into_iter();
    let tokens: Vec<String> = tokens.map(|it| token_text(Some(it))).collect();
    let mut amounts: Vec<String> = item
        .uints(&AMOUNTS)
        .iter()
        .map(|(amount, _)| amount.to_string())
        .collect();
    amounts.dedup();
    let amount = match amounts.as_slice() {
        [] => "an amount that is not said".to_owned(),
        [amount] => amount.clone(),
        [start, end] => format!("from {start} to {end}"),
        several => format!("one of {}", several.join(" and ")),
    };
    let token = if tokens.is_empty() {
        token_text(None)
    } else {
        tokens.join(" and ")
    };
    format!("{amount} × {kind}{number} of {token}")
}
