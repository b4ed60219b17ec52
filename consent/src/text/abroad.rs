//! Transactions that a text approves in other languages than English. The verb stands before or behind what
//! it approves, as each language has it.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    lexicon::{Lexicon, Phrases, Speech},
};

/// How many words before or behind the verb what is approved may be.
const NEAR: usize = 6;

/// How sure it is that a transaction is approved: dangerous, or with a negation about, worth a look. Verb
/// and transaction are of one language.
pub(super) fn approval(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Severity> {
    let none = Phrases::default();
    let is_verb = |at: &usize| lexicon.approvals_abroad.all.is_at(speech, *at);
    let places: Vec<usize> = (0..speech.tokens.len()).filter(is_verb).collect();
    let of = |language, verbs| {
        let approved = lexicon.approved_abroad.each.get(language).unwrap_or(&none);
        let negations = lexicon.negations_abroad.each.get(language).unwrap_or(&none);
        found(speech, &places, verbs, approved, negations)
    };
    let verbs = lexicon.approvals_abroad.each.iter();
    verbs
        .filter_map(|(language, verbs)| of(language, verbs))
        .max()
}

fn found(
    speech: &Speech<'_>,
    places: &[usize],
    verbs: &Phrases,
    approved: &Phrases,
    negations: &Phrases,
) -> Option<Severity> {
    let count = speech.tokens.len();
    let mut found = None;
    for at in places.iter().copied().filter(|at| verbs.is_at(speech, *at)) {
        let ends = |it: &usize| speech.ends_sentence(*it);
        let before = (at.saturating_sub(NEAR)..at)
            .rev()
            .take_while(|it| !ends(it));
        let first = before.last().unwrap_or(at);
        let behind = (at..(at + NEAR).min(count))
            .take_while(|it| !ends(it))
            .count();
        let sentence = first..at + behind + 1;
        if approved.is_in(speech, sentence.clone()) {
            found = found.max(Some(severity(negations.is_in(speech, sentence))));
        }
    }
    // Without spaces nothing says what stands beside what.
    if verbs.is_anywhere(speech) && approved.is_anywhere(speech) {
        found = found.max(Some(severity(negations.is_anywhere(speech))));
    }
    found
}

const fn severity(is_denied: bool) -> Severity {
    if is_denied {
        Severity::Attention
    } else {
        Severity::Danger
    }
}

/// What is said of it.
pub(super) fn finding(severity: Severity) -> Finding {
    match severity {
        Severity::Danger => Finding::new(
            Severity::Danger,
            "that approves a transaction",
            "This text says that it approves a transaction. What the transaction does is not in the \
             text: OpenKey cannot see it.",
        ),
        _ => Finding::new(
            Severity::Attention,
            "that speaks of approving a transaction",
            "This text speaks of approving a transaction, and may deny it or tell of another's. What the \
             transaction does is not in the text: OpenKey cannot see it.",
        ),
    }
}
