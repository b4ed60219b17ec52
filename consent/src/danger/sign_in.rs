//! Sign-ins as typed messages, as tutorials and libraries write them: one struct, for no contract,
//! with nothing but what a sign-in needs. There is no standard for these; what signs in is EIP-4361,
//! whose rules for site, times and chain are applied here, too.

use openkey_capability::{
    siwe::Timestamp,
    uri::{parse_authority, parse_uri},
};
use openkey_protocol::message::{Severity, Warning};

use super::{Context, Finding, digests::held_by_text, web::Site};
use crate::{
    asker,
    text::no_random_word,
    typed_data::{Document, Type, Value},
    word::Word,
    words::{line, moment, quoted, shown, warning},
};

/// Struct names of sign-ins.
const NAMES: [&str; 4] = ["Login", "SignIn", "Auth", "Authentication"];
/// Longest domain in a title, in characters; the whole is in a row.
const MAX_TITLE: usize = 80;
/// Longest sign-in that needs no second look: thirty days, in milliseconds.
const LONG: i64 = 30 * 86_400_000;
/// How far ahead of the enclave's clock an honest page's may be, in milliseconds.
const SKEW: i64 = 5 * 60_000;

/// True if a message has the form of a sign-in with the signer's own address.
pub(super) fn is_one(document: &Document<'_>, signer: &[u8; 20]) -> bool {
    NAMES.contains(&document.message.definition.name.as_str())
        && document.domain.contract().is_none()
        && document.message.members().all(|(member, value)| {
            match (member.name.as_str(), &member.kind, value) {
                ("domain" | "uri" | "nonce" | "issuedAt" | "expirationTime", Type::String, _)
                | ("nonce" | "chainId", Type::Uint(256), _) => true,
                ("wallet", _, Value::Address(wallet)) => wallet == signer,
                _ => false,
            }
        })
}

/// What a sign-in says, read as EIP-4361 would read it.
struct SignIn<'d> {
    document: &'d Document<'d>,
}

impl<'d> SignIn<'d> {
    fn text(&self, name: &str) -> Option<&'d str> {
        self.document
            .message
            .members()
            .find_map(|(member, value)| match value {
                Value::String(text) if member.name == name => Some(text.as_str()),
                _ => None,
            })
    }

    fn number(&self, name: &str) -> Option<&'d Word> {
        self.document
            .message
            .members()
            .find_map(|(member, value)| match value {
                Value::Integer { magnitude, .. } if member.name == name => Some(magnitude),
                _ => None,
            })
    }
}

/// What a sign-in does, with what is wrong about it.
pub(super) fn finding(document: &Document<'_>, context: Context<'_>) -> Finding {
    let sign_in = SignIn { document };
    let domain = sign_in.text("domain");
    let named = document.domain.name().and_then(Site::named);
    let named = named.filter(Site::is_plain).map(|it| it.at);
    let site = domain.map_or(named, Some).filter(|it| is_site(it));
    let title = site.map_or_else(
        || "Sign in, with a typed message".to_owned(),
        |site| {
            format!(
                "Sign in to {}, with a typed message",
                shown(site, MAX_TITLE)
            )
        },
    );
    let mut finding = Finding::new(Severity::Notice, title, "");
    finding.warnings.clear();
    check_site(&sign_in, context, &mut finding);
    check_times(&sign_in, context.now_ms, &mut finding);
    check_chain(&sign_in, &mut finding);
    check_nonce(&sign_in, context.signer, &mut finding);
    finding
}

/// The nonce is one word: it is the only member that may be anything, and words in it would be
/// signed as if they were agreed to. What it looks like beside a random number is told.
fn check_nonce(sign_in: &SignIn<'_>, signer: &[u8; 20], finding: &mut Finding) {
    /// Longer than any random number that programs use, in bytes.
    const MOST: usize = 128;
    let is_word = |nonce: &str| {
        let is_part = |it: u8| it.is_ascii_alphanumeric() || b"-_.:+/=".contains(&it);
        nonce.len() <= MOST && nonce.bytes().all(is_part)
    };
    let text = sign_in.text("nonce");
    if let Some(nonce) = text.filter(|it| !is_word(it)) {
        finding.warnings.push(warning(
            Severity::Danger,
            format!(
                "Its nonce is {}, which is more than one random word.",
                quoted(nonce)
            ),
        ));
    }
    let words = text.filter(|it| is_word(it));
    let words = words.and_then(|it| no_random_word(it, signer));
    if let Some(form) = words.filter(|it| *it != "an address") {
        finding
            .lines
            .push(line("Nonce", format!("has the form of {form}")));
        finding.warnings.push(warning(
            Severity::Attention,
            format!(
                "What it calls a random number (nonce) has the form of {form}. A program may take it for \
                 what it says."
            ),
        ));
    }
    let number = sign_in.number("nonce");
    let looks = text.map_or_else(|| number.and_then(number_looks), text_looks);
    match looks {
        Some(Looks::Address) => {
            finding
                .lines
                .push(line("Nonce", "has the form of an address"));
            finding.warnings.push(warning(
                Severity::Attention,
                "What it calls a random number (nonce) has the form of an address. A program may take \
                 it for the account or key that is let in.",
            ));
        }
        Some(Looks::Digest) => {
            finding.lines.push(line(
                "Nonce",
                "a value of 256 bits or more, the size of a random number, a key or a digest",
            ));
            finding.warnings.push(warning(
                Severity::Notice,
                "Its random number (nonce) is as long as a key or digest, and nobody can see here \
                 whether it is one.",
            ));
        }
        None => {}
    }
}

/// What a nonce may be beside a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    Address,
    Digest,
}

fn text_looks(nonce: &str) -> Option<Looks> {
    let digits = nonce
        .strip_prefix("0x")
        .or_else(|| nonce.strip_prefix("0X"))
        .unwrap_or(nonce);
    if digits.len() == 40 && digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Some(Looks::Address);
    }
    // Addresses of other chains and of contracts on them are as long, too.
    let number = Word::from_decimal(nonce).as_ref().and_then(number_looks);
    number.or_else(|| held_by_text(nonce).map(|_| Looks::Digest))
}

fn number_looks(nonce: &Word) -> Option<Looks> {
    /// Bits of an address; one with 24 zeros in front takes long to find.
    const ADDRESS: core::ops::RangeInclusive<u32> = 137..=160;
    /// More than any random number of a program that means a number.
    const LARGE: u32 = 176;
    match nonce.bits() {
        bits if ADDRESS.contains(&bits) => Some(Looks::Address),
        bits if bits > LARGE => Some(Looks::Digest),
        _ => None,
    }
}

/// True for host and port, without anything else that a reader could take for the host.
fn is_site(domain: &str) -> bool {
    parse_authority(domain).is_some_and(|it| it.userinfo.is_none())
}

/// Domain and address are those of the site that asks.
fn check_site(sign_in: &SignIn<'_>, context: Context<'_>, finding: &mut Finding) {
    let domain = sign_in.text("domain");
    if let Some(domain) = domain {
        if is_site(domain) {
            finding
                .warnings
                .extend(asker::foreign(context.asker, None, domain));
            let lower = domain.to_ascii_lowercase();
            if lower.split('.').any(|label| label.starts_with("xn--")) {
                finding.warnings.push(warning(
                    Severity::Attention,
                    "The site's name has letters beyond a to z and may look like another one.",
                ));
            }
        } else {
            finding.warnings.push(warning(
                Severity::Danger,
                format!(
                    "It says that it is for {}, which is no site.",
                    quoted(domain)
                ),
            ));
        }
    }
    if let Some(address) = sign_in.text("uri") {
        let at = parse_uri(address)
            .ok()
            .filter(|uri| asker::is_web(uri.scheme))
            .and_then(|uri| Some((uri.scheme, uri.authority?)))
            .filter(|(_, at)| at.userinfo.is_none());
        let host = at.map(|(scheme, at)| {
            let port = at.port.map_or_else(String::new, |port| format!(":{port}"));
            (scheme, format!("{}{port}", at.host))
        });
        match (host, domain) {
            (None, _) => finding.warnings.push(warning(
                Severity::Danger,
                format!(
                    "It says that it is for {}, which is no address of the web.",
                    quoted(address)
                ),
            )),
            (Some((scheme, host)), Some(domain))
                if !asker::is_of(&format!("{scheme}://{host}"), None, domain) =>
            {
                finding.warnings.push(warning(
                    Severity::Attention,
                    "Who asks and what the sign-in is for are different sites.",
                ))
            }
            (Some(_), Some(_)) => {}
            (Some((scheme, host)), None) => {
                finding
                    .warnings
                    .extend(asker::foreign(context.asker, Some(scheme), &host));
            }
        }
    }
    let name = sign_in.document.domain.name();
    let named = name.and_then(Site::named);
    if domain.is_none() && sign_in.text("uri").is_none() && named.is_none() {
        finding.warnings.push(warning(
            Severity::Attention,
            "It names no site: whichever site uses this form of sign-in may take it, and the one that \
             asks may sign in there as you.",
        ));
    }
    if let (Some(name), Some(site)) = (name, named) {
        finding.warnings.extend(check_name(name, &site, context));
    }
}

/// A request that calls itself by the name of a site is for that site.
fn check_name(name: &str, site: &Site<'_>, context: Context<'_>) -> Option<Warning> {
    if site.is_plain() {
        return asker::foreign(context.asker, site.scheme, site.at);
    }
    Some(warning(
        Severity::Danger,
        format!(
            "It calls itself {}, which reads like a site, and no browser could be at a site of this \
             name.",
            quoted(name)
        ),
    ))
}

/// Times are written as in EIP-4361, and the sign-in has not ended.
fn check_times(sign_in: &SignIn<'_>, now_ms: i64, finding: &mut Finding) {
    let mut times = [None, None];
    for (time, name) in times.iter_mut().zip(["issuedAt", "expirationTime"]) {
        let Some(text) = sign_in.text(name) else {
            continue;
        };
        *time = Timestamp::parse(text).map(|it| it.unix_ms());
        if time.is_none() {
            finding.warnings.push(warning(
                Severity::Danger,
                format!(
                    "Its {name} is {}, which programs do not read alike as a time.",
                    quoted(text)
                ),
            ));
        }
    }
    let [issued, ends] = times;
    if let Some(issued) = issued {
        finding.lines.push(line("Made", moment(issued, now_ms)));
        if issued > now_ms.saturating_add(SKEW) {
            finding.warnings.push(warning(
                Severity::Attention,
                "This sign-in says that it was made in the future.",
            ));
        }
    }
    let Some(ends) = ends else {
        let until = match sign_in.text("expirationTime") {
            None => "No end is said",
            Some(_) => "Not known",
        };
        finding.lines.push(line("Until", until));
        return;
    };
    finding.lines.push(line("Until", moment(ends, now_ms)));
    let (severity, text) = if ends <= now_ms {
        (
            Severity::Danger,
            "This sign-in has expired. A site that takes it still does not look at its end.",
        )
    } else if issued.is_some_and(|issued| ends <= issued) {
        (Severity::Danger, "This sign-in ends before it begins.")
    } else if ends.saturating_sub(now_ms) > LONG {
        (
            Severity::Attention,
            "This sign-in holds for more than thirty days.",
        )
    } else {
        return;
    };
    finding.warnings.push(warning(severity, text));
}

/// The chain is one, and the same as that of the domain.
fn check_chain(sign_in: &SignIn<'_>, finding: &mut Finding) {
    let Some(chain) = sign_in.number("chainId") else {
        return;
    };
    let text = if chain.to_u64().is_none_or(|it| it == 0) {
        "The chain that it names is none."
    } else if sign_in
        .document
        .domain
        .chain()
        .is_some_and(|domain| domain != chain)
    {
        "It names one chain in the sign-in and another one in its domain."
    } else {
        return;
    };
    finding.warnings.push(warning(Severity::Danger, text));
}
