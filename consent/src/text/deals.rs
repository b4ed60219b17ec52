//! Trades in prose: an offer, an order or a position that something is done to, a price that something is
//! listed for, leverage. Systems take such texts without an amount that this crate could see.

use openkey_protocol::message::Severity;

use super::{
    Finding,
    actors::is_number,
    approvals::{behind_determiners, named},
    lexicon::{Lexicon, Speech},
    orders::{is_amount, is_ticker},
};

/// How many words from “long” or “short” a currency or its leverage may be, and from “for” what is given.
const NEAR: usize = 3;

/// A trade.
pub(super) fn judge(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let mut is_listed = false;
    let mut has_market = false;
    let is_found = (0..speech.tokens.len()).any(|at| {
        is_listed |= lexicon.listing.is_at(speech, at);
        has_market |= lexicon.markets.is_at(speech, at);
        let has_all = has_market && lexicon.everything.is_at(speech, at);
        let found = is_dealt(speech, lexicon, at)
            || is_levered(speech, lexicon, at)
            || is_bartered(speech, lexicon, at)
            || (is_listed && is_priced(speech, lexicon, at))
            || has_all;
        if speech.ends_sentence(at) {
            (is_listed, has_market) = (false, false);
        }
        found
    });
    is_found.then(|| {
        Finding::new(
            Severity::Attention,
            "that reads like a trade",
            "This text speaks of a trade: an offer, an order, a position, or something that is given for \
             something. Some system may take the signature as leave to carry it out. OpenKey does not know \
             which system.",
        )
    })
}

/// “Accept Bob’s offer”, “cancel all orders”, “close my position”.
fn is_dealt(speech: &Speech<'_>, lexicon: &Lexicon, verb: usize) -> bool {
    let is_deal = |at: usize| lexicon.deals.is_at(speech, at) || lexicon.traded.is_at(speech, at);
    lexicon.dealing.is_at(speech, verb)
        && named(
            speech,
            lexicon,
            behind_determiners(speech, lexicon, verb + 1),
            is_deal,
        )
        .is_some_and(|at| !lexicon.not_approved.is_at(speech, at + 1))
}

/// “Go long BTC 10x”, “short ETH”.
fn is_levered(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let word = |at: usize| speech.tokens.get(at);
    let is_side = |it: &str| matches!(it, "long" | "short" | "leverage");
    let is_factor = |it: &str| {
        let digits = it.strip_suffix(['x', 'X']);
        digits.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
    };
    // Currencies that are words, too, have capitals here.
    let is_capital = |it: &str| is_ticker(it, lexicon) && lexicon.currencies.is_word(it);
    word(at).is_some_and(|it| is_side(it.word()))
        && (at.saturating_sub(NEAR)..=at + NEAR)
            .filter_map(word)
            .any(|it| is_factor(it.text) || is_capital(it.text))
}

/// “7 for 9”, “my NFT 7 for your NFT 9”.
fn is_bartered(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let is_for = speech.tokens.get(at).is_some_and(|it| it.word() == "for");
    let is_one = |at: &usize| is_number(speech, *at) && !lexicon.things.is_at(speech, *at + 1);
    is_for && at > 0 && is_one(&(at - 1)) && (at + 1..=at + NEAR).any(|it| is_one(&it))
}

/// A price: “for one euro”.
fn is_priced(speech: &Speech<'_>, lexicon: &Lexicon, at: usize) -> bool {
    let is_for = speech.tokens.get(at).is_some_and(|it| it.word() == "for");
    is_for && is_amount(speech, lexicon, at + 1)
}
