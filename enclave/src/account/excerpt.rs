//! What a history entry keeps of the words of its prompt.

use openkey_protocol::message::{Excerpt, Line, PromptKind, Summary};

/// Most lines: those of a permit and of a sign-in, and some.
const MAX_LINES: usize = 12;
/// Longest label, in bytes.
const MAX_LABEL: usize = 96;
/// Longest value, in bytes.
const MAX_VALUE: usize = 192;
/// Longest title, and longest beginning of a text, in bytes.
const MAX_TEXT: usize = 256;

/// The title, cut.
pub(crate) fn title(summary: &Summary) -> String {
    beginning(&summary.title, MAX_TEXT)
}

/// The beginning of what the summary of a prompt of this kind says beside its title.
pub(crate) fn excerpt(kind: PromptKind, summary: &Summary) -> Excerpt {
    let lines = summary.lines.iter().take(MAX_LINES).map(|line| Line {
        label: beginning(&line.label, MAX_LABEL),
        value: beginning(&line.value, MAX_VALUE),
    });
    let left_out = summary.lines.len().saturating_sub(MAX_LINES);
    let text = summary.text.as_ref();
    Excerpt {
        lines: lines.collect(),
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        text: text
            .filter(|_| kind == PromptKind::SignText)
            .map(|text| beginning(text, MAX_TEXT)),
    }
}

/// A text, or as many of its first characters as fit into `most` bytes before `…`.
fn beginning(text: &str, most: usize) -> String {
    const CUT: char = '…';
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub(CUT.len_utf8()));
    let mut cut = text.get(..end).unwrap_or_default().to_owned();
    cut.push(CUT);
    cut
}

#[cfg(test)]
mod tests {
    use openkey_protocol::{
        cbor,
        message::{
            Address, ApprovedBy, ConcernedKey, Hash32, HistoryEntry, KeyId, MAX_ENTRY,
            MAX_NAME_CHARS,
        },
    };

    use super::*;

    /// The longest of everything, in characters of four bytes.
    fn long(chars: usize) -> String {
        "𝒜".repeat(chars)
    }

    #[test]
    fn an_entry_is_bounded_whatever_was_shown() {
        let summary = Summary {
            title: long(500),
            lines: vec![
                Line {
                    label: long(500),
                    value: long(500)
                };
                2000
            ],
            text: Some(long(20_000)),
            ..Summary::default()
        };
        let told = excerpt(PromptKind::SignText, &summary);
        assert_eq!(told.lines.len(), MAX_LINES);
        assert_eq!(told.left_out, 1988);
        assert!(told.lines.iter().all(|line| line.value.ends_with("𝒜…")));
        let entry = HistoryEntry {
            sequence: u64::MAX,
            previous: Hash32([0xff; 32]),
            record: Hash32([0xff; 32]),
            at: u64::MAX,
            kind: PromptKind::SignTypedData,
            title: title(&summary),
            told,
            // A domain name of the greatest length, and a port.
            origin: format!("https://{}:65535", "a".repeat(253)),
            passkey: ApprovedBy {
                // The longest credential id (WebAuthn, section 4).
                id: vec![0xff; 1023].into(),
                name: long(MAX_NAME_CHARS),
                public_key_sha256: Hash32([0xff; 32]),
            },
            digest: Hash32([0xff; 32]),
            key: Some(ConcernedKey {
                key: KeyId(u32::MAX),
                address: Address([0xff; 20]),
                label: long(MAX_NAME_CHARS),
            }),
            signature: Some(vec![0xff; 65].into()),
        };
        let bytes = cbor::encode(&entry).unwrap().len();
        assert!(bytes <= MAX_ENTRY, "{bytes}");
    }

    #[test]
    fn what_fits_is_kept_whole_and_what_does_not_is_cut_between_characters() {
        assert_eq!(beginning("", 8), "");
        assert_eq!(beginning("12345678", 8), "12345678");
        assert_eq!(beginning("123456789", 8), "12345…");
        assert_eq!(beginning("1234äöü", 8), "1234…");
        let summary = Summary {
            title: "Sign".to_owned(),
            text: Some("{}".to_owned()),
            ..Summary::default()
        };
        assert_eq!(title(&summary), "Sign");
        let typed = excerpt(PromptKind::SignTypedData, &summary);
        assert_eq!(typed, Excerpt::default());
    }
}
