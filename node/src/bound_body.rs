//! Bodies that their invocation is bound to: it names their hash, so that nobody on the way can put
//! another one in their place.

use std::error::Error as StdError;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::asking::Displaced;
use crate::digest;
use crate::error::Error;
use crate::facts::untyped;
use crate::kv::is_multipart;

/// The fact that names the hash of the body: SHA-256 of its bytes, in lower-case hexadecimal digits. Facts
/// that say what they are have a hash of their own making (that of canonical JSON).
const HASH: &str = "bodyHash";

/// The body is not the one that the invocation names.
#[derive(Debug, thiserror::Error)]
#[error("the body is not the one that the invocation names")]
struct Other;

/// A body that fails at its end unless it is the one that the facts of an invocation name. Whatever takes
/// effect does so behind that end. If they name none, any body will do.
///
/// # Errors
///
/// [`Error::Bad`] for a name that is none, and for parts of a form: what separates them is chosen when
/// they are sent, and they end before the body does.
pub(crate) fn bound(body: Body, headers: &HeaderMap, facts: &[Value]) -> Result<Body, Error> {
    let Some(named) = named(facts)? else {
        return Ok(body);
    };
    if is_multipart(headers) {
        return Err(Error::Bad(format!(
            "{HASH} cannot be kept to with multipart/form-data"
        )));
    }
    let pieces = Some((body.into_data_stream(), Sha256::new()));
    let checked = stream::unfold(pieces, move |pieces| async move {
        let (mut pieces, mut hasher) = pieces?;
        let piece: Result<Bytes, BoxError> = match pieces.next().await {
            Some(Ok(piece)) => {
                hasher.update(&piece);
                return Some((Ok(piece), Some((pieces, hasher))));
            }
            Some(Err(error)) => Err(error.into()),
            None if <[u8; 32]>::from(hasher.finalize()) == named => return None,
            None => Err(Other.into()),
        };
        Some((piece, None))
    });
    Ok(Body::from_stream(checked))
}

/// Why a body did not arrive.
pub(crate) fn failed(error: axum::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(error) = cause {
        if error.is::<Displaced>() {
            return Error::Memory;
        }
        if error.is::<Other>() {
            return Error::Bad(format!(
                "The body is not the one that the invocation names ({HASH})"
            ));
        }
        cause = error.source();
    }
    Error::Body
}

fn named(facts: &[Value]) -> Result<Option<[u8; 32]>, Error> {
    let Some(hash) = untyped(facts, HASH)? else {
        return Ok(None);
    };
    let hash = hash.as_str().and_then(digest::parse);
    let hash = hash.ok_or_else(|| {
        Error::Bad(format!(
            "{HASH} is not a SHA-256 hash in lower-case hexadecimal digits"
        ))
    })?;
    Ok(Some(hash))
}
