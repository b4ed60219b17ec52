//! Transactions that a text says it approves, confirms, signs or executes.

use openkey_protocol::message::Severity;

use super::{
    Finding, abroad,
    lexicon::{Lexicon, Speech},
};

/// How many words behind its verb what is approved may be, and in front of it what denies it.
const APPROVED: usize = 4;
const DENIED: usize = 12;
/// Most words of a name between a verb and what it approves (“the Foo Bar transaction”).
const NAME: usize = 3;

/// A transaction that the text says it approves.
pub(super) fn approval(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let here = |at: usize| {
        let severity = approves(speech, lexicon, at)?.min(denial(speech, lexicon, at));
        (severity > Severity::Notice).then_some(severity)
    };
    let here = (0..speech.tokens.len()).filter_map(here).max();
    here.max(abroad::approval(speech, lexicon))
        .map(abroad::finding)
}

/// How severe it is that a verb at a word approves a transaction, if it does. Where the sentence may be one
/// about transactions, it needs a look.
fn approves(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> Option<Severity> {
    let behind = behind_determiners(speech, lexicon, at + 1);
    let is_unsure = if lexicon.approvals.is_at(speech, at) {
        let mut near = at + 1..at + 1 + APPROVED;
        let is_traded = lexicon.traded.is_at(speech, behind).then_some(behind);
        let what = near
            .find(|at| lexicon.approved.is_at(speech, *at))
            .or(is_traded)?;
        // “Approved: a budget without payments.”
        lexicon.not_approved.is_at(speech, what + 1)
            || lexicon.negations.is_in(speech, at + 1..what)
    } else if lexicon.accepting.is_at(speech, at) {
        return accepts(speech, lexicon, at, behind);
    } else {
        return None;
    };
    Some(if is_unsure {
        Severity::Attention
    } else {
        Severity::Danger
    })
}

/// The same for a verb of more than one meaning (“accept”, “sign”): it has what it approves right behind
/// it, with a name between at most.
fn accepts(speech: &Speech<'_>, lexicon: &Lexicon, verb: usize, behind: usize) -> Option<Severity> {
    let is_transaction = |at: usize| lexicon.transactions.is_at(speech, at);
    let is_other =
        |at: usize| lexicon.approved.is_at(speech, at) || lexicon.traded.is_at(speech, at);
    let what = named(speech, lexicon, behind, is_transaction)
        .or_else(|| named(speech, lexicon, behind, is_other))?;
    if lexicon.not_approved.is_at(speech, what + 1) {
        return None;
    }
    let is_of_you = verb > 0 && lexicon.you.is_at(speech, verb - 1);
    // “I sign Cosmos transactions” may be what somebody does for a living.
    let word = speech.tokens.get(what).map_or("", |it| it.word());
    let is_of_any = what > behind && behind == verb + 1 && word.ends_with('s');
    let is_unsure = is_of_you
        || is_of_any
        || !is_transaction(what)
        || lexicon.clauses.is_at(speech, what + 1)
        || (what > behind && goes_on(speech, lexicon, what));
    Some(if is_unsure {
        Severity::Attention
    } else {
        Severity::Danger
    })
}

/// True if a word behind a transaction may be what is meant instead (“transaction alerts”).
fn goes_on(speech: &Speech<'_>, lexicon: &Lexicon, what: usize) -> bool {
    let Some(next) = speech.tokens.get(what + 1) else {
        return false;
    };
    let is_next = speech.between(what, what + 1).chars().all(|c| c == ' ');
    let is_number = next.text.starts_with(char::is_numeric);
    let is_part = lexicon.of.is_at(speech, what + 1) || lexicon.hashes.is_at(speech, what + 1);
    is_next && !is_number && !is_part && !matches!(next.word(), "number" | "no" | "now" | "below")
}

/// The first word that is not “the”, “my” and the like.
pub(super) fn behind_determiners(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> usize {
    let is_between = |at: &usize| lexicon.determiners.is_at(speech, *at);
    at + (at..at + APPROVED).take_while(is_between).count()
}

/// What a word is the name of: `is_object` holds for it, or for a word with a name in front of it.
pub(super) fn named(
    speech: &Speech<'_>,
    lexicon: &Lexicon,
    at: usize,
    is_object: impl Fn(usize) -> bool,
) -> Option<usize> {
    let is_name = |at: usize| {
        let gap = speech.between(at, at + 1);
        let is_joined = gap.chars().all(|c| matches!(c, ' ' | '-' | '\'' | '’'));
        is_joined
            && !lexicon.no_names.is_at(speech, at)
            && !lexicon.determiners.is_at(speech, at)
            && !lexicon.clauses.is_at(speech, at)
            && !lexicon.negations.is_at(speech, at)
    };
    let mut places = at..=at + NAME;
    let what = places.find(|it| is_object(*it) || !is_name(*it))?;
    is_object(what).then_some(what)
}

/// How severe it is at most what a verb says: nothing, if the verb itself is denied. A negation stands in
/// front of it in the same sentence, and nothing between them that would be what is denied instead (“I do
/// not mind to approve”). With words between that leave a doubt, it needs a look.
fn denial(speech: &Speech<'_>, lexicon: &Lexicon, verb: usize) -> Severity {
    let belongs = |at: usize| {
        lexicon.denied_through.is_at(speech, at)
            || lexicon.approvals.is_at(speech, at)
            || lexicon.accepting.is_at(speech, at)
    };
    // Whoever is given leave may have any name.
    let belongs_loosely = |at: usize| {
        lexicon.denied_loosely.is_at(speech, at) || (at > 0 && lexicon.powers.is_at(speech, at - 1))
    };
    let is_negation =
        |at: usize| lexicon.negations.is_at(speech, at) || lexicon.denying.is_at(speech, at);
    let (mut count, mut denied) = (0, Severity::Notice);
    for at in (verb.saturating_sub(DENIED)..verb).rev() {
        let gap = speech.between(at, at + 1);
        let goes_on =
            |c: char| matches!(c, ' ' | '\'' | '’' | '/') || (c == ',' && !is_negation(at));
        if !gap.chars().all(goes_on) {
            break;
        }
        if is_negation(at) {
            if lexicon.not_negated.is_at(speech, at + 1) {
                return Severity::Danger;
            }
            // “don’t” are two words and one negation.
            let is_end = gap.starts_with(['\'', '’']) && is_negation(at + 1);
            count += usize::from(!is_end);
            if lexicon.nor.is_at(speech, at) {
                return denied;
            }
        } else if !belongs(at) {
            if !belongs_loosely(at) {
                break;
            }
            // What stands in front of the negation says nothing of it.
            if count == 0 {
                denied = Severity::Attention;
            }
        }
    }
    // Twice denied is said.
    if count % 2 == 1 {
        denied
    } else {
        Severity::Danger
    }
}
