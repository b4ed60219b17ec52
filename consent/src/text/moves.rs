//! Data that order a program to move value: by a name in them, by an amount beside somebody who
//! receives it, or by their being the arguments of a function.

use super::{
    actors::is_identifier,
    lexicon::{Lexicon, Speech},
};

/// Most words of a value that is a name of something to be done.
const NAME: usize = 3;
/// Fewest parts of a list of arguments.
const ARGUMENTS: usize = 3;
/// Fewest digits of a number that is an amount in smallest units, or more than a person counts.
const LONG: usize = 10;
/// Hexadecimal digits of an address.
const ADDRESS: usize = 40;

/// True if data order value to be moved.
pub(super) fn moves_value(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    is_arguments(speech.text) || has_name(speech, lexicon)
}

/// Values between commas, without spaces: programs write so, and people do not.
pub(super) fn is_list(text: &str) -> bool {
    let text = text.trim();
    !text.contains(char::is_whitespace)
        && text.split(',').nth(ARGUMENTS - 1).is_some()
        && text.split(',').all(|it| it.contains(char::is_alphanumeric))
}

/// Such a list that calls a function by its name, behind the number of a service, or has an address or a
/// long number in it.
fn is_arguments(text: &str) -> bool {
    let text = text.trim();
    let parts = || text.split(',');
    let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let is_value = |it: &str| {
        let hex = it.strip_prefix("0x").or_else(|| it.strip_prefix("0X"));
        let is_hex = |it: &str| it.bytes().all(|it| it.is_ascii_hexdigit());
        (is_number(it) && it.len() >= LONG)
            || hex.is_some_and(|it| it.len() >= ADDRESS && is_hex(it))
    };
    let is_name = |it: &str| it.starts_with(char::is_alphabetic);
    let is_call = parts().next().is_some_and(is_number) && parts().nth(1).is_some_and(is_name);
    is_list(text) && (is_call || parts().any(is_value))
}

/// True if a name in data, or a value that is as short as one, is of moving value, or if one names an
/// amount and another one who receives it.
fn has_name(speech: &Speech<'_>, lexicon: &Lexicon) -> bool {
    let is_sign = |c: char| c.is_ascii_punctuation() && !matches!(c, '_' | '-' | '.' | '\'');
    let (mut has_amount, mut has_receiver) = (false, false);
    // Words that are of trade only where something is traded.
    let mut counts = None;
    let mut counts = || {
        *counts.get_or_insert_with(|| {
            let mut all = 0..speech.tokens.len();
            speech.text.contains(char::is_numeric)
                || lexicon.everything.is_found(speech)
                || all.any(|at| is_identifier(speech, at))
        })
    };
    for value in speech
        .text
        .split(|c: char| is_sign(c) || matches!(c, '\n' | '\t'))
        .map(str::trim)
    {
        let mut words = value
            .split([' ', '_', '-', '.'])
            .filter(|it| !it.is_empty());
        let first: Vec<&str> = words.by_ref().take(NAME).collect();
        if words.next().is_some() {
            continue;
        }
        // The name of a host or a file may end in `exchange`.
        let is_dotted = value.contains('.');
        let mut is_one = |it: &str| {
            lexicon.transfers.is_word(it)
                || (!is_dotted
                    && lexicon.trades.is_word(it)
                    && (!lexicon.goods.is_word(it) || counts()))
        };
        if first.iter().flat_map(|it| parts(it)).any(&mut is_one) {
            return true;
        }
        // Names have no spaces; words of a sentence are not taken for one.
        if !value.contains(' ') {
            let mut names = first.iter().flat_map(|it| parts(it));
            let has = |it: &str| lexicon.receiver_names.is_word(it);
            has_receiver |= names.clone().any(has);
            has_amount |= names.any(|it| lexicon.amount_names.is_word(it));
        }
    }
    has_amount && has_receiver
}

/// The words of a name in camel case.
pub(super) fn parts(name: &str) -> impl Iterator<Item = &str> + Clone {
    let is_start = |(at, c): &(usize, char)| {
        let before = name.get(..*at).and_then(|it| it.chars().next_back());
        c.is_uppercase() && before.is_some_and(char::is_lowercase)
    };
    let starts: Vec<usize> = name
        .char_indices()
        .filter(is_start)
        .map(|(at, _)| at)
        .collect();
    let ends: Vec<usize> = starts.iter().copied().chain([name.len()]).collect();
    let starts = [0].into_iter().chain(starts);
    starts
        .zip(ends)
        .filter_map(|(start, end)| name.get(start..end))
}

#[cfg(test)]
mod tests {
    use super::super::{findings, tests::SIGNER};
    use openkey_protocol::message::Severity;

    fn worst(text: &str) -> Option<Severity> {
        let findings = findings(text, &SIGNER);
        findings.iter().map(|it| it.warning.severity).max()
    }

    #[test]
    fn e12_data_that_move_value_are_dangerous() {
        for text in [
            r#"{"op":"send","amount":"5"}"#,
            r#"{"op":"\u0073end","n":"5"}"#,
            r#"{"type":"ft_withdraw"}"#,
            r#"{"transferTokens":{"n":1}}"#,
            r#"["transfer","alice","bob",1]"#,
            "type=withdraw&n=5",
            "type=%77ithdraw&n=5",
            "action=transfer\nn=5",
            "<withdraw><n>5</n></withdraw>",
            "transfer(bob, 5)",
            "1,pay,bob,5",
            "pay,bob,0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
            r#"{"toAddress":"bob","amt":5}"#,
            r#"{"op":"SEND"}"#,
            r#"{"op":"send  it  now"}"#,
            r#"{"order":"all"}"#,
            r#"{"action":"sell"}"#,
            "red,green,1000000000",
        ] {
            assert_eq!(worst(text), Some(Severity::Danger), "{text}");
        }
        for text in [
            r#"{"order":"pizza"}"#,
            r#"{"note":"to the moon","value":"x"}"#,
            "red,green,blue",
            "red,green,5",
            "red,green,internationalisation",
            "red,green,0x12",
            "red,green,0xzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
            "1,2,red",
            r#"{"note":"We send our best regards home"}"#,
            r#"{"recipient":"bob","title":"tree"}"#,
        ] {
            assert_eq!(worst(text), Some(Severity::Attention), "{text}");
        }
        assert_eq!(worst("hm,,well"), None);
    }
}
