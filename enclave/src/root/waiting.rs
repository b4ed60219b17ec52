//! Waiting for the root key: which sources there are, what came of each, and what is accepted.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use openkey_protocol::message::{EnclaveEvent, RootSource, RootState, SourceStatus};

use super::{Descriptor, RootKey, RootKeySource, SourceError};
use crate::{boot::BootError, platform::Platform};

/// How long one source may take. Hand-over and AWS KMS each are a few connections.
const SOURCE_PATIENCE: Duration = Duration::from_secs(60);

/// What an enclave without a root key waits for.
pub(crate) struct Waiting {
    sources: Vec<Box<dyn RootKeySource>>,
    descriptor: Option<Descriptor>,
    statuses: Mutex<Vec<SourceStatus>>,
}

impl Waiting {
    /// Decides what there is to wait for.
    ///
    /// # Errors
    ///
    /// [`BootError`] if there is nothing that could ever bring a root key.
    pub(crate) fn new(
        platform: &Platform,
        sources: Vec<Box<dyn RootKeySource>>,
    ) -> Result<Self, BootError> {
        let configuration = platform.configuration();
        let named = configuration.operators().is_some() || configuration.root_id().is_some();
        let development = sources
            .iter()
            .any(|source| source.source() == RootSource::Development);
        if development && named {
            return Err(BootError::DevelopmentSource);
        }
        if !development && !named {
            return Err(BootError::NoSource);
        }
        Ok(Self {
            sources,
            descriptor: None,
            statuses: Mutex::default(),
        })
    }

    /// The development source, with which nothing is waited for.
    pub(crate) fn development(&self) -> Option<&dyn RootKeySource> {
        self.sources
            .iter()
            .find(|source| source.source() == RootSource::Development)
            .map(|source| &**source)
    }

    /// Asks one source and holds its answer to what is known of the root key.
    pub(crate) async fn ask(
        &self,
        source: &dyn RootKeySource,
        platform: &Platform,
    ) -> Result<RootKey, SourceError> {
        let answer = tokio::time::timeout(SOURCE_PATIENCE, source.obtain(platform)).await;
        let answer = answer.unwrap_or_else(|_| Err(SourceError::new("It did not answer in time.")));
        let checked = answer.and_then(|key| self.check(key));
        if let Err(error) = &checked {
            platform.record(EnclaveEvent::RootSourceFailed {
                source: source.source(),
            });
            self.explain(source.source(), error.explanation());
        }
        checked
    }

    fn check(&self, key: RootKey) -> Result<RootKey, SourceError> {
        if key.is_trivial() {
            return Err(SourceError::new("What it gives is no proper key."));
        }
        match &self.descriptor {
            Some(descriptor) if !descriptor.commits_to(&key) => Err(SourceError::new(
                "What it gives is not the root key of the configured root_id.",
            )),
            _ => Ok(key),
        }
    }

    fn explain(&self, source: RootSource, explanation: &str) {
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.retain(|status| status.source != source);
        statuses.push(SourceStatus {
            source,
            explanation: explanation.to_owned(),
        });
    }

    /// What came of the sources so far.
    pub(crate) fn statuses(&self) -> Vec<SourceStatus> {
        self.statuses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the root key stands while it is not there.
    pub(crate) const fn state(&self) -> RootState {
        RootState::Waiting { have: 0, need: 0 }
    }
}
