//! The enclave's side.

use std::time::Duration;

use super::HostError;
use crate::{
    cbor,
    client::{CallError, Client},
    message::{
        AwsCredentials, BootFiles, Bytes, Class, EnclaveEvent, HostReply, HostRequest,
        MAX_BOOT_FILE, MAX_EVENTS, MAX_PEERS, Record, RecordId, StoreReply, StoreRequest, Write,
    },
    store::{RecordStore, StoreError, check_commit, check_get},
};

/// Asks the host. Its answers are checked for their form, and for nothing else.
#[derive(Clone, Debug)]
pub struct HostClient {
    client: Client,
    deadline: Duration,
}

impl HostClient {
    /// Every request may take `deadline`.
    #[must_use]
    pub const fn new(client: Client, deadline: Duration) -> Self {
        Self { client, deadline }
    }

    /// Everything the host hands over at boot; no file is longer than [`MAX_BOOT_FILE`].
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub async fn boot_files(&self) -> Result<BootFiles, HostError> {
        match self.ask(&HostRequest::BootFiles).await? {
            HostReply::BootFiles(files) => {
                let too_long = |file: &Bytes| file.0.len() > MAX_BOOT_FILE;
                let rest = [&files.descriptor, &files.wrapped, &files.manifest];
                if too_long(&files.configuration) || rest.into_iter().flatten().any(too_long) {
                    return Err(HostError::Answer("a boot file is too long"));
                }
                if files.peers > MAX_PEERS {
                    return Err(HostError::Answer("it offers too many peers"));
                }
                Ok(files)
            }
            other => Err(unexpected(other)),
        }
    }

    /// The host's AWS credentials, to be asked for before each use.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub async fn credentials(&self) -> Result<AwsCredentials, HostError> {
        match self.ask(&HostRequest::Credentials).await? {
            HostReply::Credentials(credentials) => Ok(credentials),
            other => Err(unexpected(other)),
        }
    }

    /// Hands over events.
    ///
    /// # Errors
    ///
    /// [`HostError::TooMuch`] beyond [`MAX_EVENTS`]; else the events are lost if it was
    /// [`HostError::Refused`], and may be if not.
    pub async fn events(&self, events: Vec<EnclaveEvent>) -> Result<(), HostError> {
        if events.len() > MAX_EVENTS {
            return Err(HostError::TooMuch);
        }
        match self.ask(&HostRequest::Events(events)).await? {
            HostReply::Noted => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    async fn ask(&self, request: &HostRequest) -> Result<HostReply, HostError> {
        let body = cbor::encode(request).map_err(|_| HostError::TooMuch)?;
        let reply = self
            .client
            .call(Class::Request, body, self.deadline)
            .await?;
        cbor::decode(&reply).map_err(|error| HostError::Answer(error.name()))
    }

    /// Asks the store, and tells what is known about the effect when no reply can be understood.
    async fn store(&self, request: StoreRequest) -> Result<StoreReply, StoreFailure> {
        match self.ask(&HostRequest::Store(request)).await {
            Ok(HostReply::Store(reply)) => Ok(reply),
            Ok(HostReply::Failed { reason }) => Ok(StoreReply::Failed { reason }),
            Ok(_) => Err(StoreFailure {
                effect_unknown: true,
                again: false,
                reason: "it answered another question".to_owned(),
            }),
            Err(error) => Err(StoreFailure {
                effect_unknown: match &error {
                    HostError::Call(error) => error.effect_unknown(),
                    HostError::Answer(_) => true,
                    HostError::Refused { .. } | HostError::TooMuch => false,
                },
                again: error == HostError::Call(CallError::Lost),
                reason: error.to_string(),
            }),
        }
    }
}

fn unexpected(reply: HostReply) -> HostError {
    match reply {
        HostReply::Failed { reason } => HostError::Refused { reason },
        _ => HostError::Answer("it answered another question"),
    }
}

/// No understandable reply of the store.
struct StoreFailure {
    effect_unknown: bool,
    /// The connection died: harmless to ask again, if it was a question.
    again: bool,
    reason: String,
}

impl RecordStore for HostClient {
    async fn get(&self, ids: Vec<RecordId>) -> Result<Vec<Option<Record>>, StoreError> {
        check_get(&ids)?;
        let count = ids.len();
        let request = StoreRequest::Get { ids };
        let mut asked = self.store(request.clone()).await;
        if asked.as_ref().is_err_and(|failure| failure.again) {
            asked = self.store(request).await;
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
        match self.store(StoreRequest::Commit { writes }).await {
            Ok(StoreReply::Committed) => Ok(()),
            Ok(StoreReply::Conflict) => Err(StoreError::Conflict),
            Ok(StoreReply::Failed { reason }) => Err(StoreError::Failed { reason }),
            Ok(StoreReply::Unknown { reason }) => Err(StoreError::Unknown { reason }),
            Ok(StoreReply::Records(_)) => Err(StoreError::Unknown {
                reason: "it answered a write as if it were a question".to_owned(),
            }),
            Err(StoreFailure {
                effect_unknown: true,
                reason,
                ..
            }) => Err(StoreError::Unknown { reason }),
            Err(StoreFailure { reason, .. }) => Err(StoreError::Failed { reason }),
        }
    }
}
