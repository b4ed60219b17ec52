//! Pages that the host writes itself: no scripts, and nothing from elsewhere.

use std::sync::LazyLock;

use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use sha2::{Digest as _, Sha256};

/// The only style of these pages, allowed by its hash.
pub(super) const STYLE: &str = ":root{color-scheme:light dark;background:Canvas;color:CanvasText}\
body{font:1rem/1.5 system-ui,sans-serif;\
max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}\
code{font-family:ui-monospace,monospace}table{border-collapse:collapse;width:100%}\
td,th{border-top:1px solid #8888;padding:.3rem .6rem;text-align:left;vertical-align:top}\
td:nth-child(-n+2),th:nth-child(-n+2){overflow-wrap:normal}\
td:last-child{min-width:12rem}td p{margin:0}td p+p{margin-top:.5rem}\
@media(max-width:40rem){table,tbody,tr,td{display:block}tr:first-child{display:none}\
tr{border-top:1px solid #8888;padding:.4rem 0}\
td{border:0;padding:.1rem .6rem}td:empty{display:none}\
td:nth-child(-n+2){overflow-wrap:anywhere}td:last-child{min-width:0}}\
h2{margin-top:2.5rem}h3{margin-top:2rem}";

static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    HeaderValue::try_from(format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'none'"
    ))
    .ok()
});

/// The type of such a page.
pub(super) const MIME: &str = "text/html; charset=utf-8";

/// An answer with this markup.
pub(super) fn page(markup: impl Into<Body>) -> Response {
    let mut response = Response::new(markup.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MIME));
    with_policy(response)
}

/// The same answer, which browsers show under the policy of such pages.
pub(super) fn with_policy(mut response: Response) -> Response {
    if let Some(policy) = POLICY.as_ref() {
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

/// Text as markup that shows it.
pub(super) fn escaped(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' => markup.push_str("&quot;"),
            '\'' => markup.push_str("&#39;"),
            other => markup.push(other),
        }
    }
    markup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let text = "<a href=\"x\" title='y'>&amp;</a>";
        let shown = "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;";
        assert_eq!(escaped(text), shown);
    }
}
