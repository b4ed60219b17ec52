//! Reading one value, or what is said about it.

use axum::body::Body;
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::{Call, ETag, IfNoneMatch, Wanted, replayed, wanted};
use crate::blobs::Whole;
use crate::error::Error;
use crate::node::Node;
use crate::store::{Content, StoreError, StoredValue};

/// The most bytes that a caller takes.
const MAX_RESPONSE: &str = "x-tinycloud-max-response-bytes";
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

pub(super) async fn get(call: &Call<'_>, key: &str) -> Result<Response, Error> {
    super::etag::check_reading(call.headers)?;
    let most = max_response(call.headers)?;
    let value = read(call, key).await?;
    let etag = ETag(value.hash);
    if IfNoneMatch::of(call.headers).is_some_and(|tags| tags.names(etag)) {
        return Ok(not_modified(etag, PRIVATE));
    }
    let part = wanted(call.headers, value.size, etag)?;
    let size = match &part {
        Wanted::Whole => value.size,
        Wanted::Part(part) => part.end - part.start,
    };
    if most.is_some_and(|most| size > most) {
        return Err(Error::TooLarge(format!(
            "The value has {size} bytes, more than {MAX_RESPONSE} allows"
        )));
    }
    let headers = replayed(&value.headers)?;
    let reading = Reading {
        headers,
        part,
        cache: PRIVATE,
    };
    content(call.node, value, reading).await
}

pub(super) async fn metadata(call: &Call<'_>, key: &str) -> Result<Response, Error> {
    let value = read(call, key).await?;
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = replayed(&value.headers)?;
    response
        .headers_mut()
        .insert(ETAG, ETag(value.hash).value());
    Ok(response)
}

async fn read(call: &Call<'_>, key: &str) -> Result<StoredValue, Error> {
    let admission = call.authorised.admission.clone();
    let value = call.node.store.take(admission, call.space, key).await?;
    value.ok_or_else(|| Error::NotFound("Key not found".to_owned()))
}

fn max_response(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let Some(value) = headers.get(MAX_RESPONSE) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let number =
        number.ok_or_else(|| Error::Bad(format!("{MAX_RESPONSE} must be a number of bytes")))?;
    Ok(Some(number))
}

/// How a value is answered.
#[derive(Debug)]
pub struct Reading {
    /// Headers of the answer, besides those of every reading.
    pub headers: HeaderMap,
    /// What of it.
    pub(crate) part: Wanted,
    /// `Cache-Control`.
    pub cache: HeaderValue,
}

/// The answer without a value, for who has it already.
pub(crate) fn not_modified(etag: ETag, cache: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(ETAG, etag.value());
    response.headers_mut().insert(CACHE_CONTROL, cache);
    response
}

/// The answer with a value, or a part of it.
///
/// # Errors
///
/// [`Error::Io`].
pub async fn content(node: &Node, value: StoredValue, reading: Reading) -> Result<Response, Error> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = reading.headers;
    let headers = response.headers_mut();
    headers.insert(ETAG, ETag(value.hash).value());
    headers.insert(CACHE_CONTROL, reading.cache);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let whole = Whole::new(value.hash, &node.signs);
    let is_whole = matches!(reading.part, Wanted::Whole);
    let part = match reading.part {
        Wanted::Whole => 0..value.size,
        Wanted::Part(part) => {
            let text = format!("bytes {}-{}/{}", part.start, part.end - 1, value.size);
            headers.insert(
                CONTENT_RANGE,
                HeaderValue::try_from(text).map_err(std::io::Error::other)?,
            );
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            part
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    *response.body_mut() = match value.content {
        Content::Inline(bytes) => {
            whole.check(&bytes)?;
            Body::from(cut(&bytes, &part))
        }
        Content::Unread => return Err(unread()),
        Content::Blob(name) => {
            let pieces = node.blobs.read(&name, part).await?;
            // of a part it is not known what it should be
            Body::from_stream(if is_whole { whole.of(pieces) } else { pieces })
        }
    };
    Ok(response)
}

/// Nobody shows the content of a value that was read without it.
pub(super) fn unread() -> Error {
    StoreError::Failed {
        reason: "a value was read without its content".to_owned(),
    }
    .into()
}

fn cut(bytes: &Bytes, part: &std::ops::Range<u64>) -> Bytes {
    let at = |place: u64| {
        usize::try_from(place)
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    bytes.slice(at(part.start)..at(part.end))
}
