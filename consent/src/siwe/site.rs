//! The site that a sign-in names: host and port as a browser would have them, or refused.

use core::net::{Ipv4Addr, Ipv6Addr};

use openkey_capability::{siwe::Fields, uri::parse_authority};
use openkey_protocol::message::{Error, ErrorCode, Severity, Warning};

use crate::{
    asker::{is_loopback, is_web},
    refusal::refuse,
    words::warning,
};

/// Longest host and longest part of one (RFC 1035, section 2.3.4), in characters.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;
/// Longest scheme: longer ones push the host out of sight.
const MAX_SCHEME: usize = 32;
/// Longest site in a title, in characters; the whole is on the line below.
const MAX_TITLE: usize = 80;

/// Refuses what no browser has for a site. Who may ask is another question.
pub(super) fn check(fields: &Fields) -> Result<(), Error> {
    if fields
        .scheme
        .as_ref()
        .is_some_and(|it| it.len() > MAX_SCHEME)
    {
        return Err(odd(&format!(
            "its scheme is longer than {MAX_SCHEME} characters"
        )));
    }
    let authority = parse_authority(&fields.domain)
        .ok_or_else(|| odd("it is no host with or without a port"))?;
    if let Some(port) = authority.port
        && (port.is_empty() || port.starts_with('0'))
    {
        return Err(odd(
            "its port is no number from 1 to 65535 without zeros in front",
        ));
    }
    check_host(authority.host).map_err(|why| odd(&why))
}

fn check_host(host: &str) -> Result<(), String> {
    if let Some(address) = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        let canonical = address.parse::<Ipv6Addr>().map(|it| it.to_string());
        return if canonical.is_ok_and(|it| it.eq_ignore_ascii_case(address)) {
            Ok(())
        } else {
            Err("its IPv6 address is not in the one form of RFC 5952".to_owned())
        };
    }
    if host.len() > MAX_HOST {
        return Err(format!("its name is longer than {MAX_HOST} characters"));
    }
    for label in host.split('.') {
        if label.is_empty() {
            return Err("its name has an empty part".to_owned());
        }
        if label.len() > MAX_LABEL {
            return Err(format!(
                "a part of its name is longer than {MAX_LABEL} characters"
            ));
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !label.bytes().all(is_allowed) || label.starts_with('-') || label.ends_with('-') {
            return Err(
                "a part of its name is not made of letters, digits and hyphens between them"
                    .to_owned(),
            );
        }
    }
    // Browsers take a name whose last part is a number for an address, in several spellings.
    let last = host
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_number = last.bytes().all(|it| it.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("its name ends with a number but is no IPv4 address".to_owned());
    }
    Ok(())
}

fn odd(why: &str) -> Error {
    refuse(
        ErrorCode::SiweRefused,
        "site_name",
        &format!("The site that this sign-in names is none that a browser could be at: {why}."),
        "Tell the app's maker; nothing was signed.",
    )
}

/// The site in full.
pub(super) fn whole(fields: &Fields) -> String {
    fields.scheme.as_ref().map_or_else(
        || fields.domain.clone(),
        |scheme| format!("{scheme}://{}", fields.domain),
    )
}

/// The site for a title. Whose it is stands at the end, so a long one loses its beginning.
pub(super) fn in_title(domain: &str) -> String {
    // The grammar allows ASCII alone, in which every byte is a character.
    let start = domain.len().saturating_sub(MAX_TITLE);
    match domain.get(start..) {
        Some(end) if start > 0 => format!("…{end}"),
        _ => domain.to_owned(),
    }
}

/// What a person should know about the spelling of the site's name.
pub(super) fn warnings(fields: &Fields) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut add = |severity, text: &str| warnings.push(warning(severity, text));
    let domain = &fields.domain;
    let lower = domain.to_ascii_lowercase();
    if lower.split('.').any(|label| label.starts_with("xn--")) {
        add(
            Severity::Attention,
            "The site's name has letters beyond a to z and may look like another one.",
        );
    }
    if lower != *domain {
        add(
            Severity::Attention,
            "The site's name is written with capitals, in which it may look like another one.",
        );
    }
    if domain.len() > MAX_TITLE {
        add(
            Severity::Attention,
            "The site's name is very long; whose it is stands at its end.",
        );
    }
    match fields.scheme.as_deref() {
        Some(scheme) if !is_web(scheme) => add(
            Severity::Attention,
            "The site's address is not of the kind that web pages have (https).",
        ),
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => {
            let host = parse_authority(domain).map(|it| it.host);
            // Nobody stands between a browser and its own machine.
            let severity = if host.is_some_and(is_loopback) {
                Severity::Notice
            } else {
                Severity::Attention
            };
            add(
                severity,
                "The site asks over a connection that is not encrypted.",
            );
        }
        _ => {}
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_as_browsers_have_them() {
        let long = format!("{0}.{0}.{0}.{1}.example", "a".repeat(63), "b".repeat(53));
        assert_eq!(long.len(), MAX_HOST);
        for host in [
            "app.example",
            "localhost",
            "a-b.c--d.example",
            "xn--pp-1ka.example",
            "127.0.0.1",
            "[::1]",
            "[2001:db8::1]",
            "3.example",
            "app.0xyz",
            &long,
        ] {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
        for host in [
            "app.example.",
            ".example",
            "a..example",
            "-a.example",
            "a-.example",
            "a_b.example",
            "bank.example%2f.evil.example",
            "bank.example!evil",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "a.0x1f",
            "127.0.0.01",
            "[0:0:0:0:0:0:0:1]",
            "[::0001]",
            &format!("{}.example", "a".repeat(64)),
            &format!("a{long}"),
        ] {
            assert!(check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_long_site_keeps_its_end() {
        let long = format!("bank.example.{}.evil.example:444", "a".repeat(90));
        assert!(in_title(&long).starts_with("…a"));
        assert!(in_title(&long).ends_with("aaa.evil.example:444"));
        assert_eq!(in_title("app.example"), "app.example");
    }
}
