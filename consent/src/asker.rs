//! Who asks for a signature, and whether a sign-in may be in the name of a site.

use core::net::Ipv4Addr;

use openkey_capability::uri::{parse_authority, parse_uri};
use openkey_protocol::message::{Severity, Warning};

use crate::words::{quoted, warning};

/// Who asks for a signature, as far as the caller of this crate knows it for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// Nobody that is known.
    Unknown,
    /// OpenKey's own page at this origin. It asks for itself by [`Payload::Session`] alone; what it asks for
    /// otherwise a person pasted there, and which site gave it to them, nobody knows: not even a sign-in to
    /// the page itself is its own then.
    ///
    /// [`Payload::Session`]: openkey_protocol::message::Payload::Session
    Page(&'a str),
    /// A site at this origin. Only for a caller who has it from the browser, not from the site.
    Site(&'a str),
}

/// What is wrong with a sign-in to `domain` (host and port, with the scheme if it names one) when
/// this asker asks; `None` if it is the asker's own. For every sign-in, whatever else it does and
/// whatever form it has.
pub(crate) fn foreign(asker: Asker<'_>, scheme: Option<&str>, domain: &str) -> Option<Warning> {
    let is_own = |origin: &str| is_of(origin, scheme, domain);
    let text = match asker {
        Asker::Page(origin) | Asker::Site(origin) if is_own(origin) => return None,
        Asker::Page(origin) | Asker::Site(origin) if is_unencrypted(origin, domain, is_own) => {
            format!(
                "This signs you in to {domain} by an encrypted connection (https), but the site that asks \
                 is {}, without encryption: somebody on the way could be the one who asks, and act there \
                 as you.",
                quoted(origin)
            )
        }
        Asker::Unknown | Asker::Page(_) => format!(
            "OpenKey cannot see which site asks. Sign only if you are at {domain} yourself and began \
             this sign-in there."
        ),
        Asker::Site(origin) => format!(
            "This signs you in to {domain}, but the site that asks is {}: it could act there as you. \
             No honest page asks for a sign-in to another site.",
            quoted(origin)
        ),
    };
    Some(warning(Severity::Danger, text))
}

/// The scheme of a site that names none (ERC-4361, section on message fields).
pub(crate) const DEFAULT_SCHEME: &str = "https";

/// True if an origin is that of the sign-in but for the encryption.
fn is_unencrypted(origin: &str, domain: &str, is_own: impl Fn(&str) -> bool) -> bool {
    let host = origin.strip_prefix("http://");
    host.is_some_and(|host| is_own(&format!("https://{host}")) || host == domain)
}

/// True for names of the machine itself, to which browsers talk without a network (W3C Secure Contexts,
/// section 3.1; RFC 6761, section 6.3).
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let is_v4 = host.parse::<Ipv4Addr>().is_ok_and(|it| it.is_loopback());
    is_v4 || host == "[::1]" || host == "localhost" || host.ends_with(".localhost")
}

/// True if a domain is host and port of an origin, and its scheme that of the origin. Origins are
/// compared in full: a domain without a scheme is one of https, and without a port the scheme's own
/// counts (ERC-4361).
pub(crate) fn is_of(origin: &str, scheme: Option<&str>, domain: &str) -> bool {
    let Ok(asking) = parse_uri(origin) else {
        return false;
    };
    let (Some(at), Some(domain)) = (asking.authority, parse_authority(domain)) else {
        return false;
    };
    let is_origin = asking.path.is_empty() && asking.query.is_none() && asking.fragment.is_none();
    let port = |port: Option<&str>| port.map_or_else(|| default_port(asking.scheme), str::to_owned);
    let is_same_scheme = match scheme {
        Some(scheme) => scheme.eq_ignore_ascii_case(asking.scheme),
        // Wallets may be milder with a page of the machine itself (ERC-4361, wallet implementers).
        None => asking.scheme.eq_ignore_ascii_case(DEFAULT_SCHEME) || is_loopback(at.host),
    };
    is_web(asking.scheme)
        && is_origin
        && is_same_scheme
        && at.userinfo.is_none()
        && domain.userinfo.is_none()
        && at.host.eq_ignore_ascii_case(domain.host)
        && port(at.port) == port(domain.port)
}

pub(crate) fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// ERC-4361: without a port the scheme's own.
pub(crate) fn default_port(scheme: &str) -> String {
    let port = if scheme.eq_ignore_ascii_case("http") {
        "80"
    } else {
        "443"
    };
    port.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_only_the_whole_origin_is_the_same() {
        for (origin, scheme, domain) in [
            ("https://app.example", None, "app.example"),
            ("https://app.example", Some("https"), "APP.example:443"),
            ("http://localhost:3000", None, "localhost:3000"),
            ("http://[::1]:3000", Some("http"), "[::1]:3000"),
            ("http://127.0.0.1:3000", None, "127.0.0.1:3000"),
            ("http://app.localhost", None, "app.localhost"),
            ("http://app.example", Some("http"), "app.example"),
            ("https://app.example:80", None, "app.example:80"),
        ] {
            for asker in [Asker::Site(origin), Asker::Page(origin)] {
                assert_eq!(foreign(asker, scheme, domain), None, "{origin} {domain}");
            }
        }
        for (origin, scheme, domain) in [
            ("https://app.example", None, "bank.example"),
            ("https://app.example", None, "app.example:444"),
            ("https://app.example:444", None, "app.example"),
            ("https://app.example", Some("http"), "app.example"),
            ("https://app.example", None, "sub.app.example"),
            ("https://app.example", None, "app.example."),
            ("https://app.example@bank.example", None, "app.example"),
            (
                "https://bank.example/https://app.example",
                None,
                "app.example",
            ),
            ("ftp://app.example", None, "app.example"),
            // Without a scheme the site is one of https (ERC-4361).
            ("http://app.example", None, "app.example"),
            ("http://app.example:443", None, "app.example"),
            ("http://app.example:8080", None, "app.example:8080"),
            ("http://app.example", Some("https"), "app.example"),
            ("https://app.example", Some("http"), "app.example"),
            ("http://localhost.example", None, "localhost.example"),
            ("http://128.0.0.1", None, "128.0.0.1"),
            ("null", None, "app.example"),
            ("", None, "app.example"),
        ] {
            for asker in [Asker::Site(origin), Asker::Page(origin), Asker::Unknown] {
                let warning = foreign(asker, scheme, domain).unwrap();
                assert_eq!(warning.severity, Severity::Danger);
                assert!(warning.text.contains(domain), "{}", warning.text);
            }
        }
    }
}
