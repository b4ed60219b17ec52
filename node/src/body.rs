//! Bodies that are read whole, and answers that are made whole.

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::asking;
use crate::bound_body::failed;
use crate::error::Error;

/// Longest body of the endpoints that take a few members in JSON.
pub const SMALL: usize = 64 * 1024;
/// Bytes of a body that need no room in the memory for requests.
pub(crate) const FREE: usize = 8 * 1024;
/// Bytes of memory for one of a body that is read whole, and then as JSON, and for each value in it.
const EACH_BYTE: usize = 8;
const EACH_VALUE: usize = 108;
/// So many values need no room.
const FREE_VALUES: usize = 128;

/// Reads a body, up to a bound. It has room before it is read.
///
/// # Errors
///
/// [`Error::TooLarge`], [`Error::Memory`], [`Error::Body`], [`Error::Bad`] if the invocation names another one.
pub async fn read(body: Body, most: usize) -> Result<Bytes, Error> {
    let announced = body.size_hint().lower();
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > most {
        return Err(too_large(most));
    }
    let mut room = announced.max(FREE);
    if announced > FREE {
        asking::room(announced * EACH_BYTE).await?;
    }
    let mut pieces = body.into_data_stream();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(failed)?;
        let length = all.len() + piece.len();
        if length > most {
            return Err(too_large(most));
        }
        if length > room {
            let larger = length.max(2 * room).min(most);
            asking::room((larger - room) * EACH_BYTE).await?;
            room = larger;
        }
        all.extend_from_slice(&piece);
    }
    // the smallest take two bytes, and many times that once they are read
    let values = values(&all);
    if values > FREE_VALUES {
        asking::room(values * EACH_VALUE).await?;
    }
    Ok(all.freeze())
}

/// Bytes of memory for a body that is read whole, and then as JSON.
#[must_use]
pub fn memory(body: &[u8]) -> usize {
    body.len() * EACH_BYTE + values(body) * EACH_VALUE
}

/// Values and members in JSON, as far as commas tell.
fn values(json: &[u8]) -> usize {
    let (mut commas, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b',' if !in_text => commas += 1,
            _ => {}
        }
    }
    commas
}

/// An answer in JSON that takes no more memory than its size, however large.
///
/// # Errors
///
/// [`Error::Io`] for what is no JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<Response, Error> {
    let text = serde_json::to_vec(value).map_err(std::io::Error::other)?;
    Ok(json_text(text))
}

/// The same, of a text in JSON.
pub(crate) fn json_text(mut text: Vec<u8>) -> Response {
    text.shrink_to_fit();
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn too_large(most: usize) -> Error {
    Error::TooLarge(format!("The request's body has more than {most} bytes"))
}
