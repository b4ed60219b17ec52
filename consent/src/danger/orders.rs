//! Orders: giving something for something, at any later time. Who gives and who receives is told
//! from where the key stands: it may be the maker's, the taker's, or neither's, and what goes to
//! others is nothing received.

use openkey_capability::address::eip55;
use openkey_protocol::message::Line;

use super::{
    Context, Finding,
    shape::Shape,
    spoken::{OF_TOKEN, is_zero, said, token_text},
};
use crate::{
    typed_data::{Type, Value},
    words::{amount, line},
};

pub(super) const ENDS: [&str; 9] = [
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
/// Of these, who may sign for another one.
const SIGNERS: [&str; 1] = ["signer"];
/// Who alone may take an order; the zero address stands for anybody.
const TAKERS: [&str; 3] = ["taker", "takeraddress", "buyer"];
pub(super) const RECEIVERS: [&str; 4] = ["receiver", "recipient", "to", "beneficiary"];
pub(super) const ANY_TIME: &str = "Whoever holds this signature can make this exchange happen until it ends, \
                        without asking again. Check what you receive.";
/// Nothing is claimed of the sides where the members leave them open.
pub(super) const UNCLEAR: &str = "The order does not say clearly on which side your key stands: whether you \
                       give the one side or the other. A program may take either of them as yours.";
/// Whose side is whose is the program's to say, if another account is the maker.
pub(super) const OF_ANOTHER: &str = "The order names another account as the one who makes it. A program may \
                          still take it for an order of your key; then both sides are the other way \
                          round.";
pub(super) const NOTHING: &str = "You receive nothing for what you give.";

/// Where the key stands in an order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Maker,
    Taker,
    /// The order is another account's.
    Neither,
    /// The members contradict each other.
    Unclear,
}

impl Party {
    /// Where nobody is named, the maker is whoever signs.
    pub(super) fn of(shape: &Shape<'_, '_>, context: Context<'_>) -> Self {
        let named = |names: &[&str]| -> Vec<&[u8; 20]> {
            let all = shape.addresses(names).into_iter();
            all.filter(|it| !is_zero(it)).collect()
        };
        let (makers, takers) = (named(&MAKERS), named(&TAKERS));
        let is_key = |it: &&[u8; 20]| **it == *context.signer;
        let is_other = |it: &&[u8; 20]| !is_key(it);
        // Who signs for a maker by name stands on the maker's side.
        let signs = named(&SIGNERS);
        let is_agent = signs.iter().any(is_key)
            && makers.iter().filter(|it| is_key(it)).count()
                == signs.iter().filter(|it| is_key(it)).count();
        match (makers.iter().any(is_key), takers.iter().any(is_key)) {
            (true, true) => Self::Unclear,
            (true, false) if makers.iter().any(is_other) && !is_agent => Self::Unclear,
            (true, false) => Self::Maker,
            (false, true) if takers.iter().any(is_other) => Self::Unclear,
            (false, true) => Self::Taker,
            (false, false) if makers.is_empty() => Self::Maker,
            (false, false) => Self::Neither,
        }
    }

    /// The same where the sides are named by maker and taker, or by neither: the key has to be named then.
    fn in_token_order(self, shape: &Shape<'_, '_>, context: Context<'_>, sides: &Sides) -> Self {
        let is_of_maker = sides.give_token.starts_with("maker");
        let is_named = || {
            let parties = [shape.addresses(&MAKERS), shape.addresses(&TAKERS)].concat();
            parties.contains(&context.signer)
        };
        match self {
            Self::Maker if is_of_maker && !is_named() => Self::Unclear,
            // Whoever takes an order that sells may be who sells.
            Self::Taker if !is_of_maker => Self::Unclear,
            other => other,
        }
    }

    /// What there is to know of this side.
    pub(super) const fn warning(self) -> Option<&'static str> {
        match self {
            Self::Maker => None,
            Self::Taker | Self::Neither => Some(OF_ANOTHER),
            Self::Unclear => Some(UNCLEAR),
        }
    }
}

/// Maker and taker, with a note where they are not the key.
pub(super) fn parties(shape: &Shape<'_, '_>, context: Context<'_>) -> Vec<Line> {
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

/// What is paid on top of what is given, or taken from what is received.
const FEES: [&str; 5] = [
    "feeamount",
    "takertokenfeeamount",
    "makerfee",
    "takerfee",
    "fee",
];

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
    let stands = Party::of(shape, context);
    let mut finding = Finding::danger("Exchange tokens (an order)", ANY_TIME);
    if sides.len() > 1 {
        finding = finding.warn_if(Some(
            "It has several pairs of what is given and received. Any of them may be the one that \
             counts.",
        ));
    }
    for sides in sides {
        let makers = Leg::of(shape, sides.give_token, sides.give_amount);
        let takers = Leg::of(shape, sides.get_token, sides.get_amount);
        let party = stands.in_token_order(shape, context, sides);
        let elsewhere = elsewhere(shape, context);
        finding = match party {
            Party::Maker => exchange(finding, &makers, &takers, &elsewhere),
            // For whom a receiver receives, the maker or the taker, is the program's to say.
            Party::Taker => exchange(finding, &takers, &makers, &elsewhere),
            Party::Neither => finding.with([
                line("The maker gives", &makers.says),
                line("The maker receives", &takers.says),
            ]),
            Party::Unclear => finding.with([
                line("One side", &makers.says),
                line("The other side", &takers.says),
            ]),
        };
        finding = finding.warn_if(party.warning());
    }
    let received = shape.rows("Received by", &RECEIVERS, |kind, value| match value {
        Value::Address(to) if is_zero(to) && stands == Party::Maker => {
            "the maker (zero address)".to_owned()
        }
        Value::Address(to) if is_zero(to) => "nobody that is named (zero address)".to_owned(),
        _ => said(kind, value),
    });
    let fees = shape.list("Fee", &FEES, |kind, value| match (kind, value) {
        (Type::Uint(bits), Value::Integer { magnitude, .. }) => {
            amount(magnitude, *bits, OF_TOKEN).0
        }
        _ => said(kind, value),
    });
    Some(
        finding
            .with(fees)
            .with(received)
            .with(parties(shape, context))
            .with(shape.until("Until", &ENDS, context))
            .warn_if(shape.is_unlimited(&FEES).then_some("The fee is unlimited.")),
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
