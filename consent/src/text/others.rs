//! Addresses of others in a text. What a text says of an address is endless, so that every address but the
//! signer's own is told; beside a word by which somebody may act or receive, it is dangerous.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    actors::is_name,
    lexicon::{Lexicon, Phrases, Speech},
    orders::{is_own, is_report},
};

/// How many words before or behind an address such a word may be, and how many behind it “may”.
const NEAR: usize = 12;
const SUBJECT: usize = 3;
/// The same for what “of” belongs to.
const OF: usize = 7;

/// An address that is not that of the key, and what the words around it say.
pub(super) fn judge(speech: &Speech<'_>, lexicon: &Lexicon, own: &[u8; 20]) -> Option<Finding> {
    let count = speech.tokens.len();
    let addresses: Vec<usize> = (0..count)
        .filter(|at| is_account(speech, *at) && !is_own(speech, *at, own))
        .collect();
    if addresses.is_empty() {
        return None;
    }
    // Each word is looked up once, however many addresses stand around it.
    let marks = |phrases: &Phrases| -> Vec<bool> {
        (0..count).map(|at| phrases.is_at(speech, at)).collect()
    };
    let (powers, moves) = (marks(&lexicon.powers), marks(&lexicon.transfers));
    let ventures = marks(&lexicon.ventures);
    let (posts, modals) = (marks(&lexicon.posts), marks(&lexicon.modals));
    let ends: Vec<bool> = (0..count).map(|at| speech.ends_sentence(at)).collect();
    let is = |marks: &[bool], at: usize| marks.get(at) == Some(&true);
    // “The owner of …”, “the owner and creator of …” say whose the address is, and give it nothing.
    let is_of = |post: usize, at: usize| {
        (post..=post + OF).contains(&at) && lexicon.of.is_in(speech, post + 1..post + 3)
    };
    // “Owner: …” with the signer's own address is the signer.
    let is_mine = |post: usize| is_own(speech, post + 1, own);
    let is_post = |post: usize, at: usize| is(&posts, post) && !is_of(post, at) && !is_mine(post);
    let acts = |at: &usize| {
        let gives = |word: usize| {
            // “I paid 20 USDC to alice.eth” tells of what was done.
            let is_told = || is_name(speech, *at) && is_report(speech, lexicon, word);
            is(&powers, word)
                || (is(&moves, word) && !is_told())
                || is(&ventures, word)
                || is_post(word, *at)
        };
        let before = (at.saturating_sub(NEAR)..*at).rev();
        let behind = *at + 1..(*at + 1 + NEAR).min(count);
        let may = *at + 1..(*at + 1 + SUBJECT).min(count);
        before.take_while(|it| !is(&ends, *it)).any(gives)
            || until_end(behind, &ends).any(gives)
            || until_end(may, &ends).any(|it| is(&modals, it))
    };
    let anywhere = lexicon.authority_alone.is_anywhere(speech);
    Some(if anywhere || addresses.iter().any(acts) {
        Finding::new(
            Severity::Danger,
            "that lets somebody else act or receive",
            "This text names an address that is not that of your key, beside words by which somebody may \
             act for you, take what is yours, or receive it: a system that takes such texts lets them once \
             it has the signature. OpenKey does not know which system, and cannot take the signature back.",
        )
    } else {
        Finding::new(
            Severity::Attention,
            "with the address of somebody else",
            "This text names an address that is not that of your key. Some system may take the signature \
             as leave for it, or as a bond between you and it. OpenKey does not know which system.",
        )
    })
}

/// Places behind an address, up to the end of its sentence.
fn until_end(places: core::ops::Range<usize>, ends: &[bool]) -> impl Iterator<Item = usize> + '_ {
    places.take_while(|at| at.checked_sub(1).and_then(|it| ends.get(it)) != Some(&true))
}

/// True for an address of one of the common systems, whole or shortened: hexadecimal behind `0x`, base58,
/// bech32, a DID, a name with a dot.
fn is_account(speech: &Speech<'_>, at: usize) -> bool {
    /// Fewest digits of the beginning of an address that somebody shortened, and of a whole one.
    const SHORT: usize = 3;
    const WHOLE: usize = 40;
    /// Lengths of addresses in base58, and the least of bech32 (Bitcoin, Cosmos and its family).
    const BASE58: core::ops::RangeInclusive<usize> = 26..=64;
    const BECH32: usize = 38;
    let Some(token) = speech.tokens.get(at) else {
        return false;
    };
    let text = token.text;
    let (_, after) = speech.around(at);
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let is_hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
        let is_cut = matches!(after, Some('.' | '…')) && digits.len() >= SHORT;
        return is_hex && (digits.len() >= WHOLE || is_cut);
    }
    if is_name(speech, at) || (text.eq_ignore_ascii_case("did") && after == Some(':')) {
        return true;
    }
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    let (lower, upper) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    let is_alnum = text.bytes().all(|it| it.is_ascii_alphanumeric());
    let is_base58 = BASE58.contains(&text.len()) && !text.contains(['0', 'O', 'I', 'l']);
    let is_bech32 = text.len() >= BECH32
        && text.contains('1')
        && !text.bytes().all(|it| it.is_ascii_hexdigit());
    let has_digit = has(u8::is_ascii_digit);
    is_alnum && has_digit && ((lower && upper && is_base58) || (lower != upper && is_bech32))
}
