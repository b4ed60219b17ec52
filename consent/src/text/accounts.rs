//! Prose that changes an account somewhere, links something to it, or declares whose it is: sites take the
//! signature as that.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    lexicon::{Lexicon, Speech},
};

/// How the title tells of such a text.
pub(super) const ACCOUNT: &str = "that may change an account of yours";
/// How many words behind what is done to an account the account may be, and in front of it.
const BEHIND: usize = 8;
const BEFORE: usize = 3;

/// An account, or something that belongs to one, and what is done to it.
pub(super) fn judge(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let acts = |at: usize| lexicon.account_acts.is_at(speech, at);
    let is_thing = |at: usize| lexicon.account_things.is_at(speech, at);
    let is_one = |at: usize| {
        let before = (at.saturating_sub(BEHIND)..at).rev();
        let mut before = before.take_while(|it| !speech.ends_sentence(*it));
        let mut behind = (at..at + BEFORE).take_while(|it| !speech.ends_sentence(*it));
        is_thing(at) && (before.any(acts) || behind.any(|it| acts(it + 1)))
    };
    let is_found = (0..speech.tokens.len()).any(is_one);
    is_found.then(|| {
        Finding::new(
            Severity::Attention,
            ACCOUNT,
            "This text links, changes or claims an account, a wallet, a device or the like. Some system may \
             do so once it has the signature. OpenKey does not know which system. Sign only if you are at \
             that site yourself and began this there.",
        )
    })
}
