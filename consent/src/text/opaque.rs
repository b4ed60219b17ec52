//! What a text says of values that nobody can read: a text that is nothing else could be the approval of
//! anything.

use openkey_protocol::message::Severity;

use super::Finding;
use crate::unreadable::{find, is_address};

/// How the title tells of such values.
pub(super) const WHOLE: &str = "that OpenKey cannot read";
pub(super) const PART: &str = "with a value in it that OpenKey cannot read";

/// What a text says of values that nobody can read.
pub(super) fn judge(text: &str) -> Option<Finding> {
    let Some(found) = find(text) else {
        return is_address(text).then(|| {
            Finding::new(
                Severity::Attention,
                "that is an address or data, without a word",
                "This text is an address or other data: nothing in it says what the signature is for. \
                 Contracts exist that take the signature of a mere address as leave for it to act for \
                 you, or to take what is yours.",
            )
        });
    };
    Some(if found.is_whole {
        Finding::new(
            Severity::Danger,
            WHOLE,
            "This text is a value that OpenKey cannot read, in the form of a digest or of data: its \
             signature may approve something that you cannot see here.",
        )
    } else {
        Finding::new(
            Severity::Attention,
            PART,
            "A value in this text has the form of a digest or of data. OpenKey cannot read it: it may \
             stand for something that you cannot see here.",
        )
    })
}

/// A text whose bytes may be an address: some 2^29 attempts find one that is a text without hidden
/// characters, and one of small letters and spaces alone takes 2^65.
/// Source: <https://github.com/OpenZeppelin/openzeppelin-contracts>, version 5,
/// `MessageHashUtils.toEthSignedMessageHash(bytes)` over the 20 bytes of an address.
pub(super) fn address_bytes(text: &str) -> Option<Finding> {
    const ADDRESS: usize = 20;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b' ';
    let is_one = text.len() == ADDRESS && !text.bytes().all(is_word);
    is_one.then(|| {
        Finding::new(
            Severity::Attention,
            "that may be an address for contracts",
            "The text is exactly 20 bytes long, the length of an address. Contracts that check signatures \
             over addresses take its signature as leave for an address that you cannot see here.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45";

    fn severity(text: &str) -> Option<Severity> {
        judge(text).map(|it| it.warning.severity)
    }

    /// A digest in the spellings that programs read.
    fn spellings() -> Vec<String> {
        let bytes = hex::decode(DIGEST).unwrap();
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let hex_list: Vec<String> = bytes.iter().map(|it| format!("0x{it:02x}")).collect();
        let pairs: Vec<&str> = (0..32).map(|at| &DIGEST[2 * at..2 * at + 2]).collect();
        // Groups with a prefix each.
        let fours = (0..16).map(|at| format!("0x{}", &DIGEST[4 * at..4 * at + 4]));
        let fours: Vec<String> = fours.collect();
        vec![
            DIGEST.to_owned(),
            format!("0x{DIGEST}"),
            format!("0X{}", DIGEST.to_uppercase()),
            format!("0x{}", &DIGEST[1..]),
            format!("\\x{DIGEST}"),
            "TgNleupFqU/H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbEU=".to_owned(),
            "TgNleupFqU/H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbEU".to_owned(),
            "TgNleupFqU_H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbEU".to_owned(),
            "6FzrsxRCcMvTJnr4HrQyRZsE6qCtKVnsbYmwjoWJt1C8".to_owned(),
            "jybwk6xkiwuu7r6upcbgzzwzydi6nyhtijsaqnxseqwedpvc23cu".to_owned(),
            "35285462543117914466886391436586022929093436903543427099393268093094573337669"
                .to_owned(),
            "26959946667150639794667015087019630673637144422540572481103610249216".to_owned(),
            "35,285,462,543,117,914,466,886,391,436,586,022,929,093,436,903,543".to_owned(),
            list.join(","),
            format!("[{}]", list.join(", ")),
            hex_list.join(" "),
            pairs.join(":"),
            pairs.join(" "),
            pairs.join(" – "),
            fours.join(" "),
            format!("{}\n{}", &DIGEST[..32], &DIGEST[32..]),
            format!("{DIGEST} {DIGEST}"),
        ]
    }

    #[test]
    fn e12_a_digest_is_told_however_it_is_written() {
        for value in spellings() {
            for whole in [
                value.clone(),
                format!("  {value}\n"),
                format!("\"{value}\""),
                format!("[\"{value}\"]"),
                format!("({value})."),
                format!("1: {value}"),
                // Numbers and single letters are no words.
                format!("2026: {value}"),
                format!("x: {value}"),
            ] {
                assert_eq!(severity(&whole), Some(Severity::Danger), "{whole}");
            }
            for part in [
                format!("Please sign {value} now"),
                format!("{{\"message\": \"{value}\"}}"),
                format!("message={value}"),
                format!("Willkommen!\n\nnonce: {value}\n"),
                format!("подпись {value}"),
            ] {
                assert_eq!(severity(&part), Some(Severity::Attention), "{part}");
            }
        }
        for (before, after) in [("\\u00", ""), ("\\x", ""), ("%", ""), ("&#x", ";")] {
            let escaped: String = DIGEST
                .bytes()
                .map(|it| format!("{before}{it:02x}{after}"))
                .collect();
            assert_eq!(severity(&escaped), Some(Severity::Danger), "{escaped}");
            let json = format!("{{\"message\":\"{escaped}\"}}");
            assert_eq!(severity(&json), Some(Severity::Attention), "{json}");
        }
    }

    /// Attempts are cheap: one digest in some thousands has no digit in base32, or no capital in
    /// base64url.
    #[test]
    fn e12_a_digest_that_was_searched_for_is_told() {
        for value in [
            "jybwkkxkiwuuwrbupcbgzzwzydimnyhtijsaqnxseqwedpvcacuabcde",
            "JYBWKKXKIWUUWRBUPCBGZZWZYDIMNYHTIJSAQNXSEQWEDPVCACUABCDE",
            "TgNleupFqU_HbHuoJsjWZbDRauMcZKAbdETajbEtbEU",
            "TgNleupFqU-HbHuoJsjWZbDRauMcZ-KAbdETajbEtbE",
        ] {
            assert_eq!(severity(value), Some(Severity::Danger), "{value}");
            let part = format!("Please sign {value} now");
            assert_eq!(severity(&part), Some(Severity::Attention), "{part}");
        }
    }

    /// One character or change less, and a value is a word; one more, and a word is a value.
    #[test]
    fn e12_values_and_words_are_told_apart_at_the_bounds() {
        let letters = "jybwkkxkiwuuwrbupcbgzzwzydimnyhtijsaqnxseqwedpvcacu";
        let (most, least) = (&letters[..42], &letters[..43]);
        let mixed = |length: usize| format!("jYbwK{}", &letters[5..length]);
        let digit = |length: usize| format!("jybw2{}", &letters[5..length]);
        for value in [
            least.to_owned(),
            mixed(40),
            digit(40),
            // A part is as long as a value, or has digits in its middle.
            format!("id-{least}"),
            format!("id_{least}"),
            "jybwkk4xkiwuuwrbupcbg-zzwzydimnyhtijsaqnxs".to_owned(),
            "from-b2b-to-p2p-to-b2-a-title-of-an-article".to_owned(),
            "12345 ".repeat(9),
            "4".repeat(45),
            "%4e".repeat(16),
        ] {
            assert_eq!(severity(&value), Some(Severity::Danger), "{value}");
        }
        for word in [
            most.to_owned(),
            most.to_uppercase(),
            // Part of a word of a language.
            format!("{least}\u{e4}"),
            format!("\u{e4}{least}"),
            "%4e".repeat(15),
            mixed(39),
            digit(39),
            format!("id-{most}"),
            "from-b2b-to-p2p-to-a-long-title-of-an-article".to_owned(),
            "my_article_about_something_that_is_rather_long_and_more".to_owned(),
            "jybwkk4xkiwuuwrbupcb-zzwzydimnyhtijsaqnxseq".to_owned(),
            "TgNleupFqU/H1HuoJsjWZ8DR5uM6ZKA27ET1j6EtbE".to_owned(),
        ] {
            assert_eq!(severity(&word), None, "{word}");
        }
    }

    #[test]
    fn ordinary_texts_have_no_such_values() {
        for text in [
            "",
            "Hello World",
            "I am 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 and pay 1000000000000000000 wei.",
            "https://app.example/Some/Long/Path/With/Many/Parts/And/More/Of/Them/And/An/End",
            "See https://app.example/Some/Long/Path/With/Many/Parts/And-2024-Words/Index.html?a=1",
            "id 550e8400-e29b-41d4-a716-446655440000 at 2026-03-04T06:00:00.000Z",
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
            "my-article-about-something-that-is-rather-long-part-2024",
            "a bad cafe faced a dead bee",
            "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
            "part-1-of-2-and-3-of-4-of-the-list-5-of-6-trees",
            "В 2011, 2012, 2013, 2014, 2015 и 2016 было тепло, в 2017, 2018, 2019, 2020, 2021, 2022 и 2023 нет.",
            "From 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "Some-Long-Title-With-Many-Words-In-It-And-2024-Edition",
            "https://app.example/blog/the-long-title-of-an-article-about-nothing-at-all",
        ] {
            assert_eq!(severity(text), None, "{text}");
        }
        for address in [
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)",
            // One digit less than a value.
            "44444444444444444444444444444444444444444444",
            "12345 12345 12345 12345 12345 12345 12345 12345 1234",
        ] {
            assert_eq!(severity(address), Some(Severity::Attention), "{address}");
        }
    }
}
