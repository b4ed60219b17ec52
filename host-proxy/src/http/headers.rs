//! What every response says to browsers: show, run and send nothing but this page's own.

use axum::response::Response;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};

use super::{App, Route};
use crate::config::Origin;

/// What scripts may ask beside this server goes between the two halves.
const PAGE_POLICY: (&str, &str) = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'",
    "; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
     require-trusted-types-for 'script'",
);

/// For answers that are no page.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Nothing of the device but passkeys, and those for this page alone.
const PERMISSIONS: &str = "publickey-credentials-create=(self), publickey-credentials-get=(self), \
    camera=(), microphone=(), geolocation=(), display-capture=(), payment=(), usb=(), serial=(), \
    hid=(), midi=(), browsing-topics=()";

/// Two years: what browsers' preload lists ask for.
const TRANSPORT: &str = "max-age=63072000; includeSubDomains";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The policy of the page: its own scripts, styles and pictures, requests to this server and to the
/// one node it is told of, and the verifier's WebAssembly. No inline code, no frames, no forms, and
/// no strings that become markup.
///
/// An origin holds nothing that ends a directive; `None` if that were not so.
pub(crate) fn page_policy(node: Option<&Origin>) -> Option<HeaderValue> {
    let (before, after) = PAGE_POLICY;
    let node = node.map_or_else(String::new, |node| format!(" {}", node.as_str()));
    HeaderValue::try_from(format!("{before}{node}{after}")).ok()
}

/// Adds what is missing.
pub(super) fn complete(response: &mut Response, route: Route, app: &App) {
    let headers = response.headers_mut();
    if matches!(route, Route::Page | Route::Description) {
        headers
            .entry(CONTENT_SECURITY_POLICY)
            .or_insert_with(|| app.page_policy.clone());
    }
    let mut add = |name, value| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(RESOURCE_POLICY, "same-origin");
    add(CACHE_CONTROL, "no-store");
    if matches!(route, Route::Page | Route::Description) {
        add(PERMISSIONS_POLICY, PERMISSIONS);
        add(OPENER_POLICY, "same-origin");
    } else {
        add(CONTENT_SECURITY_POLICY, DATA_POLICY);
    }
    add(REFERRER_POLICY, "no-referrer");
    if app.config.origin.is_https() {
        add(STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}
