//! What every request must be before anything looks at what it asks.
//!
//! A front proxy and this server must never read one byte stream as two different requests, so
//! whatever has more than one reading is refused: escapes and dots in paths, chunked bodies,
//! repeated headers. Requests under a foreign name (DNS rebinding) or from a foreign page are
//! refused, too, and what a page has fetched before anybody follows its links; there is no CORS.

use axum::body::HttpBody;
use hyper::{
    HeaderMap, Method, Request,
    header::{
        CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING,
    },
};
use openkey_edge::framing::is_plain_length;

use super::failure::Failure;
use crate::config::Config;

/// Longest path: a routing id and a class, or a page file's name, with room.
const MAX_PATH: usize = 256;

/// Fetch Metadata: how the asking page relates to this one.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Fetch Metadata: whether the address is opened, and where it is shown.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Fetch Metadata: what for. The others are what browsers said, or still say, instead.
const PURPOSE: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// What is said there of a request that nobody made yet.
const EARLY: [&[u8]; 3] = [b"prefetch", b"prerender", b"preview"];

/// The names this server answers to.
pub(crate) struct Guard {
    hosts: Vec<String>,
    origin: String,
}

impl Guard {
    pub(crate) fn new(config: &Config) -> Self {
        let mut hosts = vec![config.origin.host().to_owned()];
        hosts.extend(config.hosts.iter().cloned());
        Self {
            hosts,
            origin: config.origin.as_str().to_owned(),
        }
    }

    /// Checks target, framing, name and origin.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that ends the connection.
    pub(crate) fn check<B: HttpBody>(&self, request: &Request<B>) -> Result<(), Failure> {
        let uri = request.uri();
        let path = uri.path();
        let api = is_api(path);
        if uri.authority().is_some() || !is_plain(path) || (api && uri.query().is_some()) {
            return Err(Failure::bad_target().closing());
        }
        let headers = request.headers();
        if headers.contains_key(TRANSFER_ENCODING) {
            return Err(Failure::length_required().closing());
        }
        if !is_plain_length(headers) {
            return Err(Failure::bad_header().closing());
        }
        let bodyless = matches!(*request.method(), Method::GET | Method::HEAD);
        if bodyless && !request.body().is_end_stream() {
            return Err(Failure::bad_header().closing());
        }
        let host = single(headers, HOST).ok_or(Failure::bad_header().closing())?;
        let known = |name: &String| name.as_bytes().eq_ignore_ascii_case(host.as_bytes());
        if !self.hosts.iter().any(known) {
            return Err(Failure::wrong_host().closing());
        }
        let welcome = if api {
            self.is_from_own_page(headers)
        } else {
            is_near(headers) || is_navigation(headers)
        };
        if !welcome || is_prefetch(headers) {
            return Err(Failure::wrong_origin().closing());
        }
        Ok(())
    }

    /// Whether a request comes from no page, or from this server's.
    fn is_from_own_page(&self, headers: &HeaderMap) -> bool {
        let own = |origin: &HeaderValue| origin.as_bytes() == self.origin.as_bytes();
        headers.get_all(ORIGIN).iter().all(own) && is_near(headers)
    }
}

/// Whether a request comes from no site, or from this one. Browsers say so, and programs say nothing.
fn is_near(headers: &HeaderMap) -> bool {
    let near = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    headers.get_all(SEC_FETCH_SITE).iter().all(near)
}

/// Whether somebody follows a link to here. What another site loads from here shows it nothing, and
/// would make its visitors' browsers a flood.
fn is_navigation(headers: &HeaderMap) -> bool {
    let says = |name, value: &str| single(headers, name).is_some_and(|header| header == value);
    says(SEC_FETCH_MODE, "navigate") && says(SEC_FETCH_DEST, "document")
}

/// Whether nobody has followed the link yet: a page of another site has its visitors' browsers fetch from
/// here whatever links it names. Whoever follows one of them asks again. How the words stand there, as
/// members of a list, in quotes or as parameters, does not matter.
fn is_prefetch(headers: &HeaderMap) -> bool {
    let mut named = PURPOSE.into_iter().flat_map(|name| headers.get_all(name));
    named.any(|purpose| {
        let mut words = purpose.as_bytes().split(|b| !b.is_ascii_alphanumeric());
        words.any(|word| EARLY.iter().any(|early| word.eq_ignore_ascii_case(early)))
    })
}

/// Whether only this server's page may ask for a path (programs outside browsers may, too).
fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path == "/config.json"
}

/// Whether a path has one reading only: plain characters, no empty, `.` or `..` segments.
fn is_plain(path: &str) -> bool {
    path.len() <= MAX_PATH
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.is_empty()
                || rest.split('/').all(|segment| {
                    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain_byte)
                })
        })
}

const fn is_plain_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

/// The value of a header that is there exactly once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Whether a body is declared as CBOR and nothing else.
///
/// # Errors
///
/// A [`Failure`].
pub(super) fn check_cbor(headers: &HeaderMap) -> Result<(), Failure> {
    let cbor = single(headers, CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"application/cbor"));
    if cbor && !headers.contains_key(CONTENT_ENCODING) {
        Ok(())
    } else {
        Err(Failure::wrong_content_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h6_a_path_has_one_reading_or_none() {
        for path in [
            "/",
            "/index.html",
            "/api/v1/enclaves/e1/sign-up",
            "/vendor/a_b/c-1.2.js",
            "/.hidden",
            "/...",
        ] {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "",
            "*",
            "index.html",
            "//",
            "/a/",
            "/a//b",
            "/.",
            "/..",
            "/../etc/passwd",
            "/a/./b",
            "/a/..",
            "/%2e%2e/etc/passwd",
            "/api/v1/enclaves/e1%2frequest",
            "/api/v1/enclaves/e%31/request",
            "/a\\..\\b",
            "/a;b",
            "/a:b",
            "/a b",
            "/\u{e4}",
        ] {
            assert!(!is_plain(path), "{path}");
        }
        assert!(!is_plain(&format!("/{}", "a".repeat(MAX_PATH))));
    }
}
