//! Known kinds of typed data that can cost something, told by the shape of their structs: names
//! and types of members. A struct's own name is the caller's choice, so it can only add suspicion.
//!
//! The list is closed. What is on it is explained and, where it can move value or hand over
//! control, needs a second confirmation; what is not on it is shown field by field and flagged.

mod accounts;
mod allowances;
mod orders;
mod shape;
mod suspicion;

use openkey_protocol::message::{Line, Severity, Warning};

use self::shape::Shape;
use super::{
    typed_data::{Domain, Struct, Value},
    words::warning,
};

/// What one struct does.
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
    fn new(title: impl Into<String>, severity: Severity, why: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
            warnings: vec![warning(severity, why)],
        }
    }

    fn danger(title: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(title, Severity::Danger, why)
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

/// What every struct of a message does, outermost first, and what else is suspicious.
pub(super) fn findings(domain: &Domain<'_>, message: &Struct<'_>, now_ms: i64) -> Vec<Finding> {
    let context = Context {
        contract: domain.contract(),
        now_ms,
    };
    let mut findings = Vec::new();
    visit(message, &mut |value| {
        let shape = Shape::of(value);
        findings.extend(RULES.iter().find_map(|rule| rule(&shape, context)));
    });
    if findings.is_empty() {
        findings.extend(suspicion::by_name(domain, message).or_else(|| suspicion::opaque(message)));
    }
    findings.extend(suspicion::unlimited(message, &findings));
    findings.dedup();
    findings
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
