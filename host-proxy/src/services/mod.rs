//! What enclaves ask of their host: records, boot files, credentials, a place for events.

mod credentials;
mod files;
mod metadata;
mod serve;

use std::sync::Arc;

use openkey_protocol::{
    host::HostServices,
    message::{AwsCredentials, BootFiles, EnclaveEvent},
};

use crate::{config::ServicesConfig, metrics::Metrics};
use credentials::Credentials;
pub(crate) use files::read;
pub(crate) use serve::{Servers, listen};

/// One listener's services.
pub(crate) struct Services {
    config: ServicesConfig,
    credentials: Credentials,
    metrics: Arc<Metrics>,
}

impl Services {
    pub(crate) fn new(config: ServicesConfig, metrics: Arc<Metrics>) -> Self {
        Self {
            credentials: Credentials::new(config.metadata.0),
            config,
            metrics,
        }
    }
}

impl HostServices for Services {
    async fn boot_files(&self) -> Result<BootFiles, String> {
        let files = files::boot_files(&self.config).await;
        match &files {
            Ok(_) => tracing::info!(listener = %self.config.listen, "an enclave boots"),
            Err(reason) => tracing::warn!(listener = %self.config.listen, reason, "no boot files"),
        }
        files
    }

    async fn credentials(&self) -> Result<AwsCredentials, String> {
        let credentials = self.credentials.get().await;
        if let Err(reason) = &credentials {
            tracing::warn!(listener = %self.config.listen, reason, "no AWS credentials");
        }
        credentials
    }

    fn events(&self, events: Vec<EnclaveEvent>) {
        for event in events {
            self.metrics.event(&event);
            let listener = &self.config.listen;
            if quiet(&event) {
                tracing::info!(%listener, ?event, "enclave");
            } else {
                tracing::warn!(%listener, ?event, "enclave");
            }
        }
    }
}

/// What happens to a healthy enclave.
const fn quiet(event: &EnclaveEvent) -> bool {
    matches!(
        event,
        EnclaveEvent::Booted
            | EnclaveEvent::RootReady { .. }
            | EnclaveEvent::Genesis
            | EnclaveEvent::Share { good: true, .. }
            | EnclaveEvent::HandedOver { given: true }
            | EnclaveEvent::UpgradeAnnounced { .. }
            | EnclaveEvent::UpgradeConsented { .. }
            | EnclaveEvent::UpgradeWithdrawn { .. }
            | EnclaveEvent::SecretSet
            | EnclaveEvent::Answered { .. }
            | EnclaveEvent::Refused { .. }
    )
}
