//! Sign-ins that are always the same few words: “Please sign this message”, “Connect to example.com”, “I own
//! this address”. Nothing in them says which site they are of, or what the signature is for.

use super::lexicon::{Lexicon, Speech};

/// Most words of a text that is a sign-in by a phrase of it, by a single word, and by “Welcome”.
const FEW: usize = 12;
const HARDLY: usize = 4;
const WELCOME: usize = 4;

/// True for a text that asks for nothing but a signature, or that is one of these.
pub(super) fn is_one(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    let count = speech.tokens.len();
    let word = |at: usize| speech.tokens.get(at).map_or("", |it| it.word());
    let is_start = |at: usize| at == 0 || speech.ends_sentence(at - 1);
    (0..count).any(|at| is_start(at) && asks(speech, at))
        || (count <= FEW && lexicon.entries.is_found(speech))
        || (count <= HARDLY && lexicon.entry_words.is_found(speech))
        || (count <= WELCOME && word(0) == "welcome")
}

/// True if a sentence asks for a signature, and names nothing that is signed but the message.
fn asks(speech: &Speech<'_>, first: usize) -> bool {
    const POLITE: [&str; 8] = [
        "please", "kindly", "just", "click", "now", "hello", "then", "simply",
    ];
    const MESSAGE: [&str; 4] = ["message", "request", "text", "signature"];
    let word = |at: usize| speech.tokens.get(at).map_or("", |it| it.word());
    let is_polite = |at: &usize| POLITE.contains(&word(*at));
    let count = (first..speech.tokens.len()).take_while(is_polite).count();
    let at = first + count;
    if word(at) != "sign" {
        return false;
    }
    let ends = at + 1 == speech.tokens.len() || speech.ends_sentence(at);
    let is_message = match word(at + 1) {
        "this" | "the" => MESSAGE.contains(&word(at + 2)),
        "here" | "to" | "for" | "me" | "below" | "it" => true,
        _ => false,
    };
    ends || is_message
}
