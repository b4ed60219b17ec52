//! What a value that should be random says beside that: nonces and request IDs of sign-ins. Systems exist
//! that take such a value for an account, a site, or an order.

use openkey_protocol::message::{Address, Severity};

use super::{
    actors::is_name,
    lexicon::Speech,
    makes_key,
    moves::parts,
    of_letter,
    speech::{ONCE, SIGN_IN},
};

/// Hexadecimal digits of an address.
const ADDRESS: usize = 40;
/// Most letters of the last part of the name of a site.
const ROOT: usize = 12;
/// Fewest letters of a word on average: a random value has shorter ones.
const LETTERS: usize = 3;

/// What a value looks like, as a sentence goes on behind “has the form of”; `None` if it may be random.
pub(crate) fn no_random_word(value: &str, signer: &[u8; 20]) -> Option<&'static str> {
    let digits = value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"));
    let digits = digits.unwrap_or(value);
    let is_hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
    if digits.len() == ADDRESS && is_hex {
        return Some("an address");
    }
    if value.contains("://") {
        return Some("an address of the web");
    }
    let is_scheme = |it: &str| {
        it.starts_with(|c: char| c.is_ascii_alphabetic())
            && it.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if value
        .split_once(':')
        .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
    {
        return Some("a name or an account");
    }
    let speech = Speech::of(value);
    if (0..speech.tokens.len()).any(|at| is_name(&speech, at)) || is_host(value) {
        return Some("a name or an account");
    }
    (makes_key(value).is_some() || says(value, signer))
        .then_some("words that order or allow something")
}

/// True for names with dots between them, the last of letters alone.
fn is_host(value: &str) -> bool {
    let is_label =
        |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let last = value.rsplit('.').next().unwrap_or_default();
    value.contains('.')
        && value.split('.').all(is_label)
        && (2..=ROOT).contains(&last.len())
        && last.bytes().all(|it| it.is_ascii_lowercase())
}

/// True if its words, with spaces between them, would be told in a text.
fn says(value: &str, signer: &[u8; 20]) -> bool {
    let pieces: Vec<&str> = value
        .split(|c: char| !c.is_alphanumeric())
        .filter(|it| !it.is_empty())
        .flat_map(capitals)
        .collect();
    let is_digits = |it: &&&str| it.bytes().all(|it| it.is_ascii_digit());
    let is_word = |it: &&str| is_digits(&it) || it.bytes().all(|it| it.is_ascii_alphabetic());
    let count = pieces.iter().filter(|it| !is_digits(it)).count();
    let letters: usize = pieces
        .iter()
        .filter(|it| !is_digits(it))
        .map(|it| it.len())
        .sum();
    if count < 2 || letters < LETTERS * count || !pieces.iter().all(is_word) {
        return false;
    }
    let told = of_letter(&pieces.join(" "), &Address(*signer));
    // It is a sign-in, and may be called one.
    let is_more = |title: &str| ![SIGN_IN, ONCE].contains(&title);
    told.iter()
        .any(|(title, it)| it.severity > Severity::Notice && is_more(title))
}

/// The words of a name in camel case; a capital by itself (`IAccept`) is one.
fn capitals(word: &str) -> Vec<&str> {
    let split = |it: &'_ str| {
        let mut letters = it.chars();
        let is_lone = letters.next().is_some_and(char::is_uppercase)
            && letters.next().is_some_and(char::is_uppercase)
            && letters.next().is_some_and(char::is_lowercase);
        usize::from(is_lone)
    };
    parts(word)
        .flat_map(|it| {
            let (first, rest) = it.split_at_checked(split(it)).unwrap_or((it, ""));
            [first, rest]
        })
        .filter(|it| !it.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::no_random_word;

    #[test]
    fn what_is_no_random_word_is_told() {
        let looks = |value: &str| no_random_word(value, &[0x11; 20]);
        for value in [
            "70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "https://evil.example/login",
            "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
            "eip155:1:0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "mallory.eth",
            "evil.example",
            "withdraw-all-ETH-to-mallory",
            "approve:transfer:5000:USDC:to:mallory",
            "transfer-5-eth-to-bob",
            "send_5_ETH_to_bob",
            "I.accept.the.transaction",
            "IAcceptTheTransaction",
            "sendAllMyEthToMallory",
            "RAILGUN_SHIELD",
            "my-vault-key",
        ] {
            assert!(looks(value).is_some(), "{value}");
        }
        for value in [
            "",
            "12345678",
            "abcdefgh12",
            "k3jv82lq0a",
            "kEWepMt9knR6lWJ6A",
            "kEWepMtQknRzlWJxA",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "5e8Gf2k9",
            "QtKLGpbnnEGtadoKwXyZ",
            "3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c",
            "TgNleupFqU/H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbEU=",
            "2026-03-04T06:00:00Z",
            "login-request-7",
            "a1.b2c3d4.e5f6",
        ] {
            assert_eq!(looks(value), None, "{value}");
        }
    }
}
