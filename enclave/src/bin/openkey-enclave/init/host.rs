//! The host, as the enclave reaches it.

use std::{sync::Arc, time::Duration};

use openkey_enclave::root::kms::{Boxed, Credentials};
use openkey_protocol::{
    client::{Client, ClientOptions},
    host::HostClient,
    message::{AwsCredentials, BootFiles},
    relay::{Relay, RelayClient},
    transport::Address,
};
use tokio::time::sleep;

/// Where the host serves records, boot files, credentials and events.
const SERVICES: u32 = 7010;
/// Where it opens connections.
const RELAY: u32 = 7011;
/// For one request of these.
const DEADLINE: Duration = Duration::from_secs(5);
/// Between attempts while the host is not there yet.
const PAUSE: Duration = Duration::from_millis(200);

/// A client of the host's services.
pub(crate) fn services(parent: u32) -> HostClient {
    let address = Address::Vsock {
        cid: parent,
        port: SERVICES,
    };
    HostClient::new(Client::new(address, ClientOptions::default()), DEADLINE)
}

/// The host's relay.
pub(crate) fn relay(parent: u32) -> Arc<dyn Relay> {
    Arc::new(RelayClient::new(Address::Vsock {
        cid: parent,
        port: RELAY,
    }))
}

/// The host's AWS credentials.
pub(crate) struct HostCredentials(pub(crate) HostClient);

impl Credentials for HostCredentials {
    fn credentials(&self) -> Boxed<'_, Option<AwsCredentials>> {
        Box::pin(async { self.0.credentials().await.ok() })
    }
}

/// What the host hands over at boot. Waits for it as long as it takes: a host that never answers
/// has only refused service.
pub(crate) async fn boot_files(services: &HostClient) -> BootFiles {
    loop {
        if let Ok(files) = services.boot_files().await {
            return files;
        }
        sleep(PAUSE).await;
    }
}
