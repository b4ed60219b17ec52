//! The host, as the enclave reaches it.

use std::time::Duration;

use openkey_protocol::{
    client::{Client, ClientOptions},
    host::HostClient,
    message::BootFiles,
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
pub(crate) const fn relay(parent: u32) -> Address {
    Address::Vsock {
        cid: parent,
        port: RELAY,
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
