//! `openkey explain`: what a person would be told before they sign, by the enclave's own code.

use std::path::Path;

use openkey_capability::{
    address::{Capitals, parse_address},
    siwe::Message,
    uri::parse_uri,
};
use openkey_consent::{Asker, MAX_PAYLOAD, SigningRequest, read_payload, rule};
use openkey_protocol::message::{Address, Payload, Severity};
use openkey_verifier::command::{output, source};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    args::{Explain, PayloadKind},
    stop::Stop,
};

/// Members of typed data that nearly always hold the signer's own address.
const SIGNERS: [&str; 9] = [
    "wallet", "owner", "holder", "from", "maker", "offerer", "voter", "sender", "account",
];
/// The row that names the address of the key that would sign.
const KEY_ROW: &str = "Key";
/// What stands there if neither `--key` nor the input names one.
const NOT_GIVEN: &str = "not given";
/// What is said first where nobody names a key.
const NO_KEY: &str =
    "No key given: what depends on whose key signs (--key ADDRESS) is judged as for an unknown key";
/// Exit status of what would be refused.
const REFUSED: u8 = 1;

pub(crate) fn run(args: &Explain) -> Result<u8, Stop> {
    let text = read(&args.file)?;
    let Ok(text) = String::from_utf8(text) else {
        output::refused(args.print.json, "utf8", "The bytes are no text (UTF-8).");
        return Ok(REFUSED);
    };
    let now_ms = match &args.at {
        None => source::now()?.0,
        Some(at) => moment(at)?,
    };
    let payload = match args.kind {
        PayloadKind::Text => Payload::Text(text),
        PayloadKind::Siwe => Payload::Siwe(text),
        PayloadKind::TypedData => Payload::TypedData(text),
    };
    let given = args.key.as_deref().map(address).transpose()?;
    let known = given.or_else(|| named(&payload));
    let signer = known.unwrap_or(Address([0; 20]));
    let asker = match args.origin.as_deref() {
        None => Asker::Unknown,
        Some(origin) => Asker::Site(checked_origin(origin)?),
    };
    match read_payload(&payload, &signer, asker, now_ms) {
        Ok(mut request) => {
            if known.is_none() {
                name_no_key(&mut request);
            }
            if args.print.json {
                output::json(&view(&request, known.is_some()));
            } else {
                if known.is_none() {
                    output::text(&format!("{NO_KEY}.\n\n"));
                }
                output::text(&words(&request));
            }
            Ok(0)
        }
        Err(error) => {
            let rule = rule(&error).unwrap_or("refused");
            // The rule stands before the message here, not in it.
            let said = error.message.trim_end_matches(&format!(" [{rule}]"));
            let advice = mistake(&payload, rule).unwrap_or(&error.advice);
            let message = format!("{said} {advice}");
            output::refused(args.print.json, rule, &message);
            Ok(REFUSED)
        }
    }
}

/// Nobody said whose key would sign, so no row may show the address that took its place.
fn name_no_key(request: &mut SigningRequest) {
    for line in &mut request.summary.lines {
        if line.label == KEY_ROW {
            NOT_GIVEN.clone_into(&mut line.value);
        }
    }
}

/// The input, as it is: a line feed at its end is part of it.
fn read(file: &Path) -> Result<Vec<u8>, Stop> {
    // One byte more than can be signed, so that a longer one is refused by the rule for that.
    Ok(source::file_or_stdin(file, MAX_PAYLOAD + 1)?)
}

/// What a developer, who writes files by hand, did wrong with this input rather than the app.
fn mistake(payload: &Payload, rule: &str) -> Option<&'static str> {
    let Payload::Siwe(text) = payload else {
        return None;
    };
    let text = text.trim();
    if text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Some(
            "The input is a JSON document: typed data is explained with --kind typed-data.",
        );
    }
    (rule == "trailing_line_feed").then_some(
        "The input ends with a line feed: an editor or `echo` may have added it, not the app. Write the \
         file without one: printf '%s' \"$MESSAGE\" > FILE.",
    )
}

fn moment(text: &str) -> Result<u64, Stop> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok())
        .ok_or_else(|| {
            Stop::failed(
                "at",
                format!("--at {text}: write a date and time since 1970 like 2026-03-04T06:00:00Z"),
            )
        })
}

/// An origin as browsers write one. With anything else no sign-in would ever be the site's own.
fn checked_origin(text: &str) -> Result<&str, Stop> {
    parse_uri(text)
        .ok()
        .filter(|uri| uri.path.is_empty() && uri.query.is_none() && uri.fragment.is_none())
        .and_then(|uri| uri.authority)
        .filter(|authority| authority.userinfo.is_none())
        .map(|_| text)
        .ok_or_else(|| {
            Stop::failed(
                "origin",
                format!(
                    "--origin {text}: write scheme, host and, if it has one, port, without a slash at \
                     the end, like https://app.example:8443"
                ),
            )
        })
}

fn address(text: &str) -> Result<Address, Stop> {
    parse_address(text, Capitals::CheckedOrLower)
        .map(Address)
        .map_err(|error| Stop::failed("key", format!("--key {text}: {error}")))
}

/// The address that an input names as its signer's: without `--key` it is the one that is meant.
fn named(payload: &Payload) -> Option<Address> {
    match payload {
        Payload::Text(_) => None,
        Payload::Siwe(text) | Payload::Session(text) => {
            let message = Message::parse(text).ok()?;
            Some(Address(message.fields().address))
        }
        Payload::TypedData(json) => {
            let document: Value = serde_json::from_str(json).ok()?;
            let message = document.get("message")?;
            SIGNERS.iter().find_map(|name| {
                let text = message.get(name)?.as_str()?;
                parse_address(text, Capitals::CheckedOrLower)
                    .map(Address)
                    .ok()
            })
        }
    }
}

fn view(request: &SigningRequest, key_known: bool) -> Value {
    let summary = &request.summary;
    json!({
        "verdict": "would_be_signed",
        "key_known": key_known,
        "title": summary.title,
        "severity": request.severity(),
        "confirm": summary.confirm,
        "digest": format!("0x{}", hex::encode(request.digest)),
        "rows": summary.lines,
        "grants": summary.grants,
        "warnings": summary.warnings,
        "text": summary.text,
    })
}

fn words(request: &SigningRequest) -> String {
    let summary = &request.summary;
    let mut head = output::Table::default();
    head.row("severity", name(request.severity()));
    head.row(
        "confirm",
        if summary.confirm {
            "yes: the person has to confirm the digest a second time"
        } else {
            "no"
        },
    );
    head.row("digest", format!("0x{}", hex::encode(request.digest)));
    let mut rows = output::Table::default();
    for line in &summary.lines {
        rows.row(&output::printable(&line.label), &line.value);
    }
    let title = output::printable(&summary.title);
    let mut words = format!("{title}\n\n{}\n{}", head.render(), rows.render());
    for grant in &summary.grants {
        let mut told = output::Table::default();
        told.row("Permission on", &grant.scope);
        told.row("Whose", &grant.owner);
        for ability in &grant.abilities {
            told.row("May", &ability.words);
        }
        words.push('\n');
        words.push_str(&told.render());
    }
    if !summary.warnings.is_empty() {
        words.push('\n');
    }
    for warning in &summary.warnings {
        let text = output::printable(&warning.text);
        words.push_str(&format!("  {}: {text}\n", name(warning.severity)));
    }
    if let Some(text) = &summary.text {
        words.push('\n');
        words.push_str(&output::exact(text));
    }
    words
}

const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "notice",
        Severity::Attention => "attention",
        Severity::Danger => "danger",
    }
}
