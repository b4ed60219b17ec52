//! How severe typed data is.
//!
//! Harmless messages are a closed list ([`known`]); everything else is dangerous, whether it is
//! understood or not. Known ways to move value or hand over control are told by the shape of their
//! structs, names and types of members, to explain them: a struct's own name is the caller's
//! choice. What is suspicious is looked for in every message, known or not, and only ever adds.

mod accounts;
mod allowances;
mod known;
mod orders;
mod shape;
mod suspicion;

use openkey_protocol::message::{Line, Severity, Warning};

use self::shape::Shape;
use super::{
    typed_data::{Document, Struct, Value},
    words::warning,
};

/// What one struct does, or what is suspicious about a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// One short sentence without a full stop.
    pub(super) title: String,
    /// Who, what, how much, until when.
    pub(super) lines: Vec<Line>,
    /// What a careful friend would point out.
    pub(super) warnings: Vec<Warning>,
}

impl Finding {
    fn danger(title: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
            warnings: vec![warning(Severity::Danger, why)],
        }
    }

    fn with(mut self, lines: impl IntoIterator<Item = Line>) -> Self {
        self.lines.extend(lines);
        self
    }

    fn warn_if(mut self, unless_none: Option<&str>) -> Self {
        if let Some(why) = unless_none {
            self.warnings.push(warning(Severity::Danger, why));
        }
        self
    }
}

/// Where and when a shape is looked at.
#[derive(Clone, Copy)]
struct Context<'c> {
    /// The contract that the domain names, which for permits is the token itself.
    contract: Option<&'c [u8; 20]>,
    now_ms: i64,
}

type Rule = fn(&Shape<'_, '_>, Context<'_>) -> Option<Finding>;

/// Every known shape, the narrower before the wider.
const RULES: [Rule; 13] = [
    allowances::permit2_transfer,
    allowances::permit2_allowance,
    allowances::dai_permit,
    allowances::token_permit,
    allowances::item_permit,
    allowances::operator_approval,
    orders::item_order,
    orders::token_order,
    accounts::safe_transaction,
    accounts::code_authorization,
    accounts::delegation,
    accounts::contract_call,
    allowances::token_transfer,
];

/// What a message does, and how severe it is to sign it.
pub(super) struct Judgement {
    /// What its structs do, outermost first, and what is suspicious; never empty.
    pub(super) findings: Vec<Finding>,
    /// True if the message is on the closed list of [`known`] messages.
    pub(super) is_known: bool,
}

/// Judges a message. `signer` is the address whose key would sign.
pub(super) fn judge(document: &Document<'_>, signer: &[u8; 20], now_ms: i64) -> Judgement {
    let message = &document.message;
    let context = Context {
        contract: document.domain.contract(),
        now_ms,
    };
    let known = known::find(document, signer);
    let mut findings = Vec::new();
    match &known {
        // Its words come first: they are the title.
        Some(known) => findings.push(known.finding()),
        None => {
            visit(message, &mut |value| {
                let shape = Shape::of(value);
                let found = RULES.iter().find_map(|rule| rule(&shape, context));
                // The title is the message's own: a struct that the app put inside names nothing.
                let found =
                    found.or_else(|| core::ptr::eq(value, message).then(|| unknown(message)));
                findings.extend(found);
            });
        }
    }
    findings.extend(suspicion::permit2(&document.domain, message));
    if known.is_none() {
        findings.extend(suspicion::by_name(message));
        findings.extend(suspicion::opaque(message));
    }
    let explained: &[&str] = known.map_or(&[], |it| it.digests);
    findings.extend(suspicion::digest(message, explained));
    let unlimited = suspicion::unlimited(message, &findings);
    findings.extend(unlimited);
    findings.dedup();
    Judgement {
        findings,
        is_known: known.is_some(),
    }
}

/// A message of a kind that nobody here knows.
fn unknown(message: &Struct<'_>) -> Finding {
    Finding::danger(
        format!("Sign typed data of the type {}", message.definition.name),
        "This kind of message is not known here, so it counts as dangerous: it could move what you \
         own, or let others act for you. Every field is shown; sign only if you know what each of \
         them does.",
    )
}

/// Calls `see` for a struct and every struct inside it.
fn visit<'v, 's>(value: &'v Struct<'s>, see: &mut impl FnMut(&'v Struct<'s>)) {
    see(value);
    for (_, value) in value.members() {
        visit_value(value, see);
    }
}

fn visit_value<'v, 's>(value: &'v Value<'s>, see: &mut impl FnMut(&'v Struct<'s>)) {
    match value {
        Value::Struct(value) => visit(value, see),
        Value::Array(values) => {
            for value in values {
                visit_value(value, see);
            }
        }
        _ => {}
    }
}
