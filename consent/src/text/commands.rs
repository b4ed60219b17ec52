//! Commands of few words: a verb of moving value by itself, with a number behind (`tip bob 5`), or as the name
//! of a function (`renounceOwnership`). A person who writes says more, and a program needs no more.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    actors::is_number,
    lexicon::{Lexicon, Speech},
    moves::parts,
};

/// Most words of a command, and of what is named in it beside verb and number.
const FEW: usize = 4;
const NAMES: usize = 1;

/// A text that is a command.
pub(super) fn judge(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let count = speech.tokens.len();
    let is_one = count <= FEW
        && (is_alone(speech, lexicon)
            || is_counted(speech, lexicon)
            || is_function(speech, lexicon)
            || is_joined(speech, lexicon)
            || lexicon.commands.is_found(speech));
    is_one.then(|| {
        Finding::new(
            Severity::Attention,
            "that reads like a command",
            "This text is a few words that order something, as programs and robots take them: some system \
             may take the signature as the order. OpenKey does not know which system.",
        )
    })
}

/// True for verbs by which value is moved.
fn moves(lexicon: &Lexicon, word: &str) -> bool {
    let lists = [
        &lexicon.transfers,
        &lexicon.trades,
        &lexicon.ventures,
        &lexicon.stakes,
        &lexicon.markets,
    ];
    lists.into_iter().any(|it| it.is_word(word))
}

/// Verbs, and nothing beside them that says what is meant: “Withdraw”, “Stake all of it”.
fn is_alone(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    let words = || speech.tokens.iter().map(|it| it.word());
    let is_verb = |it: &str| {
        moves(lexicon, it) || lexicon.approvals.is_word(it) || lexicon.accepting.is_word(it)
    };
    let is_other = |it: &str| lexicon.fillers.is_word(it) || lexicon.everything.is_word(it);
    words().any(is_verb) && words().all(|it| is_verb(it) || is_other(it))
}

/// A verb, a number or “max”, and one name at most: “tip bob 5”, “mint 5 to bob”.
fn is_counted(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    let count = speech.tokens.len();
    let first = speech.tokens.first().map_or("", |it| it.word());
    let is_much = |at: usize| {
        is_number(speech, at)
            || lexicon.numbers.is_at(speech, at)
            || lexicon.everything.is_at(speech, at)
    };
    let is_small =
        |at: usize| lexicon.towards.is_at(speech, at) || lexicon.fillers.is_at(speech, at);
    let names = (1..count).filter(|at| !is_much(*at) && !is_small(*at));
    let is_thing = (1..count).any(|at| lexicon.things.is_at(speech, at));
    let is_verb = moves(lexicon, first) || lexicon.powers.is_word(first);
    is_verb && !is_thing && (1..count).any(is_much) && names.count() <= NAMES
}

/// A name of a function that speaks of value or rights, and what it works on.
fn is_function(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    let first = speech.text.split_whitespace().next().unwrap_or_default();
    let names: Vec<&str> = first.split(['_', '-']).flat_map(parts).collect();
    let is_name = first.starts_with(|c: char| c.is_ascii_lowercase())
        && first
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    is_name
        && names.len() > 1
        && names.iter().any(|it| {
            lexicon.command_names.is_word(it)
                || lexicon.transfers.is_word(it)
                || (lexicon.trades.is_word(it) && !lexicon.goods.is_word(it))
        })
}

/// A verb and its arguments with a sign between them, and no space: `send!bob`, `send|bob`.
fn is_joined(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    let text = speech.text.trim();
    let is_sign = |c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '\'' | '’');
    let mut values = text.split(is_sign);
    let first = values.next().unwrap_or_default();
    !text.contains(char::is_whitespace) && values.any(|it| !it.is_empty()) && moves(lexicon, first)
}
