//! How severe typed data is.
//!
//! Harmless messages are a closed list ([`known`]); everything else is dangerous, whether it is
//! understood or not. Known ways to move value or hand over control are told by the shape of their
//! structs, names and types of members, to explain them: a struct's own name is the caller's
//! choice. What is suspicious is looked for in every message, known or not, and only ever adds.

mod accounts;
mod allowances;
mod digests;
mod ethauth;
mod items;
mod keys;
mod known;
mod lens;
mod named;
mod orders;
mod protocols;
mod rows;
mod shape;
mod sign_in;
mod spoken;
mod suspicion;
mod swaps;
mod votes;
mod web;

use std::collections::BTreeSet;

use openkey_protocol::message::{Line, Severity, Warning};

use self::{known::Known, shape::Shape};
use super::{
    asker::Asker,
    typed_data::{Document, Domain, Struct, Value},
    words::warning,
};

/// Most findings that are told one by one, the worst of them; a prompt has to fit a frame.
const MAX_FINDINGS: usize = 64;

/// How bad a finding is among others of its severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Why a message is as severe as it is.
    Reason,
    /// Gives up a right, and gives nothing away.
    Milder,
    /// Nobody here knows what it does.
    Unknown,
    /// Is known to move value or hand over control.
    Grave,
}

/// What one struct does, or what is suspicious about a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// One short sentence without a full stop.
    pub(super) title: String,
    /// Who, what, how much, until when.
    pub(super) lines: Vec<Line>,
    /// What a careful friend would point out.
    pub(super) warnings: Vec<Warning>,
    weight: Weight,
}

impl Finding {
    fn new(severity: Severity, title: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lines: Vec::new(),
            warnings: vec![warning(severity, why)],
            weight: Weight::Reason,
        }
    }

    fn danger(title: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            weight: Weight::Grave,
            ..Self::new(Severity::Danger, title, why)
        }
    }

    /// It gives up a right, and nothing else.
    fn milder(mut self) -> Self {
        self.weight = Weight::Milder;
        self
    }

    /// It says why a message is severe, and not what it does.
    fn reason(mut self) -> Self {
        self.weight = Weight::Reason;
        self
    }

    fn with(mut self, lines: impl IntoIterator<Item = Line>) -> Self {
        self.lines.extend(lines);
        self
    }

    fn warn_if(self, unless_none: Option<&str>) -> Self {
        self.also_warn(Severity::Danger, unless_none)
    }

    fn also_warn(mut self, severity: Severity, unless_none: Option<&str>) -> Self {
        if let Some(why) = unless_none {
            self.warnings.push(warning(severity, why));
        }
        self
    }

    /// Tells of members of a struct that share a meaning, and of those that no row shows.
    fn accounting_for(self, shape: &Shape<'_, '_>) -> Self {
        let shared = shape.shared().map(|names| {
            format!(
                "It has several members of one meaning ({names}). Any of them may be the one that \
                 counts."
            )
        });
        self.with(shape.not_shown()).warn_if(shared.as_deref())
    }

    /// True if it says what a struct does, and not only why the message is severe.
    pub(super) fn says_what(&self) -> bool {
        self.weight != Weight::Reason
    }

    /// Severity first; among equals, what it does.
    fn gravity(&self) -> (Severity, Weight) {
        let severity = self.warnings.iter().map(|it| it.severity).max();
        (severity.unwrap_or(Severity::Notice), self.weight)
    }
}

/// Where and when a shape is looked at.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    /// `encodeType` of the primary type.
    written: &'c str,
    domain: &'c Domain<'c>,
    /// The contract that the domain names, which for permits is the token itself.
    contract: Option<&'c [u8; 20]>,
    /// The address whose key would sign.
    signer: &'c [u8; 20],
    /// Who asks, as far as that is certain.
    asker: Asker<'c>,
    now_ms: i64,
}

impl<'c> Context<'c> {
    pub(super) fn new(
        document: &'c Document<'_>,
        signer: &'c [u8; 20],
        asker: Asker<'c>,
        now_ms: i64,
    ) -> Self {
        Self {
            written: &document.written,
            domain: &document.domain,
            contract: document.domain.contract(),
            signer,
            asker,
            now_ms,
        }
    }

    /// A title with the name of its protocol, as far as the domain bears it out.
    fn titled(&self, title: &str, protocol: &str) -> String {
        protocols::titled(title, protocol, self.domain)
    }
}

type Rule = fn(&Shape<'_, '_>, Context<'_>) -> Option<Finding>;

/// Every known shape, by families: of each family the first rule that fits speaks, so that the
/// narrower stand before the wider. A struct may be of several families.
const FAMILIES: [&[Rule]; 4] = [
    &[
        allowances::permit2_transfer,
        allowances::permit2_allowance,
        allowances::dai_permit,
        allowances::token_permit,
        allowances::item_permit,
        allowances::operator_approval,
    ],
    &[
        items::item_order,
        swaps::output_order,
        orders::token_order,
        swaps::outcome_order,
    ],
    &[accounts::code_authorization, accounts::delegation],
    &[
        accounts::safe_transaction,
        accounts::contract_call,
        allowances::token_transfer,
    ],
];

/// What a message does, and how severe it is to sign it.
pub(super) struct Judgement {
    /// The worst of it in one sentence.
    pub(super) title: String,
    /// What its structs do, outermost first, and what is suspicious; never empty.
    pub(super) findings: Vec<Finding>,
    /// How many more findings there are, none of them worse.
    pub(super) more: usize,
    /// True if the message is on the closed list of [`known`] messages.
    pub(super) is_known: bool,
    /// True if the protocol takes the number of the chain in its domain for no chain.
    pub(super) is_of_no_chain: bool,
}

/// Judges a message.
pub(super) fn judge(document: &Document<'_>, context: Context<'_>) -> Judgement {
    let message = &document.message;
    let known = known::find(document, context.signer);
    let mut findings = Vec::new();
    // Values that a row shows, and structs that a shape explains, by where they are.
    let mut shown = BTreeSet::new();
    let mut explained = BTreeSet::new();
    match &known {
        Some(known) => {
            findings.push(known.finding(document, context));
        }
        None => {
            // Structs that are told about as part of another.
            let mut absorbed = BTreeSet::new();
            visit(message, &mut |value| {
                if absorbed.contains(&place(value)) {
                    explained.insert(place(value));
                    return;
                }
                let is_outermost = core::ptr::eq(value, message);
                let shape = Shape::of(value);
                let named = is_outermost
                    .then(|| named::find(document, &shape))
                    .flatten();
                let found = named.map_or_else(|| by_shape(&shape, context), |it| vec![it]);
                if !found.is_empty() {
                    explained.insert(place(value));
                    absorbed.extend(shape.absorbed());
                    shown.extend(shape.shown_values());
                } else if is_outermost {
                    findings.push(unknown(message));
                }
                findings.extend(found);
            });
        }
    }
    let is_explained = |it: &Struct<'_>| explained.contains(&place(it));
    let is_shown = |it: &Value<'_>| shown.contains(&place(it));
    findings.extend(suspicion::permit2(&document.domain, message));
    let kind = match &known {
        Some(known) if known.makes_key => keys::Kind::MakesKey,
        Some(_) => keys::Kind::Harmless,
        None if is_explained(message) => keys::Kind::Explained,
        None => keys::Kind::Unknown,
    };
    findings.extend(keys::made(document, kind));
    if known.is_none() {
        findings.extend(suspicion::by_name(message, is_explained));
        findings.extend(suspicion::opaque(message, is_explained));
    }
    if !known.as_ref().is_some_and(Known::is_sign_in) {
        findings.extend(web::another_site(&document.domain, context));
    }
    findings.extend(suspicion::digest(
        document,
        known.as_ref(),
        is_explained,
        is_shown,
    ));
    findings.extend(suspicion::unlimited(message, is_shown));
    if let Some(known) = &known {
        findings.extend(known.of_letter(document, context.signer));
    }
    findings.dedup();
    let title = title(&findings);
    let more = keep_worst(&mut findings);
    Judgement {
        title,
        findings,
        more,
        is_known: known.is_some(),
        is_of_no_chain: named::is_of_no_chain(document),
    }
}

/// What the members of a struct do, as far as they have a known shape.
fn by_shape(shape: &Shape<'_, '_>, context: Context<'_>) -> Vec<Finding> {
    let found: Vec<Finding> = FAMILIES
        .iter()
        .filter_map(|family| family.iter().find_map(|rule| rule(shape, context)))
        .collect();
    let last = found.len().saturating_sub(1);
    // What one family shows, the others need not.
    let account = |(at, it): (usize, Finding)| match at == last {
        true => it.accounting_for(shape),
        false => it,
    };
    found.into_iter().enumerate().map(account).collect()
}

/// The message's own words, unless something in it is worse.
fn title(findings: &[Finding]) -> String {
    let Some((first, others)) = findings.split_first() else {
        return String::new();
    };
    let (severity, weight) = first.gravity();
    let mut worse: Option<&Finding> = None;
    let mut graver = BTreeSet::new();
    for finding in others {
        if finding.gravity() > worse.unwrap_or(first).gravity() {
            worse = Some(finding);
        }
        if finding.weight == Weight::Grave && finding.title != first.title {
            graver.insert(finding.title.as_str());
        }
    }
    let more = |count: usize| match count {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    match worse {
        Some(worse) if worse.gravity().0 > severity => worse.title.clone(),
        // A struct inside alone would hide that the message itself is not known.
        Some(worse) => format!(
            "{}, with this in it: {}{}",
            first.title,
            worse.title,
            more(graver.len().saturating_sub(1))
        ),
        None if weight == Weight::Grave => format!("{}{}", first.title, more(graver.len())),
        None => first.title.clone(),
    }
}

/// Keeps the worst findings, in their order; says how many it left out.
fn keep_worst(findings: &mut Vec<Finding>) -> usize {
    let more = findings.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        let mut order: Vec<_> = (0..).zip(findings.iter().map(Finding::gravity)).collect();
        order.sort_by_key(|(at, gravity)| (core::cmp::Reverse(*gravity), *at));
        let kept: BTreeSet<usize> = order
            .into_iter()
            .take(MAX_FINDINGS)
            .map(|(at, _)| at)
            .collect();
        let mut at = 0..;
        findings.retain(|_| at.next().is_some_and(|at| kept.contains(&at)));
    }
    more
}

/// A message of a kind that nobody here knows.
fn unknown(message: &Struct<'_>) -> Finding {
    Finding {
        weight: Weight::Unknown,
        ..Finding::danger(
            format!(
                "Sign a message that OpenKey does not know, of the type “{}”",
                message.definition.name
            ),
            "This kind of message is not known here, so it counts as dangerous: it could move what \
             you own, or let others act for you. Every field is shown; sign only if you know what \
             each of them does.",
        )
    }
}

/// Where something is, to tell it from all others of the same document.
fn place<T>(of: &T) -> *const () {
    core::ptr::from_ref(of).cast()
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
