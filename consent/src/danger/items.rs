//! Orders over items of collections: Seaport. Lists of what is offered and what has to be paid for
//! it, each part of it to a recipient of its own.

use openkey_capability::address::eip55;

use super::{
    Context, Finding,
    orders::{ANY_TIME, ENDS, NOTHING, Party, RECEIVERS, parties},
    shape::Shape,
    spoken::{is_zero, said, token_text},
};
use crate::{typed_data::Value, word::Word, words::line};

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
        _ => "The offerer gives",
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
    let moved = shape.rows("Moved by", &["conduitkey"], |kind, value| match value {
        Value::Bytes(key) if key.iter().all(|byte| *byte == 0) => {
            "the marketplace itself".to_owned()
        }
        Value::Bytes(key) if is_common_conduit(key) => "the conduit of OpenSea".to_owned(),
        _ => format!("the conduit {}, which is not known here", said(kind, value)),
    });
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
            .with(moved)
            .with(shape.begins(&["starttime"], context))
            .with(shape.until("Until", &ENDS, context))
            .warn_if(is_nothing.then_some(NOTHING))
            .warn_if(party.warning()),
    )
}

/// The conduit that nearly every order of OpenSea names
/// (<https://github.com/ProjectOpenSea/seaport-js/blob/main/src/constants.ts>).
pub(super) fn is_common_conduit(key: &[u8]) -> bool {
    const OPENSEA: [u8; 32] = [
        0x00, 0x00, 0x00, 0x7b, 0x02, 0x23, 0x00, 0x91, 0xa7, 0xed, 0x01, 0x23, 0x00, 0x72, 0xf7,
        0x00, 0x6a, 0x00, 0x4d, 0x60, 0xa8, 0xd4, 0xe7, 0x1d, 0x59, 0x9b, 0x81, 0x04, 0x25, 0x0f,
        0x00, 0x00,
    ];
    key == OPENSEA
}

const AMOUNTS: [&str; 3] = ["startamount", "endamount", "amount"];
const TOKENS: [&str; 1] = ["token"];
const NUMBERS: [&str; 3] = ["identifierorcriteria", "identifier", "tokenid"];
const KINDS: [&str; 1] = ["itemtype"];

/// What an item is, by Seaport's `ItemType`
/// (<https://github.com/ProjectOpenSea/seaport-types/blob/main/src/lib/ConsiderationEnums.sol>).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coin,
    Token,
    Item,
    /// Whoever fills the order chooses which.
    AnyItem,
    /// No type, several, or one that Seaport does not have.
    Unknown,
}

impl Kind {
    fn of(item: &Shape<'_, '_>) -> Self {
        match item.uints(&KINDS).as_slice() {
            [(kind, _)] => match kind.to_u64() {
                Some(0) => Self::Coin,
                Some(1) => Self::Token,
                Some(2 | 3) => Self::Item,
                Some(4 | 5) => Self::AnyItem,
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }
}

/// True if it is of a kind that Seaport has, and its amount is said and never zero, at the beginning
/// or at the end.
fn is_something(item: &Shape<'_, '_>) -> bool {
    let amounts = item.uints(&AMOUNTS);
    let tokens = item.addresses(&TOKENS);
    let is_there = match Kind::of(item) {
        Kind::Unknown => false,
        Kind::Coin => tokens.iter().all(|it| is_zero(it)),
        Kind::Token | Kind::Item | Kind::AnyItem => {
            !tokens.is_empty() && !tokens.iter().any(|it| is_zero(it))
        }
    };
    is_there && !amounts.is_empty() && amounts.iter().all(|(it, _)| it.bits() > 0)
}

/// One item: its kind, its contract, its number, how many.
fn item(item: &Shape<'_, '_>) -> String {
    for names in [&TOKENS[..], &NUMBERS, &KINDS, &AMOUNTS, &RECEIVERS] {
        item.tell(names);
    }
    let numbers: Vec<_> = item.uints(&NUMBERS).iter().map(|(it, _)| **it).collect();
    let several = |numbers: &[Word]| {
        let texts: Vec<String> = numbers.iter().map(Word::to_string).collect();
        texts.join(" and ")
    };
    let is_set = numbers.iter().any(|it| it.bits() > 0);
    let kind = Kind::of(item);
    let what = match kind {
        Kind::Coin => "coin".to_owned(),
        Kind::Token => "token".to_owned(),
        Kind::Item => "item".to_owned(),
        Kind::AnyItem if is_set => "ANY item of a list".to_owned(),
        Kind::AnyItem => "ANY item".to_owned(),
        Kind::Unknown => {
            let kinds: Vec<_> = item.uints(&KINDS).iter().map(|(it, _)| **it).collect();
            match kinds.as_slice() {
                [] => "asset of a kind that is not said".to_owned(),
                kinds => format!("asset of an unknown kind ({})", several(kinds)),
            }
        }
    };
    // A coin has no number, and one of a list is chosen later; item number 0 is an item like others.
    let number = match kind {
        Kind::Item | Kind::Unknown if !numbers.is_empty() => {
            format!(" number {}", several(&numbers))
        }
        _ if is_set => format!(" number {}", several(&numbers)),
        _ => String::new(),
    };
    let tokens = item.addresses(&TOKENS).into_iter();
    let tokens: Vec<String> = tokens
        .map(|it| match kind {
            Kind::Coin => token_text(Some(it)),
            _ if is_zero(it) => "the zero address, which is no token".to_owned(),
            _ => eip55(it),
        })
        .collect();
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
    format!("{amount} × {what}{number} of {token}")
}
