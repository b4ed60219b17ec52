//! Texts that are data: what a program reads, and a person only looks at. The signature of data is
//! the approval of whatever the program does with them, so that no such text is a notice.
//!
//! Whole texts are told by their form, and forms that stand out among words are told there, too. Every
//! test goes through the text once.

use openkey_capability::uri::parse_uri;
use openkey_protocol::message::Severity;

use super::{
    Finding, forms,
    lexicon::{Lexicon, Speech},
    moves::{is_list, moves_value},
};
use crate::asker::is_web;

/// Most words of a label in front of a colon.
const LABEL: usize = 3;
/// Fewest lines with a name and a value of a form with other lines around.
const FORM: usize = 3;
/// Addresses by which wallets are asked to pay, to connect, or to run something.
const CALLS: [&str; 9] = [
    "ethereum:",
    "bitcoin:",
    "litecoin:",
    "solana:",
    "lightning:",
    "cosmos:",
    "wc:",
    "data:",
    "javascript:",
];
/// The methods of HTTP, RFC 9110, section 9.
const METHODS: [&str; 7] = ["GET", "PUT", "POST", "HEAD", "PATCH", "DELETE", "OPTIONS"];
/// Beginnings of statements of SQL, word by word.
const SQL: [&[&str]; 17] = [
    &["insert", "into"],
    &["delete", "from"],
    &["drop", "table"],
    &["drop", "database"],
    &["drop", "index"],
    &["drop", "view"],
    &["drop", "user"],
    &["alter", "table"],
    &["alter", "user"],
    &["create", "table"],
    &["create", "database"],
    &["create", "index"],
    &["create", "view"],
    &["truncate", "table"],
    &["grant", "all"],
    &["grant", "select"],
    &["revoke", "all"],
];
/// How many words behind `select` its `from` may be.
const SELECTED: usize = 24;

/// What a text is as data, or holds of them.
pub(super) fn judge(speech: &Speech<'_>, lexicon: &Lexicon) -> Option<Finding> {
    let text = speech.text.trim();
    let other = || forms::whole(text, lexicon);
    let form = whole(text).or_else(other).or_else(|| inside(speech))?;
    let is_other = other().is_some();
    // The parts of a web address are no orders.
    let is_web = parse_uri(text).is_ok_and(|it| is_web(it.scheme));
    let moves = moves_value(speech, lexicon) || (is_other && forms::moves(text, lexicon));
    Some(if !is_web && moves {
        Finding::new(
            Severity::Danger,
            "that orders a program to move value",
            "This text is data that a program reads, in the form of a payment, a transfer, a trade or a call: \
             whoever has the signature may have the order carried out. OpenKey does not know which program \
             reads it.",
        )
    } else {
        Finding::new(Severity::Attention, "that is data for a program", form)
    })
}

/// The form of a text that is data as a whole, as the warning says it.
fn whole(text: &str) -> Option<&'static str> {
    Some(if is_json(text) || is_bracketed(text) {
        "This text is JSON, which programs read: some system may take the signature as the approval of \
         what stands in it. OpenKey does not know which system."
    } else if is_number(text) {
        "This text is one number and nothing else: some system may take the signature as the approval \
         of what the number stands for. OpenKey does not know which system."
    } else if is_query(text) {
        "This text is a query string, which programs read: some system may take the signature as the \
         approval of that request. OpenKey does not know which system."
    } else if is_call(text) {
        "This text is a call of a program's function: some system may take the signature as the order \
         to run it. OpenKey does not know which system."
    } else if is_request(text) {
        "This text is a request to a web server: the server may take the signature as its approval. \
         OpenKey does not know which server."
    } else if is_list(text) {
        "This text is a list of values between commas, as programs write them: some system may take the \
         signature as their approval. OpenKey does not know which system."
    } else if is_lines(text) {
        "This text is a list of names and values, which programs read: some system may take the \
         signature as their approval. OpenKey does not know which system."
    } else if parse_uri(text).is_ok() {
        "This text is an address of the web or of a program, and nothing else: nothing in it says what \
         the signature is for."
    } else {
        return None;
    })
}

/// The form of data that stand among words.
fn inside(speech: &Speech<'_>) -> Option<&'static str> {
    let text = speech.text;
    Some(if has_member(text) {
        "This text holds JSON, which programs read: some system may take the signature as the approval of \
         what stands in it. OpenKey does not know which system."
    } else if has_tag(text) {
        "This text holds XML or HTML, which programs read: some system may take the signature as the \
         approval of what stands in it. OpenKey does not know which system."
    } else if has_statement(speech) {
        "This text holds a statement for a database (SQL): some system may take the signature as the \
         order to run it. OpenKey does not know which system."
    } else if text.split_whitespace().any(is_asked) {
        "This text holds an address by which programs are asked to pay, to connect or to run something, \
         or a query string. Some system may take the signature as its approval. OpenKey does not know \
         which system."
    } else if is_form(text) {
        "This text is a form of names and values, which programs read: some system may take the signature \
         as their approval. OpenKey does not know which system."
    } else if text.lines().any(is_assignment) {
        "This text holds a name with a value, as programs read them: some system may take the signature \
         as its approval. OpenKey does not know which system."
    } else {
        return None;
    })
}

/// A JSON object or list.
fn is_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// JSON that is too deep to be read here, or nearly JSON.
fn is_bracketed(text: &str) -> bool {
    let is_in = |open: char, close: char| text.starts_with(open) && text.ends_with(close);
    let is_list = || text.starts_with("[[") || text.starts_with("[{") || text.starts_with("[\"");
    is_in('{', '}') || (is_in('[', ']') && is_list())
}

/// A number in digits, with signs and separators; `0x` and hexadecimal digits, too.
fn is_number(text: &str) -> bool {
    let is_part = |c: char| c.is_numeric() || ".,'_+-eE \n".contains(c);
    let is_decimal = text.starts_with(|c: char| c.is_numeric() || "+-.".contains(c))
        && text.contains(char::is_numeric)
        && text.chars().all(is_part);
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    is_decimal
        || hex.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// A name and a value with `=` between them, neither with spaces.
fn is_pair(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.[]%:~".contains(c);
    text.split_once('=').is_some_and(|(name, value)| {
        !name.is_empty()
            && name.chars().all(is_name)
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && value.contains(|c: char| c != '=')
            && !value.contains(char::is_whitespace)
    })
}

fn is_query(text: &str) -> bool {
    let text = text.strip_prefix('?').unwrap_or(text);
    // A pair by itself may be the end of base64.
    text.contains('&')
        && !text.contains(char::is_whitespace)
        && text.split('&').all(|it| is_pair(it) || it.ends_with('='))
        && text.split('&').any(is_pair)
}

/// `name(arguments)`, and nothing else.
fn is_call(text: &str) -> bool {
    let Some((name, rest)) = text.trim_end_matches(';').split_once('(') else {
        return false;
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.:$".contains(c);
    rest.ends_with(')') && name.chars().all(is_name) && name.contains(|c: char| c.is_alphabetic())
}

/// A method of HTTP and a path.
fn is_request(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.next().is_some_and(|it| METHODS.contains(&it))
        && words
            .next()
            .is_some_and(|it| it.starts_with('/') || it.contains("://"))
}

/// Lines that are all names with values: `name=value`, or at least two `label: value`.
fn is_lines(text: &str) -> bool {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_section = |line: &str| line.starts_with('[') && line.ends_with(']');
    let is_spaced = |line: &str| {
        let pair = line
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()));
        pair.is_some_and(|(name, value)| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            !name.is_empty() && name.chars().all(is_name) && !value.is_empty()
        })
    };
    let is_set = lines().any(is_spaced) && lines().all(|it| is_spaced(it) || is_section(it));
    is_set || (lines().nth(1).is_some() && lines().all(|it| is_labelled(it) || is_spaced(it)))
}

/// `label: value`, with few words in the label.
fn is_labelled(line: &str) -> bool {
    let pair = line.trim_start_matches("- ").split_once(':');
    pair.is_some_and(|(label, value)| {
        let is_word = |it: &str| it.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        let is_label = label.split(' ').count() <= LABEL && label.split(' ').all(is_word);
        !label.is_empty() && is_label && !value.trim().is_empty()
    })
}

/// Names with values on most lines, and few other lines around them.
fn is_form(text: &str) -> bool {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let labelled = lines().filter(|it| is_labelled(it)).count();
    labelled >= FORM && 2 * labelled > lines().count()
}

/// A line that is a name with a value and no spaces.
fn is_assignment(line: &str) -> bool {
    is_pair(line.trim())
}

/// The first member of a JSON object: `{"name":`.
fn has_member(text: &str) -> bool {
    text.match_indices('{').any(|(at, _)| {
        let rest = text.get(at + 1..).unwrap_or_default().trim_start();
        let Some(name) = rest.strip_prefix('"') else {
            return false;
        };
        // The next quotation mark ends the name: no text is gone through again for another brace.
        name.split_once('"')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with(':'))
    })
}

/// A tag that ends an element, or a declaration.
fn has_tag(text: &str) -> bool {
    let has_end = text.contains("/>");
    let opens = |(at, _): (usize, &str)| {
        let rest = text.get(at + 1..).unwrap_or_default();
        let name = rest.strip_prefix(['/', '?', '!']);
        let is_name = |it: &str| it.starts_with(|c: char| c.is_ascii_alphabetic());
        // `<name` counts with the end of a tag of its own, `/>`.
        name.is_some_and(is_name) || (has_end && is_name(rest))
    };
    text.contains('>') && text.match_indices('<').any(opens)
}

/// A statement of SQL.
fn has_statement(speech: &Speech<'_>) -> bool {
    let word = |at: usize, word: &str| {
        let token = speech.tokens.get(at);
        token.is_some_and(|it| it.text.eq_ignore_ascii_case(word))
    };
    let begins = |at: usize, phrase: &[&str]| phrase.iter().zip(at..).all(|(it, at)| word(at, it));
    let has_sign = speech.text.contains(['*', ';', '=']);
    (0..speech.tokens.len()).any(|at| {
        let selects = || {
            word(at, "select")
                && (at + 1..at + SELECTED).any(|at| word(at, "from"))
                && (has_sign || (at..at + 2 * SELECTED).any(|at| word(at, "where")))
        };
        let updates = || word(at, "update") && word(at + 2, "set") && has_sign;
        SQL.iter().any(|phrase| begins(at, phrase)) || updates() || selects()
    })
}

/// A payment address of a wallet, or a query string without an address of the web in front.
fn is_asked(word: &str) -> bool {
    let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_call = |call: &str| {
        let start = bare.get(..call.len());
        start.is_some_and(|it| it.eq_ignore_ascii_case(call)) && bare.len() > call.len()
    };
    CALLS.iter().any(|it| is_call(it)) || (!word.contains("://") && is_query(bare))
}

#[cfg(test)]
mod tests {
    use super::super::{findings, tests::SIGNER};
    use openkey_protocol::message::Severity;

    fn worst(text: &str) -> Option<Severity> {
        findings(text, &SIGNER)
            .iter()
            .map(|it| it.warning.severity)
            .max()
    }

    #[test]
    fn e12_data_are_never_a_notice() {
        for text in [
            r#"{"a":1}"#,
            r#" { "a" : [1, 2] } "#,
            r#"["a","b"]"#,
            "[1, 2, 3]",
            r#"Please sign: {"a":1}"#,
            "a=1&b=2",
            "?a=1&b=2",
            "symbol=BTCUSDT&side=BOTH&timestamp=1772604000000",
            "the request a=1&b=2 is mine",
            "<order><amount>5</amount></order>",
            "<?xml version=\"1.0\"?><a/>",
            "Here: <a b=\"c\"/>",
            "INSERT INTO t VALUES (1)",
            "delete from users where id = 1;",
            "SELECT * FROM users",
            "update users set admin = 1",
            "Please run DROP TABLE users",
            "ethereum:0x70997970C51812dc3A010C7d01b50e0d17dc79C8@1?value=1e18",
            "see ethereum:0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "see bitcoin:alice now",
            "see litecoin:alice now",
            "see solana:alice now",
            "see lightning:alice now",
            "see cosmos:alice now",
            "see WC:alice now",
            "see data:alice now",
            "see javascript:alice now",
            "https://app.example/confirm/5",
            "urn:example:a",
            "5",
            " 1,000.50\n",
            "0x12",
            "1901",
            "-1e18",
            "amount=5\nto=bob",
            "[main]\namount = 5",
            "amount: 5\nreceiver: bob\n",
            "Hello\namount=5\nBye",
            "vote(5, true)",
            "Garden::open()",
            "POST /v1/orders HTTP/1.1\nHost: app.example",
        ] {
            assert!(worst(text) >= Some(Severity::Attention), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(worst(&deep), Some(Severity::Attention));
    }

    #[test]
    fn ordinary_texts_are_no_data() {
        for text in [
            "Hello World",
            "cafe",
            "deadbeef",
            "Order 66 at 12:30",
            "Note: the gate stays shut.",
            "I <3 this garden & its gate.",
            "2 < 3 and 5 > 4",
            "Select one of the trees from the list.",
            "Update your garden and set a date.",
            "[Draft] Let us plant trees.",
            "To whom it may concern:\nI planted a tree.",
        ] {
            assert_eq!(worst(text), None, "{text}");
        }
    }
}
