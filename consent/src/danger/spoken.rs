//! Single values in words: amounts, ends, tokens, names.

use openkey_capability::address::eip55;
use openkey_protocol::message::Line;

use super::Context;
use crate::{
    typed_data::{Type, Value, as_it_is},
    words::{line, unix_seconds},
};

/// Members that only tell one signature from another.
pub(super) const COUNTERS: [&str; 4] = ["nonce", "salt", "counter", "usernonce"];
/// In seconds since 1970, September 2001: numbers below count something else, or ended long ago.
const FIRST_TIME: u64 = 1_000_000_000;
/// What an amount of a token counts. How many of them are a whole token is the token's own affair.
pub(super) const OF_TOKEN: &str = "of the token's smallest units";
/// What an amount of a chain's own coin counts.
pub(super) const OF_COIN: &str = "of the smallest units of the chain's own coin";

/// A value as it is, on one line.
pub(super) fn said(_: &Type, value: &Value<'_>) -> String {
    as_it_is(value)
}

/// The last moment. What a number counts is for the contract to say: nearly all count seconds.
pub(super) fn end(kind: &Type, value: &Value<'_>, context: Context<'_>) -> String {
    let (Type::Uint(_), Value::Integer { magnitude, .. }) = (kind, value) else {
        return said(kind, value);
    };
    match magnitude.to_u64() {
        Some(0) => "0, which some contracts take as no end".to_owned(),
        Some(early) if early < FIRST_TIME => {
            format!("{magnitude}, which counts something else than seconds, or is long past")
        }
        _ => unix_seconds(magnitude, context.now_ms),
    }
}

/// An address as a line.
pub(super) fn address_line(label: &str, address: &[u8; 20]) -> Line {
    line(label, eip55(address))
}

/// True for the zero address.
pub(super) fn is_zero(address: &[u8; 20]) -> bool {
    address.iter().all(|byte| *byte == 0)
}

/// A token in words; the zero address stands for the chain's own coin.
pub(super) fn token_text(token: Option<&[u8; 20]>) -> String {
    match token {
        None => "Not said".to_owned(),
        Some(token) if is_zero(token) => "the chain's own coin (zero address)".to_owned(),
        Some(token) => eip55(token),
    }
}

/// A member's name in lower case without underscores.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
