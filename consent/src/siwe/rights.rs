//! What a sign-in is for: a web page, or something else that may come with rights. Systems exist that
//! take a plain sign-in whose URI is a key, or whose resources are theirs, as the rights of a session
//! key (did-session, Lit, UCAN, and others).

use openkey_capability::{siwe::Fields, uri::parse_uri};
use openkey_protocol::message::{Severity, Warning};

use crate::{
    asker::{DEFAULT_SCHEME, default_port, is_loopback, is_web},
    words::{quoted, warning},
};

/// What a person should know about the URI of a sign-in. With a ReCap, who gets its permissions is told
/// there; other systems do not look at it.
pub(super) fn of_uri(fields: &Fields, has_recap: bool) -> Option<Warning> {
    let (scheme, _) = fields.uri.split_once(':').unwrap_or_default();
    if is_web(scheme) {
        return at_other_site(fields);
    }
    let uri = quoted(&fields.uri);
    let is_key = scheme.eq_ignore_ascii_case("did");
    let text = match (is_key, has_recap) {
        (true, false) => format!(
            "This sign-in is for {uri}, a key or an identity and no web page: it gives whoever holds \
             that key the rights of a session of yours. OpenKey does not know which rights."
        ),
        (true, true) => format!(
            "This sign-in is for {uri}, a session key or an identity: whoever holds that key gets the \
             permissions below, and perhaps the rights of a session of yours at systems that do not \
             look at permissions. OpenKey does not know which rights."
        ),
        (false, _) => format!(
            "This sign-in is for {uri}, which is no web page: it may give a session key rights. \
             OpenKey does not know which rights."
        ),
    };
    Some(warning(Severity::Attention, text))
}

/// A web address elsewhere than at the site that asks.
fn at_other_site(fields: &Fields) -> Option<Warning> {
    match place(fields) {
        Place::Site => None,
        Place::Encrypted => Some(warning(
            Severity::Danger,
            "The site that asks is reached without encryption (http), and the sign-in is for an \
             encrypted address (https) of the same name: somebody on the way could be the one who asks.",
        )),
        Place::Elsewhere => Some(warning(
            Severity::Attention,
            "Who asks and what the sign-in is for are different sites.",
        )),
    }
}

/// What a person should know about resources other than a ReCap: one sentence for all of them.
pub(super) fn of_resources(resources: &[String]) -> Option<Warning> {
    let is_https = |resource: &str| {
        let scheme = resource.split_once(':').map(|(scheme, _)| scheme);
        scheme.is_some_and(|it| it.eq_ignore_ascii_case("https"))
    };
    let mut odd = resources.iter().filter(|it| !is_https(it));
    let first = odd.next()?;
    let others = match odd.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(warning(
        Severity::Attention,
        format!(
            "This sign-in names {}{others}, which is no https page: it may give a session key rights \
             on it. OpenKey does not know which rights.",
            quoted(first)
        ),
    ))
}

/// Where a web address is, from the site that asks.
enum Place {
    Site,
    /// The same host, by https where the site itself has http.
    Encrypted,
    Elsewhere,
}

/// Origins are compared in full: scheme, host and port.
fn place(fields: &Fields) -> Place {
    let Ok(uri) = parse_uri(&fields.uri) else {
        return Place::Elsewhere;
    };
    let site = openkey_capability::uri::parse_authority(&fields.domain);
    let (Some(at), Some(site)) = (uri.authority, site) else {
        return Place::Elsewhere;
    };
    let scheme = match fields.scheme.as_deref() {
        Some(scheme) => scheme,
        None if is_loopback(site.host) => uri.scheme,
        None => DEFAULT_SCHEME,
    };
    let port =
        |port: Option<&str>, scheme: &str| port.map_or_else(|| default_port(scheme), str::to_owned);
    if at.userinfo.is_some() || !at.host.eq_ignore_ascii_case(site.host) {
        return Place::Elsewhere;
    }
    let is_same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if is_same(scheme, uri.scheme) && port(at.port, uri.scheme) == port(site.port, scheme) {
        Place::Site
    } else if is_same(scheme, "http") && is_same(uri.scheme, "https") && !is_loopback(site.host) {
        Place::Encrypted
    } else {
        Place::Elsewhere
    }
}
