//! Prose that orders something: value that is moved, or an address that may act from now on.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    lexicon::{Lexicon, Speech, is_identifier, is_number},
};

/// How many words behind a verb an amount with a currency, an address, or a mere number may be.
const AMOUNT: usize = 8;
const ADDRESS: usize = 14;
const NUMBER: usize = 2;
/// How many words in front of a verb an amount may be (“5 ETH will be sent”).
const BEFORE: usize = 6;
/// Most words of one number (“1,000,000.50”).
const GROUPS: usize = 4;
/// How many words in front of an address what it may do stands.
const AUTHORITY: usize = 8;

/// Value that the text says is moved.
pub(super) fn payment(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let all = 0..speech.tokens.len();
    // Each place is looked at once, however many verbs stand around it.
    let at_all = |is: &dyn Fn(usize) -> bool| all.clone().map(is).collect::<Vec<bool>>();
    let amounts = at_all(&|at| is_amount(speech, lexicon, at));
    let numbers = at_all(&|at| is_number(speech, at) || lexicon.everything.is_at(speech, at));
    let addresses = at_all(&|at| is_identifier(speech, at));
    let any = |places: &[bool], from: usize, to: usize| {
        let to = to.min(places.len());
        places.get(from..to).is_some_and(|it| it.contains(&true))
    };
    let mut has_one = false;
    for at in all.clone() {
        let strong = lexicon.transfers.at(&speech.tokens, at);
        let length = strong.max(lexicon.trades.at(&speech.tokens, at));
        if length == 0 {
            continue;
        }
        let behind = at + length;
        let has_amount = any(&amounts, behind, behind + AMOUNT)
            || any(&amounts, at.saturating_sub(BEFORE), at)
            || (strong > 0 && any(&numbers, behind, behind + NUMBER));
        let has_address = any(&addresses, behind, behind + ADDRESS);
        if has_amount && has_address {
            return Some(order());
        }
        has_one |= has_amount || has_address;
    }
    // Without spaces nothing says what stands beside what.
    if lexicon.transfers.is_anywhere(speech) {
        let has_amount = amounts.contains(&true) || all.clone().any(|at| is_number(speech, at));
        let has_address = addresses.contains(&true);
        if has_amount && has_address {
            return Some(order());
        }
        has_one |= has_amount || has_address;
    }
    has_one.then(|| {
        Finding::new(
            Severity::Attention,
            "that reads like a payment",
            "This text speaks of moving value: a payment, a transfer or a trade, with an amount or \
             somebody who receives it. Some system may take the signature as the order. OpenKey does not \
             know which system.",
        )
    })
}

/// Verb, amount and receiver: all that a system needs.
fn order() -> Finding {
    Finding::new(
        Severity::Danger,
        "that orders a payment",
        "This text says what is to be moved, and to whom: a system that takes such texts moves it once \
         it has the signature. OpenKey does not know which system, and cannot take the signature back.",
    )
}

/// True if an amount of a currency begins at a word: `5 ETH`, `five dollars`, `100USDC`, `$20`.
fn is_amount(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let Some(token) = speech.tokens.get(at) else {
        return false;
    };
    let is_digits = is_number(speech, at);
    if !is_digits && !lexicon.numbers.is_at(speech, at) {
        return false;
    }
    let is_sign = |c: Option<char>| c.is_some_and(|it| "$€£¥₿Ξ₽₹₩₺₴¢".contains(it));
    let (before, after) = speech.around(at);
    if is_digits && (is_sign(before) || is_sign(after)) {
        return true;
    }
    let unit = token.text.trim_start_matches(char::is_numeric);
    if is_digits && !unit.is_empty() {
        return lexicon.currencies.is_word(unit) || is_ticker(unit, lexicon);
    }
    // The groups of a number, and what it counts.
    let mut next = at + 1;
    while next < at + GROUPS && is_number(speech, next) {
        next += 1;
    }
    let counted = [next, next + 1]
        .into_iter()
        .any(|at| lexicon.currencies.is_at(speech, at));
    let name = speech.tokens.get(next);
    counted || name.is_some_and(|it| is_ticker(it.text, lexicon))
}

/// True for a few capitals, as currencies have them.
fn is_ticker(text: &str, lexicon: &Lexicon) -> bool {
    (2..=6).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_uppercase())
        && !lexicon.no_currencies.is_word(text)
}

/// An address, a key or a name that the text lets act. `own` is the address of the signing key.
pub(super) fn authority(speech: &Speech<'_>, lexicon: &Lexicon, own: &[u8; 20]) -> Option<Finding> {
    let gives = |at: usize| {
        if !is_identifier(speech, at) {
            return false;
        }
        let before = at.saturating_sub(AUTHORITY)..at;
        let has = |phrases: &super::lexicon::Phrases| phrases.is_in(speech, before.clone());
        let is_named =
            at > 0 && lexicon.named_roles.is_at(speech, at - 1) && !is_own(speech, at, own);
        lexicon.authority_alone.is_in(speech, before.clone())
            || (has(&lexicon.authority_acts) && has(&lexicon.authority_roles))
            || is_named
    };
    let is_found = (0..speech.tokens.len()).any(gives)
        || (lexicon.authority_alone.is_anywhere(speech)
            && (0..speech.tokens.len()).any(|at| is_identifier(speech, at)));
    is_found.then(|| {
        Finding::new(
            Severity::Attention,
            "that lets an address act",
            "This text adds, links or names an address, a device or a key that may act for you, or in \
             your place, at some system. OpenKey does not know which system, nor what it may do.",
        )
    })
}

fn is_own(speech: &Speech<'_>, at: usize, own: &[u8; 20]) -> bool {
    let token = speech.tokens.get(at).map(|it| it.text).unwrap_or_default();
    let digits = token.strip_prefix("0x").unwrap_or_default();
    hex::decode(digits).is_ok_and(|it| it == own)
}

#[cfg(test)]
mod tests {
    use super::super::{findings, tests::SIGNER};
    use openkey_protocol::message::Severity;

    const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    fn found(text: &str, title: &str) -> Option<Severity> {
        let mut found = findings(text, &SIGNER).into_iter();
        let found = found.find(|it| it.title == title);
        found.map(|it| it.warning.severity)
    }

    #[test]
    fn e12_prose_that_moves_value_is_told() {
        for text in [
            format!("Transfer 5 ETH to {TO}"),
            format!("Please send 1,000.50 USDC to {TO} today."),
            format!("Withdraw 100USDC for {TO}"),
            "pay $20 to @bob".to_owned(),
            "I hereby pay five ETH to alice.eth".to_owned(),
            format!("5 ETH will be transferred to {TO}"),
            format!("Überweise 5 ETH an {TO}"),
            format!("Transférer 5 ETH à {TO}"),
            format!("Отправить 5 ETH на {TO}"),
            format!("转账5 ETH到{TO}"),
            format!("Tr\u{430}nsfer 5 ETH to {TO}"),
            "Send all my BTC to bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh".to_owned(),
        ] {
            let severity = found(&text, "that orders a payment");
            assert_eq!(severity, Some(Severity::Danger), "{text}");
        }
        for text in [
            "I pay 1000000000000000000 wei.".to_owned(),
            "send 5".to_owned(),
            "Withdraw everything".to_owned(),
            format!("Send to {TO}"),
            "Buy 100 ABC at market".to_owned(),
            "Approve 5 USDC".to_owned(),
            "向银行支付 100".to_owned(),
        ] {
            let severity = found(&text, "that reads like a payment");
            assert_eq!(severity, Some(Severity::Attention), "{text}");
        }
    }

    #[test]
    fn e12_prose_that_lets_an_address_act_is_told() {
        for text in [
            format!("Add device {TO}"),
            format!("New owner: {TO}"),
            format!("Link wallet {TO} to my profile"),
            format!("Set the recovery address of my account to {TO}"),
            format!("I authorize {TO}"),
            format!("Delegate my votes to {TO}"),
            format!("Owner: {TO}"),
            format!("Replace guardian with {TO}"),
            "Add signer 0x7099…79C8".to_owned(),
            "Add did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX as a device".to_owned(),
            format!("Füge das Gerät {TO} hinzu als neues Gerät {TO}"),
            format!("Добавить устройство {TO}"),
            format!("授权{TO}"),
        ] {
            let severity = found(&text, "that lets an address act");
            assert_eq!(severity, Some(Severity::Attention), "{text}");
        }
    }

    #[test]
    fn ordinary_prose_orders_nothing() {
        let own = "0x1111111111111111111111111111111111111111";
        for text in [
            format!("My address is {own}."),
            format!("Owner: {own}"),
            format!("I am the owner of {TO}."),
            "I hereby confirm that I own this address and support the proposal of the garden club."
                .to_owned(),
            "The gate costs 5 EUR.".to_owned(),
            "Send my regards to all of them.".to_owned(),
            "My email is john@doe.com - Tue, 04 Mar 2026 06:00:00 GMT".to_owned(),
            "Order 66 at 12:30".to_owned(),
            "I approve proposal 12 of the garden club.".to_owned(),
            "This will not send a transaction.\n\n4 March 2026, 06:00 UTC".to_owned(),
        ] {
            assert!(findings(&text, &SIGNER).is_empty(), "{text}");
        }
    }
}
