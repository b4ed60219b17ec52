//! The host's side.

use super::HostServices;
use crate::{
    cbor,
    message::{Class, HostReply, HostRequest, MAX_EVENTS, StoreReply, StoreRequest},
    server::{Handler, Instant},
    store::{RecordStore, StoreError, check_commit, check_get},
};

/// Serves a [`RecordStore`] and [`HostServices`] to one enclave.
#[derive(Clone, Debug)]
pub struct HostHandler<S, H> {
    store: S,
    services: H,
}

impl<S: RecordStore, H: HostServices> HostHandler<S, H> {
    /// Serves these.
    pub const fn new(store: S, services: H) -> Self {
        Self { store, services }
    }

    /// Answers one encoded [`HostRequest`] with an encoded [`HostReply`].
    pub async fn answer(&self, body: &[u8]) -> Vec<u8> {
        let reply = match cbor::decode(body) {
            Ok(request) => self.reply(request).await,
            Err(error) => HostReply::Failed {
                reason: error.to_string(),
            },
        };
        // Nothing in a reply can fail to encode; an empty reply would be refused as malformed.
        cbor::encode(&reply).unwrap_or_default()
    }

    async fn reply(&self, request: HostRequest) -> HostReply {
        let reply = match request {
            HostRequest::Store(request) => Ok(HostReply::Store(self.stored(request).await)),
            HostRequest::BootFiles => self.services.boot_files().await.map(HostReply::BootFiles),
            HostRequest::Credentials => {
                let credentials = self.services.credentials().await;
                credentials.map(HostReply::Credentials)
            }
            HostRequest::Events(events) if events.len() > MAX_EVENTS => {
                Err("too many events at once".to_owned())
            }
            HostRequest::Events(events) => {
                self.services.events(events);
                Ok(HostReply::Noted)
            }
        };
        reply.unwrap_or_else(|reason| HostReply::Failed { reason })
    }

    async fn stored(&self, request: StoreRequest) -> StoreReply {
        let done = match request {
            StoreRequest::Get { ids } => match check_get(&ids) {
                Ok(()) => self.store.get(ids).await.map(StoreReply::Records),
                Err(error) => Err(error),
            },
            StoreRequest::Commit { writes } => match check_commit(&writes) {
                Ok(()) => {
                    let written = self.store.commit(writes).await;
                    written.map(|()| StoreReply::Committed)
                }
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

impl<S: RecordStore, H: HostServices> Handler for HostHandler<S, H> {
    async fn handle(&self, _class: Class, body: Vec<u8>, _deadline: Instant) -> Vec<u8> {
        self.answer(&body).await
    }
}
