//! What a sign-in is for: a web page, or something else that may come with rights. Systems exist that
//! take a plain sign-in whose URI is a key, or whose resources are theirs, as the rights of a session
//! key (did-session, Lit, UCAN, and others).

use openkey_capability::{siwe::Fields, uri::parse_uri};
use openkey_protocol::message::{Severity, Warning};

use crate::{
    asker::{default_port, is_web},
    words::{quoted, warning},
};

/// What a person should know about the URI of a sign-in.
pub(super) fn of_uri(fields: &Fields) -> Option<Warning> {
    let (scheme, _) = fields.uri.split_once(':').unwrap_or_default();
    if is_web(scheme) {
        return (!is_at_site(fields)).then(|| {
            warning(
                Severity::Attention,
                "Who asks and what the sign-in is for are different sites.",
            )
        });
    }
    let uri = quoted(&fields.uri);
    let text = if scheme.eq_ignore_ascii_case("did") {
        format!(
            "This sign-in is for {uri}, a key or an identity and no web page: it gives whoever holds \
             that key the rights of a session of yours. OpenKey does not know which rights."
        )
    } else {
        format!(
            "This sign-in is for {uri}, which is no web page: it may give a session key rights. \
             OpenKey does not know which rights."
        )
    };
    Some(warning(Severity::Attention, text))
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

/// True if a web address is at the site that asks.
fn is_at_site(fields: &Fields) -> bool {
    let Ok(uri) = parse_uri(&fields.uri) else {
        return false;
    };
    let site = openkey_capability::uri::parse_authority(&fields.domain);
    let (Some(at), Some(site)) = (uri.authority, site) else {
        return false;
    };
    let port =
        |port: Option<&str>, scheme: &str| port.map_or_else(|| default_port(scheme), str::to_owned);
    let scheme = fields.scheme.as_deref().unwrap_or("https");
    at.userinfo.is_none()
        && at.host.eq_ignore_ascii_case(site.host)
        && port(at.port, uri.scheme) == port(site.port, scheme)
}
