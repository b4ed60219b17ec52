//! Texts that name a transaction, an order or a payload by its digest: whoever checks such a signature
//! takes it for the approval of what the digest stands for.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    lexicon::{Lexicon, Speech},
    moves::parts,
};

/// Fewest hexadecimal digits of a digest that some systems cut (20 bytes). With `0x` they are an address.
const CUT: usize = 40;
/// Fewest characters of 32 bytes in base58 or base64.
const ENCODED: usize = 43;
/// Most words of the label in front of a digest, and of a sentence up to it.
const LABEL: usize = 3;
const SENTENCE: usize = 14;

/// A label that names what is approved, and a digest behind it.
pub(super) fn approval(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let is_named = |at: usize| {
        is_digest(speech, at) && (has_label(speech, lexicon, at) || is_told(speech, lexicon, at))
    };
    (0..speech.tokens.len()).any(is_named).then(|| {
        Finding::new(
            Severity::Danger,
            "that approves a transaction by its digest",
            "This text names a transaction, an order or a payload by its digest: its signature may \
             approve it, whatever the other words say. What it does is not in the text: OpenKey cannot see \
             it.",
        )
    })
}

/// True for digits of a digest. An address (`0x` and 40 digits) is none.
fn is_digest(speech: &Speech<'_>, at: usize) -> bool {
    let text = speech.tokens.get(at).map_or("", |it| it.text);
    let is_hex = |it: &str| it.bytes().all(|it| it.is_ascii_hexdigit());
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return digits.len() > CUT && is_hex(digits);
    }
    // A digest without digits or without capitals is found in a few attempts.
    (text.len() >= CUT && is_hex(text)) || (text.len() >= ENCODED && text.is_ascii())
}

/// True if the words in front of a value are its label, and name what may be approved.
fn has_label(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let first = at.saturating_sub(LABEL);
    let between = |at: usize| speech.between(at, at + 1);
    let is_label = at > 0 && between(at - 1).contains([':', '=', '\n', '#']);
    let names = |at: usize| {
        let token = speech.tokens.get(at).map_or("", |it| it.text);
        parts(token).any(|it| lexicon.approved_by_digest.is_word(it))
    };
    // The label begins where its line does.
    let mut label = (first..at).rev();
    is_label
        && label
            .by_ref()
            .take_while(|it| it + 1 == at || !between(*it).contains(['\n', '.', ',', ';']))
            .any(names)
}

/// True if the sentence says that a value is the digest of what may be approved: “the hash of this
/// transaction is …”.
fn is_told(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let is_hash = |at: usize| lexicon.hashes.is_at(speech, at);
    let is_said = at
        .checked_sub(1)
        .is_some_and(|it| is_hash(it) || speech.tokens.get(it).is_some_and(|it| it.word() == "is"));
    let sentence = || {
        let before = (at.saturating_sub(SENTENCE)..at).rev();
        before.take_while(|it| !speech.ends_sentence(*it))
    };
    let names = |at: usize| lexicon.approved_by_digest.is_at(speech, at);
    is_said && sentence().any(is_hash) && sentence().any(names)
}

#[cfg(test)]
mod tests {
    use super::super::{findings, tests::SIGNER};

    const DIGEST: &str = "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45";
    const TITLE: &str = "that approves a transaction by its digest";

    fn is_told(text: &str) -> bool {
        findings(text, &SIGNER).iter().any(|it| it.title == TITLE)
    }

    #[test]
    fn e12_what_is_named_by_its_digest_is_told() {
        for text in [
            format!("Transaction: {DIGEST}"),
            format!("My transaction hash: 0x{DIGEST}"),
            format!("Hello\n\nPayloadDigest: {}", &DIGEST[..40]),
            format!("order_id={DIGEST}"),
            format!("operation:\n0x{DIGEST}"),
            "tx: 6FzrsxRCcMvTJnr4HrQyRZsE6qCtKVnsbYmwjoWJt1C8".to_owned(),
            "tx: FzrsxRCcMvTJnrHrQyRZsEqCtKVnsbYmwjoWJtCCaaa".to_owned(),
            "tx: bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".to_owned(),
        ] {
            assert!(is_told(&text), "{text}");
        }
        for text in [
            format!("nonce: {DIGEST}"),
            format!("I saw the transaction {DIGEST}"),
            "transaction: 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".to_owned(),
            format!("Transaction done.\nNonce: {DIGEST}"),
            format!("Transaction: 0x{}", "z".repeat(64)),
            format!("Transaction: {}", &DIGEST[..39]),
            format!("Transaction: {}", "z".repeat(42)),
            format!("Transaction: {}", "zähle".repeat(12)),
            DIGEST.to_owned(),
        ] {
            assert!(!is_told(&text), "{text}");
        }
    }
}
