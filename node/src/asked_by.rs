//! From where the request comes that is being carried out.

use std::net::{IpAddr, Ipv6Addr};

use openkey_edge::client::ClientKey;

tokio::task_local! {
    static CLIENT: ClientKey;
}

/// Carries something out for a client.
pub(crate) async fn for_client<T>(client: IpAddr, work: impl Future<Output = T>) -> T {
    CLIENT.scope(ClientKey::of(client), work).await
}

/// The client for which this is carried out. What did not come over HTTP comes from one place.
pub(crate) fn client() -> ClientKey {
    let nowhere = || ClientKey::of(Ipv6Addr::UNSPECIFIED.into());
    CLIENT
        .try_with(|client| *client)
        .unwrap_or_else(|_| nowhere())
}
