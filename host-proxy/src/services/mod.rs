//! What enclaves ask of their host: records, boot files, credentials, a place for events.

mod credentials;
mod files;
mod lines;
mod metadata;
mod serve;

use std::sync::Arc;

use openkey_protocol::{
    host::HostServices,
    message::{AwsCredentials, BootFiles, EnclaveEvent},
};

use crate::{
    config::ServicesConfig,
    metrics::{Metrics, event_name},
};
use credentials::Credentials;
pub(crate) use files::{note_missing, read};
use lines::Lines;
pub(crate) use serve::{Patient, Servers, listen};

/// One listener's services.
pub(crate) struct Services {
    config: ServicesConfig,
    credentials: Credentials,
    metrics: Arc<Metrics>,
    lines: Lines,
}

impl Services {
    pub(crate) fn new(config: ServicesConfig, metrics: Arc<Metrics>) -> Self {
        Self {
            credentials: Credentials::new(config.metadata.0),
            config,
            metrics,
            lines: Lines::default(),
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
            // strangers cause some of them
            let Some(left_out) = self.lines.admits(event_name(&event)) else {
                continue;
            };
            let left_out = (left_out > 0).then_some(left_out);
            let listener = &self.config.listen;
            if event.is_routine() {
                tracing::info!(%listener, ?event, left_out, "enclave");
            } else {
                tracing::warn!(%listener, ?event, left_out, "enclave");
            }
        }
    }
}
