//! Bodies that are read whole.

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::asking;
use crate::bound_body::failed;
use crate::error::Error;

/// Longest body of the endpoints that take a few members in JSON.
pub const SMALL: usize = 64 * 1024;
/// Bytes of a body that need no room in the memory for requests.
pub(crate) const FREE: usize = 8 * 1024;
/// Bytes of memory for one of a body that is read whole, and then as JSON.
const EACH_BYTE: usize = 8;

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
    Ok(all.freeze())
}

fn too_large(most: usize) -> Error {
    Error::TooLarge(format!("The request's body has more than {most} bytes"))
}
