//! What the members of a sign-in hold that is more than a sign-in: values that nobody can read in any of
//! them, and a statement that is judged like any text.
//!
//! Systems exist that take a sign-in as the approval of a transaction whose digest is its nonce (Aptos).

use openkey_capability::siwe::Fields;
use openkey_protocol::message::{Address, Severity, Warning};

use crate::{
    text::{no_random_word, of_statement},
    unreadable::find,
    words::warning,
};

/// What is told of the members of a sign-in.
pub(super) struct Told {
    pub(super) warnings: Vec<Warning>,
    /// What the title says of a dangerous statement: `that …`.
    pub(super) statement: Option<&'static str>,
}

/// Judges every member. `statement` is what the app says in its own words; `others` are the resources
/// in front of a ReCap, which is read by itself.
pub(super) fn judge(
    fields: &Fields,
    statement: Option<&str>,
    others: &[String],
    signer: &Address,
) -> Told {
    let mut told = Told {
        warnings: values(fields, others).into_iter().collect(),
        statement: None,
    };
    told.warnings.extend(not_random(fields, signer));
    for (title, warning) in of_statement(statement.unwrap_or_default(), signer) {
        if warning.severity == Severity::Danger {
            told.statement.get_or_insert(title);
        }
        told.warnings.push(warning);
    }
    told
}

/// Nonce and request ID that say something, and are no random words.
fn not_random(fields: &Fields, signer: &Address) -> impl Iterator<Item = Warning> {
    let request = fields.request_id.as_deref().unwrap_or_default();
    let members = [("nonce", fields.nonce.as_str()), ("request ID", request)];
    let signer = *signer.as_bytes();
    members.into_iter().filter_map(move |(name, value)| {
        let form = no_random_word(value, &signer)?;
        Some(warning(
            Severity::Attention,
            format!(
                "The {name} of this sign-in should be random, and has the form of {form}. A system may take \
                 it for what it says."
            ),
        ))
    })
}

/// The members with values in the form of a digest. What a URI is that is a key or a token is told
/// elsewhere.
fn values(fields: &Fields, others: &[String]) -> Option<Warning> {
    let (scheme, _) = fields.uri.split_once(':').unwrap_or_default();
    let is_name = ["did", "ucan"]
        .iter()
        .any(|it| scheme.eq_ignore_ascii_case(it));
    let uri = if is_name { "" } else { fields.uri.as_str() };
    let is_value = |text: &str| find(text).is_some();
    let members = [
        ("site", fields.domain.as_str()),
        ("address (URI)", uri),
        ("nonce", fields.nonce.as_str()),
        (
            "request ID",
            fields.request_id.as_deref().unwrap_or_default(),
        ),
    ];
    let mut names: Vec<&str> = members
        .into_iter()
        .filter(|(_, value)| is_value(value))
        .map(|(name, _)| name)
        .collect();
    if others.iter().any(|it| is_value(it)) {
        names.push("list of resources");
    }
    let (last, first) = names.split_last()?;
    let named = if first.is_empty() {
        (*last).to_owned()
    } else {
        format!("{} and {last}", first.join(", "))
    };
    Some(warning(
        Severity::Attention,
        format!(
            "The {named} of this sign-in holds a value in the form of a digest or of data. OpenKey cannot \
             read it. Systems exist that take such a sign-in as the approval of something else, which \
             you cannot see here."
        ),
    ))
}
