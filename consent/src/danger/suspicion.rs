//! What is suspicious in a message, whatever else is known about it. Nothing here makes a message
//! less severe.

use super::{Finding, shape::folded, visit};
use crate::{
    typed_data::{Domain, Struct, Type, Value},
    word::Word,
    words::{Size, amount, line},
};

/// The Permit2 contract, at the same address on every chain
/// (<https://docs.uniswap.org/contracts/permit2/overview>).
const PERMIT2: [u8; 20] = [
    0x00, 0x00, 0x00, 0x00, 0x00, 0x22, 0xd4, 0x73, 0x03, 0x0f, 0x11, 0x6d, 0xde, 0xe9, 0xf6, 0xb4,
    0x3a, 0xc7, 0x8b, 0xa3,
];

/// Parts of type names that speak of moving value or handing over rights.
const NAMES: [&str; 14] = [
    "permit",
    "approv",
    "allowance",
    "authoriz",
    "delegat",
    "transfer",
    "withdraw",
    "order",
    "listing",
    "execut",
    "operator",
    "swap",
    "transaction",
    "safetx",
];

/// Parts of member names that speak of handing over rights.
const MEMBERS: [&str; 6] = [
    "spender",
    "operator",
    "delegat",
    "allowance",
    "approv",
    "permit",
];

/// A message for the Permit2 contract, by its address or by the name it goes by: what that contract
/// takes, it takes from everything that was ever approved to it.
pub(super) fn permit2(domain: &Domain<'_>, message: &Struct<'_>) -> Option<Finding> {
    let is_permit2 = domain.contract() == Some(&PERMIT2)
        || domain.name().is_some_and(|name| folded(name) == "permit2");
    is_permit2.then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type {} for the Permit2 contract",
                message.definition.name
            ),
            "It is for the Permit2 contract, which can move every token that it was approved for.",
        )
    })
}

/// A message of no known kind whose names speak of value or rights.
pub(super) fn by_name(message: &Struct<'_>) -> Option<Finding> {
    let speaks_of = |name: &str, parts: &[&str]| {
        let name = folded(name);
        parts.iter().any(|part| name.contains(part))
    };
    let mut speaks = false;
    visit(message, &mut |value| {
        let definition = value.definition;
        speaks |= speaks_of(&definition.name, &NAMES)
            || definition
                .members
                .iter()
                .any(|member| speaks_of(&member.name, &MEMBERS));
    });
    speaks.then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type {}, which may move what you own",
                message.definition.name
            ),
            "Its name speaks of moving value or giving rights, but its fields are none that are \
             known here.",
        )
    })
}

/// A message of no known kind that carries bytes of any length, or 32 of them under any name: what
/// they stand for cannot be shown.
pub(super) fn opaque(message: &Struct<'_>) -> Option<Finding> {
    let mut carries = false;
    visit(message, &mut |value| {
        carries |= value
            .members()
            .any(|(member, value)| match innermost(&member.kind) {
                Type::Bytes => *value != Value::Bytes(Vec::new()),
                Type::FixedBytes(32) => true,
                _ => false,
            });
    });
    carries.then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type {} with data that a person cannot read",
                message.definition.name
            ),
            "Nobody can see here what the data in it allows.",
        )
    })
}

/// A digest written as a number or as a text, in members other than `explained`: a program can take
/// it for the approval of something that is not shown.
pub(super) fn digest(message: &Struct<'_>, explained: &[&str]) -> Option<Finding> {
    let mut lines = Vec::new();
    visit(message, &mut |value| {
        for (member, value) in value.members() {
            if !explained.contains(&member.name.as_str()) && holds_digest(value) {
                lines.push(line("Digest in", &member.name));
            }
        }
    });
    (!lines.is_empty()).then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type {} with a digest of something else",
                message.definition.name
            ),
            "A number or text in it has the form of a digest: the fingerprint of something that \
             you cannot see here.",
        )
        .with(lines)
    })
}

/// Bits of the greatest number that stands for itself: more than an address has (160) and than any
/// amount has (128). That a digest is smaller than this by chance takes 2^80 attempts.
const GREATEST: u32 = 176;

fn holds_digest(value: &Value<'_>) -> bool {
    match value {
        Value::Array(values) => values.iter().any(holds_digest),
        // The greatest numbers of their types mean "everything" or "for ever", and are told as such.
        Value::Integer { magnitude, .. } => {
            magnitude.bits() > GREATEST && !magnitude.is_all_ones(magnitude.bits())
        }
        Value::String(text) => {
            let text = text.trim();
            let digits = text.strip_prefix("0x").unwrap_or(text);
            let is_hex =
                digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex || Word::from_decimal(text).is_some_and(|number| number.bits() > GREATEST)
        }
        _ => false,
    }
}

/// The type of the items of a list, however deep.
fn innermost(kind: &Type) -> &Type {
    match kind {
        Type::Array(item, _) => innermost(item),
        other => other,
    }
}

/// Parts of member names under which a number is an amount.
const AMOUNTS: [&str; 9] = [
    "amount",
    "value",
    "wad",
    "allowance",
    "quantity",
    "shares",
    "limit",
    "balance",
    "price",
];
/// Parts of member names under which the greatest number is a time, or means nothing.
const NO_AMOUNTS: [&str; 12] = [
    "time", "deadline", "expir", "valid", "until", "before", "after", "nonce", "salt", "hash",
    "id", "counter",
];

/// Unlimited amounts anywhere in a message, unless a finding speaks of one already.
pub(super) fn unlimited(message: &Struct<'_>, found: &[Finding]) -> Option<Finding> {
    let said = found
        .iter()
        .flat_map(|finding| &finding.lines)
        .any(|line| line.value.starts_with("UNLIMITED"));
    if said {
        return None;
    }
    let mut lines = Vec::new();
    visit(message, &mut |value| {
        for (member, value) in value.members() {
            if let (Type::Uint(bits), Value::Integer { magnitude, .. }) = (&member.kind, value) {
                let name = folded(&member.name);
                let named = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
                let (text, size) = amount(magnitude, *bits);
                let greatest = *bits >= 96 && magnitude.is_all_ones(*bits);
                let is_amount = named(&AMOUNTS) || (greatest && !named(&NO_AMOUNTS));
                if is_amount && size == Size::Unlimited && *bits >= 96 {
                    lines.push(line(&member.name, text));
                }
            }
        }
    });
    (!lines.is_empty()).then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type {} with an unlimited amount",
                message.definition.name
            ),
            "A number in it is the largest there is, which usually means: everything.",
        )
        .with(lines)
    })
}
