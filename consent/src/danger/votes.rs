//! Votes of Snapshot: what their texts hold beside a vote. Space, proposal and app are names; the reason is what
//! a person wrote, and the metadata are data.

use openkey_protocol::message::{Address, Line, Severity, Warning};

use super::{Context, shape::Shape, web::without_links};
use crate::{text::of_part, words::warning};

/// Names are of one word: other words would be signed as if they were agreed to. A proposal is named by a
/// digest or an IPFS CID, a space by a name of ENS.
const NAMES: [(&str, &str); 3] = [
    (
        "proposal",
        "What it calls a proposal is a text, and no name of a proposal.",
    ),
    (
        "space",
        "What it calls a space is a text, and no name of a space.",
    ),
    (
        "app",
        "What it calls an app is a text, and no name of an app.",
    ),
];
/// Longer than any name, in bytes.
const MOST: usize = 128;

/// What is wrong with the texts of a vote.
pub(super) fn check(shape: &Shape<'_, '_>, context: Context<'_>) -> (Vec<Line>, Vec<Warning>) {
    let is_part = |it: u8| it.is_ascii_alphanumeric() || b"-_.:/".contains(&it);
    let is_word = |text: &str| text.len() <= MOST && text.bytes().all(is_part);
    let is_text = |name: &str| !shape.texts(&[name]).into_iter().all(is_word);
    let names = NAMES.into_iter().filter(|(name, _)| is_text(name));
    let mut warnings: Vec<Warning> = names
        .map(|(_, says)| warning(Severity::Danger, says))
        .collect();
    // A vote stays a vote, whatever is said beside it; data are no data but for what they order.
    for (name, least) in [
        ("reason", Severity::Attention),
        ("metadata", Severity::Danger),
    ] {
        let texts = shape.texts(&[name]).into_iter();
        let told =
            texts.flat_map(|it| of_part(name, &without_links(it), &Address(*context.signer)));
        let told = told.filter(|(_, it)| it.severity >= least);
        warnings.extend(told.map(|(_, it)| warning(Severity::Attention, it.text)));
    }
    (Vec::new(), warnings)
}
