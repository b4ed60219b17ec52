//! The enclave's side.

use std::{future::Future, io, pin::Pin, time::Duration};

use tokio::time::timeout;

use super::{Relay, RelayError, RelayReply, RelayRequest, word};
use crate::transport::{Address, Connect, Stream};

/// How long the host may take to say yes or no: a look-up of a name and a TCP connection.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the host's relay.
#[derive(Clone, Debug)]
pub struct RelayClient<C = Address>(C);

impl<C: Connect> RelayClient<C> {
    /// The relay that is reached like this.
    pub const fn new(connector: C) -> Self {
        Self(connector)
    }

    async fn connect(&self, request: &RelayRequest) -> io::Result<Stream> {
        let mut stream = self.0.connect().await?;
        word::write(&mut stream, request, PATIENCE)
            .await
            .map_err(failed)?;
        match word::read(&mut stream, PATIENCE).await.map_err(failed)? {
            RelayReply::Connected => Ok(stream),
            RelayReply::Refused { .. } => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
        }
    }
}

fn failed(error: RelayError) -> io::Error {
    match error {
        RelayError::Io(error) => error,
        RelayError::Stalled => io::Error::from(io::ErrorKind::TimedOut),
        _ => io::Error::from(io::ErrorKind::InvalidData),
    }
}

impl<C: Connect> Relay for RelayClient<C> {
    fn open<'a>(
        &'a self,
        request: &'a RelayRequest,
    ) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + 'a>> {
        Box::pin(async move {
            let opened = timeout(PATIENCE, self.connect(request)).await;
            opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        })
    }
}
