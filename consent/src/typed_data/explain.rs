//! Typed data in plain words: who asks, what a known message does, and every field.

use openkey_capability::{address::eip55, visible::first_hidden};
use openkey_protocol::message::{Address, Line, Severity, Summary, Warning};

use super::{Document, Domain, Struct, Type, Value};
use crate::{
    address_text,
    asker::Asker,
    chains, danger, fold,
    word::Word,
    words::{MAX_CLAIM, line, most_severe_first, quoted, warning},
};

/// The summary of a document.
pub(super) fn summary(
    document: &Document<'_>,
    json: &str,
    signer: &Address,
    asker: Asker<'_>,
    now_ms: i64,
) -> Summary {
    let Document {
        domain, message, ..
    } = document;
    let context = danger::Context::new(document, signer.as_bytes(), asker, now_ms);
    let judgement = danger::judge(document, context);
    let mut warnings: Vec<Warning> = Vec::new();
    let mut lines = vec![line("Who asks", who_asks(domain))];
    for (finding, at) in judgement.findings.into_iter().zip(0..) {
        // What the message itself does has one row. What else is done in it has rows of another name, and
        // what is only suspicious is said by its warning.
        match at {
            0 => lines.push(line("What", &finding.title)),
            _ if finding.says_what() => lines.push(line("Also", &finding.title)),
            _ => {}
        }
        lines.extend(finding.lines);
        warnings.extend(finding.warnings);
    }
    if judgement.more > 0 {
        let more = format!("{} things more, none of them worse", judgement.more);
        lines.push(line("Also", more));
    }
    // The list of known messages says where neither contract nor chain is needed.
    let unbound = if judgement.is_known {
        Severity::Notice
    } else {
        Severity::Attention
    };
    let no_chain = judgement.is_of_no_chain;
    lines.extend(domain_lines(domain, unbound, no_chain, &mut warnings));
    lines.push(line("Key", address_text(signer)));
    let mut fields = Fields {
        lines: Vec::new(),
        hidden: false,
        cut: Vec::new(),
        runs: fold::Runs::default(),
    };
    fields.structure("", message);
    lines.append(&mut fields.lines);
    if fields.hidden
        || domain
            .name()
            .is_some_and(|name| first_hidden(name).is_some())
    {
        warnings.push(warning(
            Severity::Attention,
            "A text in it holds characters that do not show; they are spelled out as \\u{…}.",
        ));
    }
    if fields.cut.iter().any(|it| !is_readable(it, json)) {
        warnings.push(warning(
            Severity::Attention,
            "A text in it is longer than its row, and escapes (\\u0061 and the like) hide the rest of it \
             below: nobody can read here what it says.",
        ));
    }
    let (shown, runs) = fold::folded(json);
    warnings.extend(runs.of_data().longer(fields.runs).warning());
    let warnings = most_severe_first(warnings);
    let confirm = warnings.iter().any(|w| w.severity == Severity::Danger);
    Summary {
        title: judgement.title,
        lines,
        warnings,
        grants: Vec::new(),
        text: Some(shown),
        confirm,
    }
}

fn who_asks(domain: &Domain<'_>) -> String {
    domain.name().map_or_else(
        || "Somebody who gives no name".to_owned(),
        |name| {
            format!(
                "{} (what the request calls itself; anybody can use any name)",
                quoted(name)
            )
        },
    )
}

/// `no_chain` says that the protocol takes the number of the chain for no chain.
fn domain_lines(
    domain: &Domain<'_>,
    unbound: Severity,
    no_chain: bool,
    warnings: &mut Vec<Warning>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    match domain.contract() {
        Some(contract) => lines.push(line("Contract", eip55(contract))),
        None => {
            lines.push(line("Contract", "Not said"));
            warnings.push(warning(
                unbound,
                "It names no contract: any program that uses the same name may take the signature.",
            ));
        }
    }
    match domain.chain() {
        Some(chain) if no_chain => lines.push(line(
            "Chain",
            format!("Not said by this protocol: {chain} in its domain stands for no chain on which it counts"),
        )),
        Some(chain) => lines.push(line("Chain", chain_name(chain))),
        None => {
            lines.push(line("Chain", "Not said"));
            warnings.push(warning(
                unbound,
                "It names no chain: the signature may hold on every chain.",
            ));
        }
    }
    if let Some(version) = domain.version() {
        lines.push(line("Version", quoted(version)));
    }
    if let Some(salt) = domain.salt() {
        lines.push(line("Salt", format!("0x{}", hex::encode(salt))));
    }
    lines
}

/// A chain by its name; one that does not exist by its number alone.
fn chain_name(chain: &Word) -> String {
    chain
        .to_u64()
        .filter(|id| *id != 0)
        .map_or_else(|| format!("{chain}, which is no chain"), chains::name)
}

/// True if a text stands in the document as people read it. Some programs escape slashes, too.
fn is_readable(text: &str, json: &str) -> bool {
    let written = serde_json::to_string(text).unwrap_or_default();
    json.contains(&written) || json.replace("\\/", "/").contains(&written)
}

/// Every field as a line, labelled with its path.
struct Fields<'v> {
    lines: Vec<Line>,
    /// True once a text held something that does not show.
    hidden: bool,
    /// Texts that are longer than their rows.
    cut: Vec<&'v str>,
    /// The longest runs of blank lines and of spaces in one of the texts.
    runs: fold::Runs,
}

impl<'v> Fields<'v> {
    fn structure(&mut self, path: &str, value: &'v Struct<'_>) {
        for (member, value) in value.members() {
            let path = if path.is_empty() {
                member.name.clone()
            } else {
                format!("{path}.{}", member.name)
            };
            self.value(&path, &member.kind, value);
        }
    }

    fn value(&mut self, path: &str, kind: &Type, value: &'v Value<'_>) {
        let text = match value {
            Value::Struct(value) => return self.structure(path, value),
            Value::Array(values) => {
                if let (Type::Array(item, _), false) = (kind, values.is_empty()) {
                    for (value, index) in values.iter().zip(0..) {
                        self.value(&format!("{path}[{index}]"), item, value);
                    }
                    return;
                }
                "an empty list".to_owned()
            }
            Value::String(text) => {
                if text.chars().nth(MAX_CLAIM).is_some() {
                    self.cut.push(text);
                }
                self.hidden |= first_hidden(text).is_some();
                self.runs = self.runs.longer(fold::folded(text).1);
                as_it_is(value)
            }
            Value::Integer { magnitude, .. } if is_address(path, kind, magnitude) => {
                let address = magnitude.0.last_chunk().map(eip55).unwrap_or_default();
                format!("{}, as an address {address}", as_it_is(value))
            }
            _ => as_it_is(value),
        };
        self.lines
            .push(line(format!("{} ({kind})", shortened(path)), text));
    }
}

/// True for an address that is written as a number, as ZKsync Era writes them
/// (<https://github.com/zksync-sdk/zksync-ethers>, src/signer.ts).
fn is_address(path: &str, kind: &Type, value: &Word) -> bool {
    const BITS: u32 = 160;
    const NAMES: [&str; 12] = [
        "from",
        "to",
        "paymaster",
        "owner",
        "spender",
        "recipient",
        "receiver",
        "sender",
        "account",
        "target",
        "token",
        "signer",
    ];
    let name = path.rsplit('.').next().unwrap_or_default();
    matches!(kind, Type::Uint(bits) if *bits >= BITS)
        && NAMES.contains(&name)
        && (1..=BITS).contains(&value.bits())
}

/// A value as it is, on one line. What has fields or items of its own is not repeated here.
pub(crate) fn as_it_is(value: &Value<'_>) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Address(address) => eip55(address),
        Value::Integer {
            negative,
            magnitude,
        } => format!("{}{magnitude}", if *negative { "−" } else { "" }),
        Value::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Struct(_) => "several fields, all of them below".to_owned(),
        Value::Absent => "nothing".to_owned(),
    }
}

/// A path without its middle if it is too long for a label; it is made of ASCII identifiers.
fn shortened(path: &str) -> String {
    /// How much of the beginning and of the end stays, in bytes.
    const STAYS: usize = 60;
    let ends = path
        .len()
        .checked_sub(STAYS)
        .filter(|end| *end > STAYS)
        .and_then(|end| path.get(..STAYS).zip(path.get(end..)));
    ends.map_or_else(|| path.to_owned(), |(start, end)| format!("{start}…{end}"))
}
