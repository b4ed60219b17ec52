//! Listening on either transport.

use std::io;

use tokio_vsock::{VsockAddr, VsockListener};

use super::{Listen, Stream, patient::Patient, unix::BoundSocket};

/// Listens at an [`Address`](super::Address). Dropping it stops, and removes the socket file.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Unix(BoundSocket),
    Vsock(VsockListener),
}

impl Listener {
    pub(super) const fn unix(socket: BoundSocket) -> Self {
        Self(Kind::Unix(socket))
    }

    pub(super) fn vsock(cid: u32, port: u32) -> io::Result<Self> {
        VsockListener::bind(VsockAddr::new(cid, port)).map(|l| Self(Kind::Vsock(l)))
    }
}

impl Listen for Listener {
    async fn accept(&mut self) -> io::Result<Stream> {
        Ok(match &self.0 {
            Kind::Unix(socket) => Box::new(socket.listener.accept().await?.0),
            Kind::Vsock(listener) => Box::new(Patient::new(listener.accept().await?.0)),
        })
    }
}
