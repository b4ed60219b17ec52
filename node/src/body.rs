//! Bodies that are read whole.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::bound_body::failed;
use crate::error::Error;

/// Longest body of the endpoints that take a few members in JSON.
pub const SMALL: usize = 64 * 1024;

/// Reads a body, up to a bound.
///
/// # Errors
///
/// [`Error::TooLarge`], [`Error::Body`], [`Error::Bad`] if the invocation names another one.
pub async fn read(body: Body, most: usize) -> Result<Bytes, Error> {
    let mut pieces = body.into_data_stream();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(failed)?;
        if all.len() + piece.len() > most {
            return Err(Error::TooLarge(format!(
                "The request's body has more than {most} bytes"
            )));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}
