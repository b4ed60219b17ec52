//! What is suspicious in a message, whatever else is known about it. Nothing here makes a message
//! less severe.

use std::collections::BTreeSet;

use openkey_protocol::message::{Line, Severity};

use super::{
    Finding,
    digests::{Held, held, held_by_text},
    items::is_common_conduit,
    known::Known,
    protocols,
    spoken::{COUNTERS, folded},
    visit,
    web::without_links,
};
use crate::{
    typed_data::{Document, Domain, Struct, Type, Value},
    word::Word,
    words::{Size, amount, is_greatest, line},
};

/// Most names in one row.
const MAX_NAMES: usize = 8;
/// Most rows of one finding.
const MAX_ROWS: usize = 16;

/// The Permit2 contract: at the same address on every chain, but for chains of the ZKsync stack
/// (<https://docs.uniswap.org/contracts/v4/deployments>).
const PERMIT2: [[u8; 20]; 2] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x22, 0xd4, 0x73, 0x03, 0x0f, 0x11, 0x6d, 0xde, 0xe9, 0xf6,
        0xb4, 0x3a, 0xc7, 0x8b, 0xa3,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x22, 0x5e, 0x31, 0xd1, 0x59, 0x43, 0x97, 0x1f, 0x47, 0xad,
        0x30, 0x22, 0xf7, 0x14, 0xfa,
    ],
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
    let is_contract = domain.contract().is_some_and(|it| PERMIT2.contains(it));
    let is_named = domain.name().is_some_and(|name| folded(name) == "permit2");
    let kind = &message.definition.name;
    if is_contract {
        Some(Finding::danger(
            format!("Sign a message of the type “{kind}” for the Permit2 contract"),
            "It is for the Permit2 contract, which can move every token that it was approved for.",
        ).reason())
    } else if is_named {
        Some(
            Finding::danger(
                format!("Sign a message of the type “{kind}” that says it is for Permit2"),
                "It calls itself by the name of the Permit2 contract, and is for another contract.",
            )
            .reason(),
        )
    } else {
        None
    }
}

/// Names in structs that no known shape explains, if they speak of value or rights. `is_explained`
/// says which structs a shape explains.
pub(super) fn by_name(
    message: &Struct<'_>,
    is_explained: impl Fn(&Struct<'_>) -> bool,
) -> Option<Finding> {
    let speaks_of = |name: &str, parts: &[&str]| {
        let name = folded(name);
        parts.iter().any(|part| name.contains(part))
    };
    let mut names = BTreeSet::new();
    visit(message, &mut |value| {
        if is_explained(value) {
            return;
        }
        let definition = value.definition;
        if speaks_of(&definition.name, &NAMES) {
            names.insert(definition.name.as_str());
        }
        let members = definition.members.iter().map(|it| it.name.as_str());
        names.extend(members.filter(|name| speaks_of(name, &MEMBERS)));
    });
    (!names.is_empty()).then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type “{}”, which may move what you own",
                message.definition.name
            ),
            "Names in it speak of moving value or giving rights. The request chose the names; what \
             the fields do is not known here.",
        )
        .reason()
        .with([line("Names", several(&names))])
    })
}

/// Names in quotation marks.
fn several(names: &BTreeSet<&str>) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| format!("“{name}”"))
        .collect();
    match names.len().checked_sub(MAX_NAMES) {
        None | Some(0) => quoted.join(", "),
        Some(more) => format!("{} and {more} more", quoted.join(", ")),
    }
}

/// A message of no known kind that carries bytes of any length, or 32 of them under any name: what
/// they stand for cannot be shown. In structs that a shape explains (`is_explained`), a nonce or salt
/// of 32 bytes is as random as it should be.
pub(super) fn opaque(
    message: &Struct<'_>,
    is_explained: impl Fn(&Struct<'_>) -> bool,
) -> Option<Finding> {
    let mut names = BTreeSet::new();
    visit(message, &mut |structure| {
        let is_explained = is_explained(structure);
        for (member, value) in structure.members() {
            let is_random = is_explained && is_counter(&member.name);
            let carries = match innermost(&member.kind) {
                Type::Bytes => any_bytes(value, &|it| !it.is_empty()),
                Type::FixedBytes(32) => !is_random && any_bytes(value, &|it| !is_constant(it)),
                _ => false,
            };
            if carries {
                names.insert(member.name.as_str());
            }
        }
    });
    (!names.is_empty()).then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type “{}” with data that a person cannot read",
                message.definition.name
            ),
            "Nobody can see here what the data in it allows.",
        )
        .reason()
        .with([line("Cannot be read", several(&names))])
    })
}

/// Names of members with bytes of any length that are not among `explained`, in quotation marks.
pub(super) fn unread(message: &Struct<'_>, explained: &[&str]) -> Option<String> {
    let mut names = BTreeSet::new();
    visit(message, &mut |structure| {
        for (member, value) in structure.members() {
            if matches!(innermost(&member.kind), Type::Bytes)
                && any_bytes(value, &|it| !it.is_empty())
                && !explained.contains(&member.name.as_str())
            {
                names.insert(member.name.as_str());
            }
        }
    });
    (!names.is_empty()).then(|| several(&names))
}

fn any_bytes(value: &Value<'_>, is: &impl Fn(&[u8]) -> bool) -> bool {
    match value {
        Value::Bytes(bytes) => is(bytes),
        Value::Array(values) => values.iter().any(|it| any_bytes(it, is)),
        _ => false,
    }
}

/// True for 32 bytes that stand for themselves: nothing (all zero), the root of all delegations (all
/// ones, <https://github.com/MetaMask/delegation-framework>), and OpenSea's conduit.
fn is_constant(bytes: &[u8]) -> bool {
    let all = |byte: u8| bytes.iter().all(|it| *it == byte);
    all(0) || all(0xff) || is_common_conduit(bytes)
}

/// True for members that only tell one signature from another.
fn is_counter(name: &str) -> bool {
    COUNTERS.contains(&folded(name).as_str())
}

/// Digests written as numbers or texts, in the domain and in members that nothing explains: a program
/// can take one for the approval of something that is not shown. `known` is the row of the message on
/// the closed list; `is_explained` says which structs a shape explains, `is_shown` which values have a
/// row that says what their number means.
pub(super) fn digest<'s>(
    document: &Document<'s>,
    known: Option<&Known>,
    is_explained: impl Fn(&Struct<'s>) -> bool,
    is_shown: impl Fn(&Value<'s>) -> bool,
) -> Vec<Finding> {
    let digests: &[&str] = known.map_or(&[], |it| it.digests);
    let prose: &[&str] = known.map_or(&[], |it| it.prose);
    let mut found = in_domain(&document.domain);
    visit(&document.message, &mut |structure| {
        let is_explained = is_explained(structure);
        for (member, value) in structure.members() {
            let name = member.name.as_str();
            let is_number = matches!(innermost(&member.kind), Type::Uint(_) | Type::Int(_));
            let is_told = is_number && (is_shown(value) || (is_explained && is_counter(name)));
            if is_told || digests.contains(&name) {
                continue;
            }
            if let Some(held) = held_in(value, prose.contains(&name)) {
                found.push((held, member.name.clone()));
            }
        }
    });
    let rows = |label: &str, how: Held| -> Vec<Line> {
        let names = found.iter().filter(|(held, _)| *held == how);
        let names = names.map(|(_, name)| line(label, format!("“{name}”")));
        names.take(MAX_ROWS).collect()
    };
    let name = &document.message.definition.name;
    let mut findings = Vec::new();
    let surely = rows("Digest in", Held::Surely);
    if !surely.is_empty() {
        let title = format!("Sign a message of the type “{name}” with a digest of something else");
        let why = "A number or text in it has the form of a digest: the fingerprint of something \
                   that you cannot see here.";
        findings.push(Finding::danger(title, why).reason().with(surely));
    }
    let perhaps = rows("Perhaps a digest in", Held::Perhaps);
    if !perhaps.is_empty() {
        let title = format!("Sign a message of the type “{name}” with encoded data in a text");
        let why = "A text in it holds a long run of letters and digits that a person cannot read. It \
                   may be the fingerprint of something that you cannot see here.";
        findings.push(Finding::new(Severity::Attention, title, why).with(perhaps));
    }
    findings
}

/// Whether a value, or one of a list, is or holds a digest. `is_prose`: a text that a person wrote.
fn held_in(value: &Value<'_>, is_prose: bool) -> Option<Held> {
    match value {
        Value::Array(values) => values.iter().filter_map(|it| held_in(it, is_prose)).max(),
        Value::Integer { magnitude, .. } if is_round(magnitude) => None,
        Value::String(text) if is_prose => held_by_text(&without_links(text)),
        _ => held(value),
    }
}

/// True for numbers that stand for "for ever" or "everything", such as 2²⁵⁵ and 10⁷⁶: but for zeros
/// or ones at its end, such a number has a few bits or digits, and nothing else fits into it.
fn is_round(number: &Word) -> bool {
    const BITS: u32 = 32;
    const DIGITS: usize = 9;
    let ends_with = |ones: bool| {
        let mut left = number.bits();
        for byte in number.0.iter().rev() {
            let bits = if ones {
                byte.trailing_ones()
            } else {
                byte.trailing_zeros()
            };
            left = left.saturating_sub(bits);
            if bits < 8 {
                break;
            }
        }
        left <= BITS
    };
    let digits = number.to_string().replace(',', "");
    ends_with(false) || ends_with(true) || digits.trim_end_matches('0').len() <= DIGITS
}

/// Digests where programs expect a name, a version, a chain or a number that tells domains apart.
fn in_domain(domain: &Domain<'_>) -> Vec<(Held, String)> {
    /// Bytes of the greatest number that tells domains apart, such as a chain; no digest fits.
    const SALT: usize = 8;
    let mut found = Vec::new();
    for (part, text) in [("name", domain.name()), ("version", domain.version())] {
        if let Some(held) = text.and_then(held_by_text) {
            found.push((held, format!("domain.{part}")));
        }
    }
    // No chain has such a number.
    if domain.chain().is_some_and(|chain| chain.bits() > 64) {
        found.push((Held::Surely, "domain.chainId".to_owned()));
    }
    let is_small = |salt: &[u8]| {
        let high = salt.len().saturating_sub(SALT);
        salt.iter().take(high).all(|byte| *byte == 0)
    };
    let is_told = |salt: &[u8]| is_small(salt) || protocols::is_public_salt(salt);
    if domain.salt().is_some_and(|salt| !is_told(salt)) {
        found.push((Held::Surely, "domain.salt".to_owned()));
    }
    found
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

/// Unlimited amounts anywhere in a message, but for values that a row shows already (`is_shown`).
pub(super) fn unlimited<'s>(
    message: &Struct<'s>,
    is_shown: impl Fn(&Value<'s>) -> bool,
) -> Option<Finding> {
    let mut lines = Vec::new();
    visit(message, &mut |value| {
        for (member, value) in value.members() {
            let name = folded(&member.name);
            let named = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
            let mut look = |kind: &Type, value: &Value<'_>| {
                let (Type::Uint(bits), Value::Integer { magnitude, .. }) = (kind, value) else {
                    return;
                };
                let (text, size) = amount(magnitude, *bits, "");
                let greatest = is_greatest(magnitude, *bits);
                let is_amount = named(&AMOUNTS) || (greatest && !named(&NO_AMOUNTS));
                if is_amount && size == Size::Unlimited && *bits >= 96 && lines.len() < MAX_ROWS {
                    lines.push(line(&member.name, text));
                }
            };
            if !is_shown(value) {
                each(&member.kind, value, &mut look);
            }
        }
    });
    (!lines.is_empty()).then(|| {
        Finding::danger(
            format!(
                "Sign a message of the type “{}” with an unlimited amount",
                message.definition.name
            ),
            "A number in it is the largest there is, which usually means: everything.",
        )
        .reason()
        .with(lines)
    })
}

/// Calls `look` for a value, or for the values of a list however deep.
fn each<'v>(kind: &'v Type, value: &'v Value<'_>, look: &mut impl FnMut(&'v Type, &'v Value<'_>)) {
    match (kind, value) {
        (Type::Array(item, _), Value::Array(values)) => {
            for value in values {
                each(item, value, look);
            }
        }
        _ => look(kind, value),
    }
}
