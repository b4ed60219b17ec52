//! TCP connections from outside, carried to an enclave's channel. TLS begins and ends elsewhere.

use std::io;

use openkey_protocol::transport::{Address, Connect as _, Listen, Stream};
use tokio::{net::TcpListener, time::timeout};

use super::{CONNECT, bounded, pump};

/// Connections of one listener at once. The enclave allows fewer; the rest wait in its backlog.
const CONNECTIONS: usize = 256;

/// Carries connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, channel: Address) {
    bounded(CONNECTIONS, Tcp(listener), |outside| {
        let channel = channel.clone();
        async move {
            match timeout(CONNECT, channel.connect()).await {
                Ok(Ok(enclave)) => pump::both(outside, enclave).await,
                Ok(Err(error)) => tracing::warn!(%channel, %error, "the channel is closed"),
                Err(_) => tracing::warn!(%channel, "the channel does not answer"),
            }
        }
    })
    .await;
}

struct Tcp(TcpListener);

impl Listen for Tcp {
    async fn accept(&mut self) -> io::Result<Stream> {
        let (stream, _) = self.0.accept().await?;
        // TLS brings its own records together
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
