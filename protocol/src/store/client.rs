//! The store over the wire.

use std::time::Duration;

use super::{RecordStore, StoreError, check_commit, check_get};
use crate::{
    cbor,
    client::{CallError, Client},
    message::{Class, Record, RecordId, StoreReply, StoreRequest, Write},
};

/// Asks the host's store. Its answers are checked for their form, and for nothing else.
#[derive(Clone, Debug)]
pub struct StoreClient {
    client: Client,
    deadline: Duration,
}

impl StoreClient {
    /// Every request may take `deadline`.
    #[must_use]
    pub const fn new(client: Client, deadline: Duration) -> Self {
        Self { client, deadline }
    }

    async fn ask(&self, request: &StoreRequest) -> Result<StoreReply, CallFailure> {
        let body = cbor::encode(request).map_err(|e| CallFailure::nothing_done(e.to_string()))?;
        let called = self.client.call(Class::Request, body, self.deadline).await;
        let reply = called.map_err(|error| CallFailure {
            effect_unknown: error.effect_unknown(),
            again: error == CallError::Lost,
            reason: error.to_string(),
        })?;
        cbor::decode(&reply).map_err(|error| CallFailure {
            effect_unknown: true,
            again: false,
            reason: error.to_string(),
        })
    }
}

/// No understandable reply.
struct CallFailure {
    effect_unknown: bool,
    /// The connection died: harmless to ask again, if it was a question.
    again: bool,
    reason: String,
}

impl CallFailure {
    const fn nothing_done(reason: String) -> Self {
        Self {
            effect_unknown: false,
            again: false,
            reason,
        }
    }
}

impl RecordStore for StoreClient {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        check_get(&ids)?;
        let count = ids.len();
        let request = StoreRequest::Get { ids };
        let mut asked = self.ask(&request).await;
        if asked.as_ref().is_err_and(|failure| failure.again) {
            asked = self.ask(&request).await;
        }
        let failed = |reason: &str| StoreError::Failed {
            reason: reason.to_owned(),
        };
        match asked {
            Ok(StoreReply::Records(records)) if records.len() == count => Ok(records),
            Ok(StoreReply::Records(_)) => Err(failed("it answered with another number of records")),
            Ok(StoreReply::Failed { reason }) => Err(StoreError::Failed { reason }),
            Ok(_) => Err(failed("it answered a question as if it were a write")),
            Err(failure) => Err(failed(&failure.reason)),
        }
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_commit(&writes)?;
        match self.ask(&StoreRequest::Commit { writes }).await {
            Ok(StoreReply::Committed) => Ok(()),
            Ok(StoreReply::Conflict) => Err(StoreError::Conflict),
            Ok(StoreReply::Failed { reason }) => Err(StoreError::Failed { reason }),
            Ok(StoreReply::Unknown { reason }) => Err(StoreError::Unknown { reason }),
            Ok(StoreReply::Records(_)) => Err(StoreError::Unknown {
                reason: "it answered a write as if it were a question".to_owned(),
            }),
            Err(CallFailure {
                effect_unknown: true,
                reason,
                ..
            }) => Err(StoreError::Unknown { reason }),
            Err(CallFailure { reason, .. }) => Err(StoreError::Failed { reason }),
        }
    }
}
