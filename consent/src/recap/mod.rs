//! What a sign-in hands out beside the sign-in: the ReCap of ERC-5573, on TinyCloud's resources.
//!
//! A signed ReCap is as good as the data it opens, for as long as it lasts. It is read in its one
//! spelling, every permission in it is told in words, and what cannot be told is refused.

mod audience;
mod beyond;
mod grants;
mod names;
mod place;
mod reach;
mod strict;
mod verbs;

use openkey_capability::{did::Did, recap::ReCap, siwe::Message};
use openkey_protocol::message::{Error, Grant, GrantKind, Line, Severity, Warning};

use super::words::{line, quoted, warning};

pub(super) use strict::{own_words, read};

/// What a sign-in hands out, in words.
pub(super) struct Granted {
    /// What the title says of it: `give 3 permissions`.
    pub(super) does: String,
    pub(super) grants: Vec<Grant>,
    pub(super) lines: Vec<Line>,
    pub(super) warnings: Vec<Warning>,
}

/// Explains every permission of a ReCap, or refuses the whole.
pub(super) fn explain(message: &Message, recap: &ReCap) -> Result<Granted, Error> {
    let fields = message.fields();
    let signer = Did::pkh(fields.chain_id, &fields.address);
    let mut granted = grants::explain(recap, &signer, &fields.domain)?;
    let is_hosting = granted.hosted.is_some();
    let audience = audience::Audience::of(&fields.uri, &signer, is_hosting);
    let mut warnings = audience.warnings;
    warnings.append(&mut granted.warnings);
    let what = if is_hosting {
        "Let a node keep a space of yours: store it whole, and serve it"
    } else {
        "Give the permissions below"
    };
    let mut lines = vec![line("What", what), line("To", audience.who)];
    if let Some(end) = no_end(message, is_hosting) {
        warnings.push(end);
    }
    let does = if let Some(space) = &granted.hosted {
        format!("let a node keep your space {}", quoted(space))
    } else {
        let count: usize = granted.grants.iter().map(|it| it.abilities.len()).sum();
        let plural = if count == 1 { "" } else { "s" };
        lines.push(line(
            "Hand on",
            "Whoever holds this can hand all or part of it on to others, until it ends",
        ));
        format!("give {count} permission{plural}")
    };
    for proof in recap.proofs() {
        lines.push(line("Rests on", format!("the permission {proof}")));
    }
    debug_assert!(granted.grants.iter().all(|grant| {
        (grant.kind == GrantKind::Hosting) == is_hosting && !grant.abilities.is_empty()
    }));
    Ok(Granted {
        does,
        grants: granted.grants,
        lines,
        warnings,
    })
}

/// Without an end a permission can only be taken back; a node needs a hosting one but once.
fn no_end(message: &Message, is_hosting: bool) -> Option<Warning> {
    if message.expiration_time().is_some() {
        return None;
    }
    Some(if is_hosting {
        warning(
            Severity::Attention,
            "This has no end: the node can begin to keep the space at any time.",
        )
    } else {
        warning(
            Severity::Danger,
            "This has no end: whoever holds it keeps every permission until you take it back.",
        )
    })
}
