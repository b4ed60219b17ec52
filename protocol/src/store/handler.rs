//! The server's side of the store.

use super::{RecordStore, StoreError, check_commit, check_get};
use crate::{
    cbor,
    message::{Class, StoreReply, StoreRequest},
    server::{Handler, Instant},
};

/// Serves a [`RecordStore`] to [`StoreClient`](super::StoreClient)s.
#[derive(Clone, Debug)]
pub struct StoreHandler<S>(S);

impl<S: RecordStore> StoreHandler<S> {
    /// Serves `store`.
    pub const fn new(store: S) -> Self {
        Self(store)
    }

    /// Answers one encoded [`StoreRequest`] with an encoded [`StoreReply`].
    pub async fn answer(&self, body: &[u8]) -> Vec<u8> {
        let reply = match cbor::decode(body) {
            Ok(request) => self.reply(request).await,
            Err(error) => StoreReply::Failed {
                reason: error.to_string(),
            },
        };
        // Nothing in a reply can fail to encode; an empty reply would be refused as malformed.
        cbor::encode(&reply).unwrap_or_default()
    }

    async fn reply(&self, request: StoreRequest) -> StoreReply {
        let done = match request {
            StoreRequest::Get { ids } => match check_get(&ids) {
                Ok(()) => self.0.get(ids).await.map(StoreReply::Records),
                Err(error) => Err(error),
            },
            StoreRequest::Commit { writes } => match check_commit(&writes) {
                Ok(()) => self.0.commit(writes).await.map(|()| StoreReply::Committed),
                Err(error) => Err(error),
            },
        };
        done.unwrap_or_else(|error| match error {
            StoreError::Conflict => StoreReply::Conflict,
            StoreError::Unknown { reason } => StoreReply::Unknown { reason },
            StoreError::Failed { reason } => StoreReply::Failed { reason },
            error @ (StoreError::TooMany { .. } | StoreError::Duplicate) => StoreReply::Failed {
                reason: error.to_string(),
            },
        })
    }
}

impl<S: RecordStore> Handler for StoreHandler<S> {
    async fn handle(&self, _class: Class, body: Vec<u8>, _deadline: Instant) -> Vec<u8> {
        self.answer(&body).await
    }
}
