//! Messages whose signature is itself a secret key, or makes one: texts that programs are known to
//! use, and names and texts that speak of it.

use std::collections::BTreeSet;

use openkey_protocol::message::Severity;

use super::{Finding, Weight, visit};
use crate::{
    text::{makes_key, speaks_of_keys},
    typed_data::{Document, Struct, Value},
};

/// How much is known about a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// On the closed list, and its row says already that it makes a key.
    MakesKey,
    /// On the closed list.
    Harmless,
    /// Explained by a known dangerous shape.
    Explained,
    Unknown,
}

/// A message that makes a key, as far as its names and texts say so.
pub(super) fn made(document: &Document<'_>, kind: Kind) -> Option<Finding> {
    let mut names = BTreeSet::new();
    let mut texts: Vec<&str> = document.domain.name().into_iter().collect();
    visit(&document.message, &mut |structure| {
        names.insert(structure.definition.name.as_str());
        for (member, value) in structure.members() {
            names.insert(member.name.as_str());
            each_text(value, &mut texts);
        }
    });
    let mut worst = texts
        .iter()
        .chain(&names)
        .filter_map(|it| makes_key(it))
        .max();
    let speaks = match kind {
        Kind::MakesKey | Kind::Explained => false,
        Kind::Harmless => texts.iter().any(|it| speaks_of_keys(it, false)),
        Kind::Unknown => {
            texts.iter().any(|it| speaks_of_keys(it, true))
                || names.iter().any(|it| speaks_of_keys(it, true))
        }
    };
    if speaks {
        worst = worst.max(Some(Severity::Attention));
    }
    if kind == Kind::MakesKey {
        worst = worst.filter(|it| *it == Severity::Danger);
    }
    // What is not known at all is dangerous; the title is to say why.
    let severity = match (worst?, kind) {
        (_, Kind::Unknown) => Severity::Danger,
        (severity, _) => severity,
    };
    let finding = Finding::new(
        severity,
        "Make a secret key with this signature",
        "It speaks of a key, a vault or encryption. Programs make such keys from the signature \
         itself: whoever gets the signature has the key, for ever. Sign it only in the program that \
         the key is for.",
    );
    Some(Finding {
        weight: Weight::Grave,
        ..finding
    })
}

/// Every text of a message.
pub(super) fn texts<'v>(message: &'v Struct<'_>) -> Vec<&'v str> {
    let mut texts = Vec::new();
    visit(message, &mut |structure| {
        for (_, value) in structure.members() {
            each_text(value, &mut texts);
        }
    });
    texts
}

fn each_text<'v>(value: &'v Value<'_>, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|it| each_text(it, texts)),
        _ => {}
    }
}
