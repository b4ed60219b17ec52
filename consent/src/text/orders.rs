//! Prose that orders something: value that is moved, or an address that may act from now on.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    actors::{is_address, is_identifier, is_number},
    lexicon::{Lexicon, Phrases, Speech},
};

/// How many words behind a verb an amount with a currency, an address, or a mere number may be at least:
/// amounts and addresses may be in the whole sentence.
const AMOUNT: usize = 8;
const ADDRESS: usize = 14;
const NUMBER: usize = 2;
/// The same for an amount in front of a verb (“5 ETH will be sent”).
const BEFORE: usize = 6;
/// Most words of a text that is an amount and whose it is (“bob 5 ETH”).
const SHORT: usize = 4;
/// Most words of one number (“1,000,000.50”).
const GROUPS: usize = 4;
/// How many words in front of an address what it may do stands, and behind it that it may take.
const AUTHORITY: usize = 8;
const SPENDS: usize = 4;

/// Value that the text says is moved.
pub(super) fn payment(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let all = 0..speech.tokens.len();
    // Each place is looked at once, however many verbs stand around it.
    let at_all = |is: &dyn Fn(usize) -> bool| Places::of(all.clone().map(is));
    let amounts = at_all(&|at| is_amount(speech, lexicon, at));
    let towards = at_all(&|at| names_receiver(speech, lexicon, at));
    let numbers = at_all(&|at| {
        (is_number(speech, at) && !lexicon.things.is_at(speech, at + 1))
            || lexicon.everything.is_at(speech, at)
    });
    let addresses = at_all(&|at| is_identifier(speech, at));
    let sentences = sentences(speech);
    let mut has_one = false;
    for (at, sentence) in all.clone().zip(&sentences) {
        let strong = lexicon.transfers.at(&speech.tokens, at);
        let venture = lexicon.ventures.at(&speech.tokens, at);
        let length = strong
            .max(venture)
            .max(lexicon.trades.at(&speech.tokens, at));
        let before = sentence.start.min(at.saturating_sub(BEFORE))..at;
        let until = |from: usize, least: usize| from..sentence.end.max(from + least);
        if length == 0 {
            // What is at stake is an amount.
            has_one |= lexicon.stakes.is_at(speech, at)
                && (amounts.is_in(&until(at + 1, AMOUNT)) || amounts.is_in(&before));
            continue;
        }
        let behind = at + length;
        let is_told = is_report(speech, lexicon, at);
        let has_amount = amounts.is_in(&until(behind, AMOUNT))
            || amounts.is_in(&before)
            || (strong > 0 && numbers.is_in(&(behind..behind + NUMBER)));
        let has_address = addresses.is_in(&until(behind, ADDRESS));
        // “… are to be sent to Mallory”
        let is_passive =
            lexicon.past.is_at(speech, at) && is_word(speech, at.wrapping_sub(1), "be");
        let is_towards =
            (strong.max(venture) > 0 || is_passive) && towards.is_in(&until(behind, ADDRESS));
        if has_amount && (has_address || is_towards) && !is_told {
            return Some(order());
        }
        has_one |= has_amount || has_address || is_towards;
    }
    // Without spaces nothing says what stands beside what.
    if lexicon.transfers.is_anywhere(speech) {
        let has_amount = amounts.is_in(&all) || all.clone().any(|at| is_number(speech, at));
        let has_address = addresses.is_in(&all);
        if has_amount && has_address {
            return Some(order());
        }
        has_one |= has_amount || has_address;
    } else if lexicon.ventures.is_anywhere(speech) {
        let (has_amount, has_address) = (amounts.is_in(&all), addresses.is_in(&all));
        if has_amount && has_address {
            return Some(order());
        }
        has_one |= has_amount || has_address;
    }
    has_one |= all.clone().zip(&sentences).any(|(at, sentence)| {
        (addresses.is_in(&(at..at + 1)) || receives(speech, lexicon, at)) && amounts.is_in(sentence)
    });
    has_one |= (2..=SHORT).contains(&all.len()) && amounts.is_in(&all);
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

fn is_word(speech: &Speech<'_>, at: usize, word: &str) -> bool {
    speech.tokens.get(at).is_some_and(|it| it.word() == word)
}

/// The places of the sentence or line of each word.
fn sentences(speech: &Speech<'_>) -> Vec<core::ops::Range<usize>> {
    let mut found = Vec::with_capacity(speech.tokens.len());
    for at in 0..speech.tokens.len() {
        let ends = speech.ends_sentence(at) || speech.between(at, at + 1).contains('\n');
        if ends || at + 1 == speech.tokens.len() {
            let start = found.len();
            found.resize(at + 1, start..at + 1);
        }
    }
    found
}

/// True if a word says who gets an amount that stands in the same sentence, whatever the verb is: “to Bob”,
/// “for Bob”, “-> bob”, “Bob with 5 ETH”, “Bob can have”.
fn receives(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let word = |at: usize| speech.tokens.get(at);
    let is_name = |at: usize| {
        let is_capital = |c: char| c.is_uppercase();
        word(at).is_some_and(|it| it.text.starts_with(is_capital) && !is_ticker(it.text, lexicon))
    };
    let is = |at: usize, what: &str| is_word(speech, at, what);
    let gap = speech.between(at, at + 1);
    let is_arrow = ["->", "=>", "→", "⇒", "➜", "⟶"]
        .iter()
        .any(|it| gap.contains(it));
    let has_before = |most: usize| (at.saturating_sub(most)..at).any(is_name);
    names_receiver(speech, lexicon, at)
        || ((is(at, "for") || is(at, "into")) && is_name(at + 1))
        || (is_arrow && !is_number(speech, at + 1))
        || (is(at, "with") && is_amount(speech, lexicon, at + 1) && has_before(1))
        || (is(at, "have") && has_before(2))
}

/// True if a word of paying tells of what was done: “I paid”, “we have sent”, “proof of payment”.
pub(super) fn is_report(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    // “I paid” begins one word before, “I have paid” two.
    let begins =
        |back: &usize| at >= *back && lexicon.who_did.at(&speech.tokens, at - back) == *back;
    let has_done = lexicon.past.is_at(speech, at) && (1..=2).any(|back| begins(&back));
    has_done || (at >= 2 && lexicon.receipts.is_at(speech, at - 2))
}

/// True if a word says to whom: “to Mallory”, “to DE89…”, “to bob.” In the middle of a sentence, a word in
/// small letters names nobody.
fn names_receiver(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let Some(token) = speech.tokens.get(at + 1) else {
        return false;
    };
    if !lexicon.towards.is_at(speech, at) || speech.ends_sentence(at) {
        return false;
    }
    let is_name = |c: char| c.is_uppercase() || c.is_numeric();
    let (_, after) = speech.around(at + 1);
    let is_last = || after.is_none_or(|it| ".,;!?\n".contains(it));
    token.text.starts_with(is_name) || (lexicon.to.is_at(speech, at) && is_last())
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
pub(super) fn is_amount(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
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
    let is_currency = |at: usize| lexicon.currencies.is_at(speech, at);
    let counted = is_currency(next) || is_currency(next + 1) || (at > 0 && is_currency(at - 1));
    let name = speech.tokens.get(next);
    counted || name.is_some_and(|it| is_ticker(it.text, lexicon))
}

/// True for a few capitals, as currencies have them.
pub(super) fn is_ticker(text: &str, lexicon: &Lexicon) -> bool {
    (2..=6).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_uppercase())
        && !lexicon.no_currencies.is_word(text)
}

/// An address, a key or a name that the text lets act. `own` is the address of the signing key.
pub(super) fn authority(speech: &Speech<'_>, lexicon: &Lexicon, own: &[u8; 20]) -> Option<Finding> {
    let all = 0..speech.tokens.len();
    // Each word is looked up once, however many addresses stand around it.
    let places = |phrases: &Phrases| Places::of(all.clone().map(|at| phrases.is_at(speech, at)));
    let alone = places(&lexicon.authority_alone);
    let acts = places(&lexicon.authority_acts);
    let roles = places(&lexicon.authority_roles);
    let transfers = places(&lexicon.transfers);
    let addresses = all.filter(|at| is_identifier(speech, *at));
    let anywhere = lexicon.authority_alone.is_anywhere(speech);
    let (mut is_found, mut is_spender) = (false, false);
    for at in addresses {
        let before = at.saturating_sub(AUTHORITY)..at;
        let is_named =
            at > 0 && lexicon.named_roles.is_at(speech, at - 1) && !is_own(speech, at, own);
        let is_alone = alone.is_in(&before);
        is_found |=
            anywhere || is_alone || is_named || (acts.is_in(&before) && roles.is_in(&before));
        is_spender |= is_alone && transfers.is_in(&(at + 1..at + 1 + SPENDS));
    }
    if is_spender {
        return Some(Finding::new(
            Severity::Danger,
            "that lets an address take what is yours",
            "This text lets an address withdraw, transfer or spend: a system that takes such texts lets it \
             once it has the signature. OpenKey does not know which system, and cannot take the signature \
             back.",
        ));
    }
    is_found.then(|| {
        Finding::new(
            Severity::Attention,
            "that lets an address act",
            "This text adds, links or names an address, a device or a key that may act for you, or in \
             your place, at some system. OpenKey does not know which system, nor what it may do.",
        )
    })
}

/// Something that is claimed for another address than that of the key.
pub(super) fn claim(speech: &Speech<'_>, lexicon: &Lexicon, own: &[u8; 20]) -> Option<Finding> {
    let is_other = |at: usize| is_address(speech, at) && !is_own(speech, at, own);
    let is_found = lexicon.claims.is_found(speech) && (0..speech.tokens.len()).any(is_other);
    is_found.then(|| {
        Finding::new(
            Severity::Danger,
            "that claims something for an address",
            "This text claims something for an address that is not that of your key. What is claimed may \
             go there, and often but once.",
        )
    })
}

/// Where words of a list are, by how many of them there are up to each place.
struct Places(Vec<usize>);

impl Places {
    fn of(all: impl Iterator<Item = bool>) -> Self {
        let mut count = 0;
        let counted = all.map(|it| {
            count += usize::from(it);
            count
        });
        Self([0].into_iter().chain(counted).collect())
    }

    /// True if one is at one of these places.
    fn is_in(&self, places: &core::ops::Range<usize>) -> bool {
        let last = self.0.len().saturating_sub(1);
        let until = |at: usize| self.0.get(at.min(last)).copied().unwrap_or_default();
        until(places.end) > until(places.start)
    }
}

/// True for the address of the signing key, with its prefix or without.
pub(super) fn is_own(speech: &Speech<'_>, at: usize, own: &[u8; 20]) -> bool {
    let token = speech.tokens.get(at).map(|it| it.text).unwrap_or_default();
    let digits = token
        .strip_prefix("0x")
        .or_else(|| token.strip_prefix("0X"));
    let digits = digits.unwrap_or(token);
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
            // A whole address of somebody else beside a word of power is dangerous.
            let mild = found(&text, "that lets an address act");
            let severity = mild.max(found(&text, "that lets somebody else act or receive"));
            assert!(severity >= Some(Severity::Attention), "{text}");
        }
    }

    #[test]
    fn ordinary_prose_orders_nothing() {
        let own = "0x1111111111111111111111111111111111111111";
        for text in [
            format!("My address is {own}."),
            format!("Owner: {own}"),
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
