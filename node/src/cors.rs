//! Cross-origin requests: any page may ask, as none can ask with more than the token it has.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
/// By name, as a wildcard does not cover `Authorization`; and the wildcard for metadata.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Content-Encoding, Content-Language, Content-Disposition, \
     If-Match, If-None-Match, If-Range, Range, x-tinycloud-cursor, x-tinycloud-limit, \
     x-tinycloud-max-response-bytes, *",
);
/// By name, for browsers that take the wildcard for a name.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Content-Type, Content-Length, Content-Range, Accept-Ranges, Retry-After, \
     x-tinycloud-truncated, x-tinycloud-next-cursor, x-tinycloud-error-code, x-request-id, *",
);
const PUBLIC_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const PUBLIC_ALLOWED: HeaderValue = HeaderValue::from_static("If-None-Match, If-Range, Range");
const PUBLIC_EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Content-Type, Content-Length, Content-Range, Accept-Ranges, Retry-After",
);
/// A day: what is allowed does not change.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// The answer to a preflight request.
pub(crate) fn preflight(is_public: bool) -> Response {
    let mut response = Response::default();
    if is_public {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Says in an answer who may see it.
pub(crate) fn allow(headers: &mut HeaderMap, method: &Method, is_public: bool) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let (methods, allowed, exposed) = if is_public {
        (PUBLIC_METHODS, PUBLIC_ALLOWED, PUBLIC_EXPOSED)
    } else {
        (METHODS, ALLOWED, EXPOSED)
    };
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    if is_public || *method == Method::OPTIONS {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
}
