//! The closed list of messages that are not dangerous: what its rows say about a message. The rows
//! themselves stand in [`rows`], each with its source.
//!
//! A message is on the list only as a whole: `encodeType` of its primary type, every struct in it
//! included, to the letter. Severities are decided by what a signature under such a message has
//! power over, not by how the message looks; a test holds every row to a vector.

use openkey_protocol::message::{Address, Line, Severity, Warning};

use super::{
    Context, Finding, keys, protocols, rows, rows::ROWS, shape::Shape, sign_in, suspicion,
};
use crate::{
    text::of_letter,
    typed_data::Document,
    words::{line, warning},
};

/// Members that say an end, in messages that have one.
const ENDS: [&str; 3] = ["deadline", "expiry", "expirationtime"];

/// Looks at the values of a message: rows to show, and what is wrong.
type Check = fn(&Shape<'_, '_>, Context<'_>) -> (Vec<Line>, Vec<Warning>);

/// A message that is known not to move value or hand over control.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// `encodeType` of the primary type.
    pub(super) written: &'static str,
    pub(super) severity: Severity,
    /// What it does. Names of protocols are added where the domain is theirs.
    pub(super) title: &'static str,
    /// What to know before signing; empty where the severity is a notice.
    pub(super) why: &'static str,
    /// Members that may hold a digest as a number or text, because the source says what it is.
    pub(super) digests: &'static [&'static str],
    /// Members with a text that a person wrote: what is part of a web address in it is no digest.
    pub(super) prose: &'static [&'static str],
    /// True if a person writes in it whatever they like: every text is judged as the same text by itself.
    pub(super) is_letter: bool,
    /// Members with bytes of any length that `why` or the check speak of.
    pub(super) bytes: &'static [&'static str],
    /// True if the signature itself is a key, and `why` says so.
    pub(super) makes_key: bool,
    /// The protocol whose type it is.
    pub(super) protocol: Option<&'static str>,
    pub(super) domain: DomainRule,
    /// Whose account it is for: a member that nearly always holds the signer's own address.
    pub(super) actor: Option<&'static str>,
    pub(super) check: Option<Check>,
}

/// What the domain has to be.
#[derive(Clone, Copy)]
pub(super) enum DomainRule {
    Any,
    /// This name, and no contract.
    Named(&'static str),
}

impl Known {
    /// What the texts of a letter are taken for, as the same texts by themselves.
    pub(super) fn of_letter(&self, document: &Document<'_>, signer: &[u8; 20]) -> Vec<Finding> {
        if !self.is_letter {
            return Vec::new();
        }
        let texts = keys::texts(&document.message);
        let told = texts.iter().flat_map(|it| of_letter(it, &Address(*signer)));
        let finding = |(title, warning): (&str, Warning)| {
            let title = format!("Sign a letter {title}");
            Finding::new(warning.severity, title, warning.text)
        };
        told.map(finding).collect()
    }

    /// True if it is told by its members ([`sign_in`]), and by no row.
    pub(super) fn is_sign_in(&self) -> bool {
        self.written.is_empty()
    }

    pub(super) fn finding(&self, document: &Document<'_>, context: Context<'_>) -> Finding {
        if self.is_sign_in() {
            return sign_in::finding(document, context);
        }
        let shape = Shape::of(&document.message);
        let unread = suspicion::unread(&document.message, self.bytes);
        let mut title = self.protocol.map_or_else(
            || self.title.to_owned(),
            |id| protocols::titled(self.title, id, &document.domain),
        );
        if unread.is_some() {
            title.push_str(", with data that a person cannot read");
        }
        let mut finding = Finding::new(self.severity, title, self.why);
        if self.severity == Severity::Notice {
            finding.warnings.clear();
        }
        let stranger = self
            .protocol
            .and_then(|id| protocols::stranger(id, &document.domain));
        finding = finding.also_warn(Severity::Attention, stranger.as_deref());
        if let Some(names) = unread {
            finding.lines.push(line("Cannot be read", names));
            finding.warnings.push(warning(
                Severity::Attention,
                "It carries data for other programs. Nobody can see here what the data agrees to: it \
                 may be a payment.",
            ));
        }
        if let Some(check) = self.check {
            let (lines, warnings) = check(&shape, context);
            finding.lines.extend(lines);
            finding.warnings.extend(warnings);
        }
        if shape.has(&ENDS) {
            finding.lines.extend(shape.until("Until", &ENDS, context));
        }
        let Some(actor) = self.actor else {
            return finding;
        };
        let is_foreign = shape.is_of_another(&[actor], context);
        let severity = if shape.is_of_nobody(&[actor]) {
            Severity::Attention
        } else {
            Severity::Notice
        };
        finding.with(shape.actor_rows(&[actor], context)).also_warn(
            severity,
            is_foreign.then_some(
                "It is in the name of another address than that of your key. It counts only where \
                     that address lets your key sign for it.",
            ),
        )
    }
}

/// The row of a message, if it is on the list.
pub(super) fn find(document: &Document<'_>, signer: &[u8; 20]) -> Option<Known> {
    if sign_in::is_one(document, signer) {
        return Some(SIGN_IN);
    }
    let domain = &document.domain;
    ROWS.iter()
        .find(|row| row.written == document.written)
        .filter(|row| match row.domain {
            DomainRule::Any => true,
            DomainRule::Named(name) => domain.name() == Some(name) && domain.contract().is_none(),
        })
        .copied()
}

/// Told by its members ([`sign_in`]), in whatever order they stand.
const SIGN_IN: Known = Known {
    // A nonce is random, and programs write it as they like; the sign-in says what it looks like.
    digests: &["nonce"],
    ..rows::notice("", "")
};
