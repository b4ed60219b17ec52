//! The words by which texts are judged: `speech.json`, by language. A text is cut into words once, and
//! every list is looked up word by word.

use std::{collections::BTreeMap, sync::LazyLock};

use openkey_capability::{marks::is_mark, siwe::plain_letters};
use serde::Deserialize;

pub(super) use super::phrases::Phrases;
use crate::unreadable::words;

/// The lists; `None` if the file that was built in cannot be read, so that nothing passes unjudged.
pub(super) static LEXICON: LazyLock<Option<Lexicon>> =
    LazyLock::new(|| serde_json::from_str(include_str!("speech.json")).ok());

/// Phrases of one sense, by language and all together: most words are of none.
#[derive(Deserialize)]
#[serde(from = "BTreeMap<String, Vec<String>>")]
pub(super) struct ByLanguage {
    pub(super) all: Phrases,
    pub(super) each: BTreeMap<String, Phrases>,
}

impl From<BTreeMap<String, Vec<String>>> for ByLanguage {
    fn from(lists: BTreeMap<String, Vec<String>>) -> Self {
        let all: Vec<String> = lists.values().flatten().cloned().collect();
        let each = lists
            .into_iter()
            .map(|(language, it)| (language, Phrases::of(&it)));
        Self {
            all: Phrases::of(&all),
            each: each.collect(),
        }
    }
}

/// Lists of phrases, each with one sense.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lexicon {
    /// Beginnings of words that speak of making or opening something.
    pub(super) making: Phrases,
    /// What is made or opened.
    pub(super) made: Phrases,
    /// Keys, seeds and vaults, which speak for themselves.
    pub(super) keys: Phrases,
    /// The same in texts and names inside typed data, where these words stand for nothing else.
    pub(super) keys_in_data: Phrases,
    /// Of what is made, words that as names inside typed data need no word of making beside them.
    pub(super) keys_as_names: Phrases,
    /// What is opened or made by a key that is made from a signature: with a word of making beside it.
    pub(super) opened: Phrases,
    /// What texts say that may be signed in one place alone.
    pub(super) only_there: Phrases,
    pub(super) sign_in: Phrases,
    /// Asking for a signature, …
    pub(super) asking: Phrases,
    /// … and what it is asked for, behind a “to”, if it is a sign-in.
    pub(super) entering: Phrases,
    /// What begins like a sign-in and is none.
    pub(super) not_a_sign_in: Phrases,
    /// Verbs and nouns for moving value.
    pub(super) transfers: Phrases,
    /// The same, of more than one meaning: a currency or an address has to stand beside them.
    pub(super) trades: Phrases,
    /// Of these, words that are of trade in data only beside a number, a name or an amount.
    pub(super) goods: Phrases,
    /// Forms of verbs that tell of what was done, behind whoever did it.
    pub(super) past: Phrases,
    pub(super) who_did: Phrases,
    /// What tells of a payment that was made.
    pub(super) receipts: Phrases,
    /// Between a verb and whoever receives; of these, what means nothing else.
    pub(super) towards: Phrases,
    pub(super) to: Phrases,
    /// Names of members of data.
    pub(super) amount_names: Phrases,
    pub(super) receiver_names: Phrases,
    /// What is claimed, and verbs for it.
    pub(super) claims: Phrases,
    /// Amounts without a number.
    pub(super) everything: Phrases,
    pub(super) numbers: Phrases,
    pub(super) currencies: Phrases,
    /// What stands behind a number in capitals and is no currency.
    pub(super) no_currencies: Phrases,
    pub(super) approvals: Phrases,
    /// What is approved.
    pub(super) approved: Phrases,
    /// What is named by a digest.
    pub(super) approved_by_digest: Phrases,
    /// Verbs of more than one meaning: transactions have to stand right behind them, …
    pub(super) accepting: Phrases,
    pub(super) transactions: Phrases,
    /// … with such words between, …
    pub(super) determiners: Phrases,
    /// … and not one of these behind.
    pub(super) not_approved: Phrases,
    pub(super) negations: Phrases,
    /// Of these, what denies after another negation, too.
    pub(super) nor: Phrases,
    /// What may stand between a negation and the verb that it denies.
    pub(super) denied_through: Phrases,
    /// What takes a negation away again (“not only”).
    pub(super) not_negated: Phrases,
    /// Numbers that make a text count once.
    pub(super) once: Phrases,
    /// What is done to let an address act.
    pub(super) authority_acts: Phrases,
    /// As what it acts.
    pub(super) authority_roles: Phrases,
    /// What says both.
    pub(super) authority_alone: Phrases,
    /// Roles that need no verb if an address stands right behind them.
    pub(super) named_roles: Phrases,
    /// Verbs of giving and of moving value that mean other things, too: only in prose, never a name in data.
    pub(super) ventures: Phrases,
    /// The same, whose receiver nobody names: with an amount of a currency they need a look.
    pub(super) stakes: Phrases,
    /// What is counted and is no value: “3 photos”.
    pub(super) things: Phrases,
    /// The verbs of `approvals` in other languages, what they approve, and what denies them.
    pub(super) approvals_abroad: ByLanguage,
    pub(super) approved_abroad: ByLanguage,
    pub(super) negations_abroad: ByLanguage,
    /// What is approved only if it stands right behind the verb.
    pub(super) traded: Phrases,
    /// What denies as a negation does.
    pub(super) denying: Phrases,
    /// What makes of a verb and a transaction behind it a sentence about transactions.
    pub(super) clauses: Phrases,
    /// What may stand between a negation and the verb besides `denied_through`, if it is not so sure that it
    /// denies.
    pub(super) denied_loosely: Phrases,
    pub(super) you: Phrases,
    pub(super) of: Phrases,
    /// What lets an address act: beside it; as what it acts or receives; right behind it.
    pub(super) powers: Phrases,
    pub(super) posts: Phrases,
    pub(super) modals: Phrases,
    /// What is done to an account, and what belongs to one.
    pub(super) account_acts: Phrases,
    pub(super) account_things: Phrases,
    /// What ends the name of what is approved (“the Foo transaction”): words that are no part of a name.
    pub(super) no_names: Phrases,
    /// What a digest is called.
    pub(super) hashes: Phrases,
    /// What is done to a trade, and what is traded, beside `traded`.
    pub(super) dealing: Phrases,
    pub(super) deals: Phrases,
    /// Verbs of trade that mean nothing else beside “everything”.
    pub(super) markets: Phrases,
    /// What is for sale in front of a price.
    pub(super) listing: Phrases,
    /// Commands by themselves, words that may stand beside a verb that is one, and what their names speak of.
    pub(super) commands: Phrases,
    pub(super) fillers: Phrases,
    pub(super) command_names: Phrases,
    /// What makes a sign-in of a text of few words, and of one that is hardly more.
    pub(super) entries: Phrases,
    pub(super) entry_words: Phrases,
    /// Names of this stack, whose keys open what OpenKey's owners keep.
    pub(super) own: Phrases,
}

/// True for a letter of a script with capitals, beyond ASCII.
pub(super) fn is_cased_letter(c: char) -> bool {
    !c.is_ascii() && (c.is_lowercase() || c.is_uppercase())
}

/// A word of a text.
pub(super) struct Token<'t> {
    /// Where it begins, in bytes.
    pub(super) start: usize,
    pub(super) text: &'t str,
    /// As it is compared: lower case, plain letters.
    pub(super) word: String,
}

impl Token<'_> {
    /// As it is compared: lower case, plain letters.
    pub(super) fn word(&self) -> &str {
        &self.word
    }
}

/// A text in words.
pub(super) struct Speech<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: Vec<Token<'t>>,
    /// As a whole, for languages without spaces; nothing in an ASCII text.
    pub(super) plain: String,
}

impl<'t> Speech<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let belongs = |c: char| c.is_alphanumeric() || (!c.is_ascii() && is_mark(c));
        let tokens = words(text, belongs).into_iter().flat_map(by_script);
        let tokens = tokens.map(|(start, text)| Token {
            start,
            text,
            word: plain_letters(text),
        });
        Self {
            text,
            tokens: tokens.collect(),
            plain: if text.is_ascii() {
                String::new()
            } else {
                plain_letters(text)
            },
        }
    }

    /// What stands between two words.
    pub(super) fn between(&self, at: usize, next: usize) -> &'t str {
        let (Some(token), Some(next)) = (self.tokens.get(at), self.tokens.get(next)) else {
            return "";
        };
        let start = token.start + token.text.len();
        self.text.get(start..next.start).unwrap_or_default()
    }

    /// True if a sentence or a paragraph ends behind a word.
    pub(super) fn ends_sentence(&self, at: usize) -> bool {
        let between = self.between(at, at + 1);
        let is_end = |(at, _): (usize, &str)| {
            let behind = between.get(at + 1..).unwrap_or_default();
            behind.is_empty() || behind.starts_with(char::is_whitespace)
        };
        let has_sign = || between.match_indices(['.', '!', '?']).any(is_end);
        between.contains("\n\n") || (between.contains(char::is_whitespace) && has_sign())
    }

    /// The character right before and right behind a word.
    pub(super) fn around(&self, at: usize) -> (Option<char>, Option<char>) {
        let Some(token) = self.tokens.get(at) else {
            return (None, None);
        };
        let before = self.text.get(..token.start);
        let after = self.text.get(token.start + token.text.len()..);
        (
            before.and_then(|it| it.chars().next_back()),
            after.and_then(|it| it.chars().next()),
        )
    }
}

/// A word, cut where letters of scripts without capitals (Chinese, Arabic, Hindi) meet ASCII: no word of
/// a language has both, and no space stands between a verb and a number there.
fn by_script((start, word): (usize, &str)) -> Vec<(usize, &str)> {
    let is_caseless =
        |c: char| !c.is_ascii() && c.is_alphabetic() && !c.is_lowercase() && !c.is_uppercase();
    let mut found = Vec::new();
    let (mut from, mut before) = (0, None::<char>);
    for (at, c) in word.char_indices() {
        let is_cut = before.is_some_and(|it| {
            (is_caseless(it) && c.is_ascii()) || (it.is_ascii() && is_caseless(c))
        });
        if is_cut {
            found.push((start + from, word.get(from..at).unwrap_or_default()));
            from = at;
        }
        before = Some(c);
    }
    found.push((start + from, word.get(from..).unwrap_or_default()));
    found
}
