//! Writing and deleting one value.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, ETAG};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};

use super::etag::condition;
use super::headers::kept;
use super::{Call, ETag};
use crate::blobs::new_name;
use crate::bound_body::failed;
use crate::error::Error;
use crate::node::Node;
use crate::store::{Change, Condition, Content, Outcome, StoreError, StoredValue, ValueWrite};

/// Values up to this many bytes are in the store itself; larger ones are blobs.
const INLINE: usize = 64 * 1024;

pub(super) async fn put(call: &Call<'_>, key: &str, body: Body) -> Result<Response, Error> {
    let condition = condition(call.headers, true)?;
    let headers = kept(call.headers)?;
    let announced = call.headers.get(CONTENT_LENGTH);
    let announced = announced
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse().ok());
    check_room(call, announced.unwrap_or(0)).await?;
    let body = body.into_data_stream().map(|piece| piece.map_err(failed));
    let value = receive(call.node, body, headers).await?;
    let etag = ETag(value.hash);
    write(call, vec![(key.to_owned(), condition, Change::Put(value))]).await?;
    Ok(changed(etag))
}

pub(super) async fn delete(call: &Call<'_>, key: &str) -> Result<Response, Error> {
    let condition = condition(call.headers, false)?;
    let outcomes = write(call, vec![(key.to_owned(), condition, Change::Delete)]).await?;
    let outcome = outcomes.first().ok_or(StoreError::NoKey(key.to_owned()))?;
    Ok(changed(ETag(outcome.hash)))
}

/// Changes values, all or none.
pub(super) async fn write(
    call: &Call<'_>,
    changes: Vec<(String, Condition, Change)>,
) -> Result<Vec<Outcome>, Error> {
    let write = ValueWrite {
        admission: call.authorised.admission.clone(),
        space: call.space.clone(),
        changes,
        default_bound: call.node.config.default_bound(call.space),
        now_ms: call.node.now_ms(),
    };
    Ok(call.node.store.write(write).await?)
}

fn changed(etag: ETag) -> Response {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(ETAG, etag.value());
    response
}

/// Refuses early what the store would refuse once it is all there.
pub(super) async fn check_room(call: &Call<'_>, announced: u64) -> Result<(), Error> {
    let most = call.node.config.max_value_bytes;
    if announced > most {
        return Err(too_large(most));
    }
    let default = call.node.config.default_bound(call.space);
    if announced <= INLINE as u64 {
        return Ok(());
    }
    let usage = call.node.store.usage(call.space).await?;
    if !usage.hosted {
        return Err(StoreError::NoSpace.into());
    }
    match (usage.bound.or(default), usage.room(default)) {
        (Some(limit), Some(0)) => Err(StoreError::Full {
            used: usage.bytes,
            limit,
        }
        .into()),
        _ => Ok(()),
    }
}

fn too_large(most: u64) -> Error {
    Error::TooLarge(format!("A value has at most {most} bytes"))
}

/// Takes a value in: a small one into memory, a larger one into a blob while it arrives.
pub(super) async fn receive(
    node: &Node,
    mut body: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    headers: String,
) -> Result<StoredValue, Error> {
    let mut small = BytesMut::new();
    let mut blob = None;
    let mut hasher = blake3::Hasher::new();
    let mut size = 0_u64;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        size = size.saturating_add(piece.len() as u64);
        if size > node.config.max_value_bytes {
            return Err(too_large(node.config.max_value_bytes));
        }
        hasher.update(&piece);
        if blob.is_none() && small.len() + piece.len() > INLINE {
            let name = new_name()?;
            // the store hears of it first: what is never finished is tidied away
            node.store.stage(&name, node.now_ms()).await?;
            let mut writer = node.blobs.create(&name).await?;
            writer.write(small.split().freeze()).await?;
            blob = Some((name, writer));
        }
        match &mut blob {
            Some((_, writer)) => writer.write(piece).await?,
            None => small.extend_from_slice(&piece),
        }
    }
    let content = match blob {
        None => Content::Inline(small.freeze()),
        Some((name, writer)) => {
            writer.finish().await?;
            Content::Blob(name)
        }
    };
    Ok(StoredValue {
        hash: *hasher.finalize().as_bytes(),
        size,
        headers,
        content,
    })
}
