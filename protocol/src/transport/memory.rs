//! Connections inside one process, for tests under a virtual clock.

use std::io;

use tokio::{io::duplex, sync::mpsc};

use super::{Connect, Listen, Stream};

/// Connects to the [`MemoryListener`] it was made with.
#[derive(Clone, Debug)]
pub struct MemoryConnector {
    listener: mpsc::Sender<Stream>,
    buffer: usize,
}

/// Takes the connections of its [`MemoryConnector`]s.
#[derive(Debug)]
pub struct MemoryListener(mpsc::Receiver<Stream>);

/// A listener and its connector. Each connection holds up to `buffer` bytes in each direction.
#[must_use]
pub fn pair(buffer: usize) -> (MemoryListener, MemoryConnector) {
    /// Connections that may wait to be accepted.
    const BACKLOG: usize = 128;
    let (connector, listener) = mpsc::channel(BACKLOG);
    let connector = MemoryConnector {
        listener: connector,
        buffer,
    };
    (MemoryListener(listener), connector)
}

impl Connect for MemoryConnector {
    async fn connect(&self) -> io::Result<Stream> {
        let (here, there) = duplex(self.buffer);
        let sent = self.listener.send(Box::new(there)).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(here))
    }
}

impl Listen for MemoryListener {
    async fn accept(&mut self) -> io::Result<Stream> {
        match self.0.recv().await {
            Some(stream) => Ok(stream),
            // Nobody can connect any more; a socket would wait, too.
            None => std::future::pending().await,
        }
    }
}
