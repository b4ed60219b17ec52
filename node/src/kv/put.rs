//! Writing and deleting one value.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, ETAG};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::etag::condition;
use super::headers::kept;
use super::upload::{Uploads, inline, peek};
use super::{Call, ETag};
use crate::asking;
use crate::bound_body::failed;
use crate::error::Error;
use crate::store::{Change, Condition, Outcome, StoreError, ValueWrite};

/// So many values are written beside others.
const FEW: usize = 64;
/// How long more wait for their turn.
const WAIT: Duration = Duration::from_secs(10);

pub(super) async fn put(call: &Call<'_>, key: &str, body: Body) -> Result<Response, Error> {
    let condition = condition(call.headers, true)?;
    let headers = kept(call.headers)?;
    let announced = announced(call.headers);
    check_size(call, announced)?;
    let mut pieces = body.into_data_stream();
    let peeked = peek(&mut pieces, announced).await?;
    check_size(call, peeked.first.len() as u64)?;
    if peeked.is_whole {
        let value = inline(peeked.first, headers);
        let etag = ETag(value.hash);
        let changes = vec![(key.to_owned(), condition, Change::Put(value))];
        write(call, changes, false).await?;
        return Ok(changed(etag));
    }
    let keys = vec![(key.to_owned(), condition)];
    let least = announced.max(peeked.first.len() as u64);
    let mut uploads = Uploads::begin(call, keys, least).await?;
    let pieces = stream::iter([Ok(peeked.first)]).chain(pieces.map(|it| it.map_err(failed)));
    let value = uploads.receive(pieces, announced, headers).await?;
    let etag = ETag(value.hash);
    let changes = vec![(key.to_owned(), condition, Change::Put(value))];
    uploads.write(changes).await?;
    Ok(changed(etag))
}

pub(super) async fn delete(call: &Call<'_>, key: &str) -> Result<Response, Error> {
    let condition = condition(call.headers, false)?;
    let changes = vec![(key.to_owned(), condition, Change::Delete)];
    let outcomes = write(call, changes, false).await?;
    let outcome = outcomes.first().ok_or(StoreError::NoKey(key.to_owned()))?;
    Ok(changed(ETag(outcome.hash)))
}

/// Changes values, all or none. `begun`: the invocation was used up when their bodies began.
pub(super) async fn write(
    call: &Call<'_>,
    changes: Vec<(String, Condition, Change)>,
    begun: bool,
) -> Result<Vec<Outcome>, Error> {
    let count = changes.len();
    let write = ValueWrite {
        admission: call.authorised.admission.clone(),
        begun,
        space: call.space.clone(),
        changes,
        default_bound: call.node.config.default_bound(call.space),
    };
    let store = Arc::clone(&call.node.store);
    in_turn(call, count, async move { store.write(write).await }).await
}

/// Lets the store do something with so many values: of those that are many, with one request's at a time. Others
/// whose write waits meanwhile wait for one of them, and not for all.
pub(super) async fn in_turn<T: Send + 'static>(
    call: &Call<'_>,
    values: usize,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, Error> {
    if values <= FEW {
        return Ok(work.await?);
    }
    let turn = timeout(WAIT, call.node.large_writes.take(asking::client())).await;
    let turn = turn.map_err(|_| {
        let why = "The node is busy writing many values at once: try again, with fewer at once";
        Error::Unavailable(why.to_owned())
    })?;
    // the store goes on also when the client has gone, and the turn with it
    let done = tokio::spawn(async move {
        let done = work.await;
        drop(turn);
        done
    });
    Ok(done.await.map_err(std::io::Error::other)??)
}

fn changed(etag: ETag) -> Response {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(ETAG, etag.value());
    response
}

/// The length that a request says its body has; 0: it does not say.
pub(super) fn announced(headers: &HeaderMap) -> u64 {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok()?.parse().ok());
    announced.unwrap_or(0)
}

pub(super) fn check_size(call: &Call<'_>, size: u64) -> Result<(), Error> {
    let most = call.node.config.max_value_bytes;
    if size > most {
        return Err(too_large(most));
    }
    Ok(())
}

pub(super) fn too_large(most: u64) -> Error {
    Error::TooLarge(format!("A value has at most {most} bytes"))
}
