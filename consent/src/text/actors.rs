//! What a word of a text is by its form: a name of somebody who acts or receives, an address, a number.

use super::lexicon::Speech;

/// True if a word names somebody or something that acts or receives: an address, a key, a name. Such
/// names are long and of letters and digits, or have a mark of their own.
pub(super) fn is_identifier(speech: &Speech<'_>, at: usize) -> bool {
    /// Fewest hexadecimal digits of the beginning of an address that somebody shortened.
    const SHORT: usize = 3;
    let Some(token) = speech.tokens.get(at) else {
        return false;
    };
    let (before, after) = speech.around(at);
    let text = token.text;
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let is_cut = digits.is_empty() && matches!(after, Some('.' | '…'));
        let is_hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
        return is_cut || (is_hex && digits.len() >= SHORT);
    }
    let is_did = token.word() == "did" && after == Some(':');
    is_long(text) || is_name(speech, at) || is_did || before == Some('@') || after == Some('@')
}

/// Last parts of names that stand for an address: ENS, SNS, Lens, Unstoppable Domains, BNS and their like.
const ROOTS: [&str; 26] = [
    "eth",
    "sol",
    "near",
    "lens",
    "btc",
    "crypto",
    "nft",
    "x",
    "wallet",
    "dao",
    "bitcoin",
    "blockchain",
    "zil",
    "polygon",
    "unstoppable",
    "bnb",
    "arb",
    "tez",
    "apt",
    "sui",
    "stark",
    "hbar",
    "osmo",
    "algo",
    "tron",
    "fc",
];

/// True for the last part of a name that stands for an address (`bob.eth`, `bob.base.eth`).
pub(super) fn is_name(speech: &Speech<'_>, at: usize) -> bool {
    let Some(token) = speech.tokens.get(at) else {
        return false;
    };
    let is_dot = |at: usize| speech.between(at, at + 1) == ".";
    ROOTS.contains(&token.word()) && at > 0 && is_dot(at - 1) && !is_dot(at)
}

/// True for a word with the form of a whole address of any of the common systems.
pub(super) fn is_address(speech: &Speech<'_>, at: usize) -> bool {
    speech.tokens.get(at).is_some_and(|it| is_long(it.text))
}

/// True for letters and digits in one long word.
fn is_long(text: &str) -> bool {
    /// Fewest characters of an address of the common systems (Bitcoin's are 26 and more).
    const ADDRESS: usize = 26;
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    text.len() >= ADDRESS
        && text.is_ascii()
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

/// True for words of digits.
pub(super) fn is_number(speech: &Speech<'_>, at: usize) -> bool {
    let token = speech.tokens.get(at);
    token.is_some_and(|it| it.text.starts_with(char::is_numeric) && !it.text.starts_with("0x"))
}
