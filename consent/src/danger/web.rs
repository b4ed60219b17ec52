//! Names of sites and addresses of the web in what a request says.

use std::borrow::Cow;

use openkey_capability::uri::parse_uri;

use super::{Context, Finding};
use crate::{
    asker::{Asker, is_of, is_web},
    typed_data::Domain,
    words::quoted,
};
use openkey_protocol::message::Severity;

/// Longest host and port that a browser has, in bytes.
const MAX_SITE: usize = 260;

/// A site that a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site<'n> {
    /// The scheme, if the name has one.
    pub(super) scheme: Option<&'n str>,
    /// Host and port as they are written; anything, if no browser could be there.
    pub(super) at: &'n str,
}

impl<'n> Site<'n> {
    /// The site that a whole text names: an address of the web, or a host with or without a port and
    /// path. `None` for texts that are no name of a site.
    pub(super) fn named(text: &'n str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_web(scheme) => (Some(scheme), rest),
            Some(_) => return None,
            None => (None, text),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let at = rest.get(..end).unwrap_or_default();
        (scheme.is_some() || is_host(at)).then_some(Self { scheme, at })
    }

    /// True for letters, digits and marks of hosts alone, and no more than a host has: what can be
    /// repeated to a person as it is.
    pub(super) fn is_plain(&self) -> bool {
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-.:[]".contains(&it);
        self.at.len() <= MAX_SITE && !self.at.is_empty() && self.at.bytes().all(is_plain)
    }
}

/// True for a host as people write it. A name with a full stop, such as of a version, is none if its
/// last part cannot be that of a host.
fn is_host(text: &str) -> bool {
    // Browsers take these for full stops, too.
    const STOPS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    if text.is_empty() || text.chars().any(char::is_whitespace) {
        return false;
    }
    if text.starts_with('[') {
        return true;
    }
    // What stands in front of an @ is no host, and is there to be taken for one.
    let (_, text) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if !port.bytes().all(|it| it.is_ascii_digit()) {
        return false;
    }
    let host = host.trim_end_matches(STOPS);
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let Some((_, last)) = host.rsplit_once(STOPS) else {
        return false;
    };
    let is_number =
        host.split(STOPS).count() == 4 && host.split(STOPS).all(|it| it.parse::<u8>().is_ok());
    let is_name = last.chars().count() > 1 && last.chars().all(char::is_alphabetic);
    is_number || is_name || last.to_ascii_lowercase().starts_with("xn--")
}

/// A request that calls itself by the name of a site other than the one that asks, where that is
/// known. Sign-ins have rules of their own.
pub(super) fn another_site(domain: &Domain<'_>, context: Context<'_>) -> Option<Finding> {
    let Asker::Site(origin) = context.asker else {
        return None;
    };
    let name = domain.name()?;
    let site = Site::named(name)?;
    (!is_of(origin, site.scheme, site.at)).then(|| {
        Finding::new(
            Severity::Attention,
            "Sign a message in the name of another site",
            format!(
                "The request calls itself {}, but the site that asks is {}.",
                quoted(name),
                quoted(origin)
            ),
        )
    })
}

/// A text without the addresses of the web in it, whose parts look like digests now and then.
pub(super) fn without_links(text: &str) -> Cow<'_, str> {
    const START: &str = "https://";
    if !text.contains(START) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.find(START).map(|at| rest.split_at(at)) {
        kept.push_str(before);
        let is_outside = |c: char| c.is_whitespace() || "<>\"'`()[]{}|\\^".contains(c);
        let (link, after) = link.split_at(link.find(is_outside).unwrap_or(link.len()));
        let is_link = parse_uri(link).is_ok_and(|uri| {
            uri.authority
                .is_some_and(|at| at.userinfo.is_none() && is_host(at.host))
        });
        kept.push_str(if is_link { " " } else { link });
        rest = after;
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sites_are_told_from_other_names() {
        for (text, scheme, at) in [
            ("app.example", None, "app.example"),
            (" App.Example ", None, "App.Example"),
            ("app.example:8443", None, "app.example:8443"),
            ("app.example./login", None, "app.example."),
            ("https://app.example/login?x", Some("https"), "app.example"),
            ("HTTPS://x@app.example", Some("HTTPS"), "x@app.example"),
            ("localhost:3000", None, "localhost:3000"),
            ("127.0.0.1", None, "127.0.0.1"),
            ("[::1]:3000", None, "[::1]:3000"),
            ("xn--pp-1ka.xn--example1", None, "xn--pp-1ka.xn--example1"),
            ("аpp.example", None, "аpp.example"),
            ("app。example", None, "app。example"),
            ("app.example@bank.example", None, "app.example@bank.example"),
        ] {
            assert_eq!(Site::named(text), Some(Site { scheme, at }), "{text}");
        }
        for text in [
            "Example",
            "Uniswap V2",
            "v1.0",
            "MyApp.v2",
            "",
            "Sign in to app.example",
            "did:web:app.example",
            "ipfs://app.example",
        ] {
            assert_eq!(Site::named(text), None, "{text}");
        }
        assert!(Site::named("app.example:1").unwrap().is_plain());
        assert!(!Site::named("аpp.example").unwrap().is_plain());
        assert!(!Site::named("a@app.example").unwrap().is_plain());
    }

    #[test]
    fn only_whole_addresses_of_the_web_are_left_out() {
        let digest = "3c".repeat(32);
        for (text, kept) in [
            (
                format!("see https://app.example/{digest} now"),
                "see   now".to_owned(),
            ),
            (
                format!("(https://app.example/#/x/0x{digest})"),
                "( )".to_owned(),
            ),
            (format!("https://{digest}"), format!("https://{digest}")),
            (
                format!("https://a@b.example/{digest}"),
                format!("https://a@b.example/{digest}"),
            ),
            (
                format!("http://app.example/{digest}"),
                format!("http://app.example/{digest}"),
            ),
            (
                format!("https://app.example/x {digest}"),
                format!("  {digest}"),
            ),
        ] {
            assert_eq!(without_links(&text), kept, "{text}");
        }
    }
}
