//! Who asks for a signature, and whether a sign-in may be in the name of a site.

use openkey_capability::uri::{parse_authority, parse_uri};
use openkey_protocol::message::{Severity, Warning};

use crate::words::{quoted, warning};

/// Who asks for a signature, as far as the caller of this crate knows it for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// Nobody that is known.
    Unknown,
    /// A person, in OpenKey's own page at this origin: the page's own flows, and whatever some site
    /// gave the person to paste there. Which site that was, nobody knows.
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

/// True if a domain is host and port of an origin, and so is its scheme if it has one. Origins are
/// compared in full; without a port the scheme's own counts (ERC-4361).
pub(crate) fn is_of(origin: &str, scheme: Option<&str>, domain: &str) -> bool {
    let Ok(asking) = parse_uri(origin) else {
        return false;
    };
    let (Some(at), Some(domain)) = (asking.authority, parse_authority(domain)) else {
        return false;
    };
    let is_origin = asking.path.is_empty() && asking.query.is_none() && asking.fragment.is_none();
    let port = |port: Option<&str>| port.map_or_else(|| default_port(asking.scheme), str::to_owned);
    let is_same_scheme = scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case(asking.scheme));
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
