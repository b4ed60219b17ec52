//! What is only read: bytes that are in memory, and known again by their hash.

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH},
};
use sha2::{Digest as _, Sha256};

/// A file of the page, or a document. To serve it costs a few pointers, however often and however
/// slowly it is read.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) body: Bytes,
    mime: HeaderValue,
    /// Strong: the SHA-256 of the body.
    pub(crate) etag: Option<HeaderValue>,
}

impl Document {
    pub(crate) fn new(mime: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let sha256 = Sha256::digest(&body).into();
        Self::hashed(mime, body, sha256)
    }

    /// The same, of bytes whose SHA-256 is known.
    pub(crate) fn hashed(mime: &'static str, body: Bytes, sha256: [u8; 32]) -> Self {
        Self {
            body,
            mime: HeaderValue::from_static(mime),
            // hexadecimal digits fit a header
            etag: HeaderValue::try_from(format!("\"{}\"", hex::encode(sha256))).ok(),
        }
    }

    /// The answer to a request with these headers: nothing but the name, if the client has it.
    pub(crate) fn respond(&self, asked: &HeaderMap) -> Response {
        let known = self.etag.as_ref().is_some_and(|etag| {
            asked
                .get_all(IF_NONE_MATCH)
                .iter()
                .filter_map(|line| line.to_str().ok())
                .flat_map(|line| line.split(','))
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || etag == tag)
        });
        let mut response = if known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(self.body.clone()))
        };
        let headers = response.headers_mut();
        if !known {
            headers.insert(CONTENT_TYPE, self.mime.clone());
        }
        if let Some(etag) = &self.etag {
            headers.insert(ETAG, etag.clone());
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}
