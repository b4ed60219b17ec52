//! H1: channels take places, of which there are so many.

use std::{sync::Arc, time::Duration};

use openkey_enclave::channel::{CHANNEL_CONNECTIONS, Channels, serve_channel};
use openkey_protocol::{
    server::ServerOptions,
    transport::{Connect, Stream, memory},
};
use openkey_verifier::channel::Connector;
use tokio::io::AsyncReadExt;

use crate::deployment::Deployment;

/// Longer than any test: who says nothing on a channel keeps its place.
const LONG: Duration = Duration::from_secs(3600);

/// The listener of an enclave that was given so many places, and who connects to it.
struct Places {
    connector: Connector,
    address: memory::MemoryConnector,
}

impl Places {
    async fn new(connections: usize) -> Self {
        let deployment = Deployment::new();
        let giver = deployment.giver(1).await;
        let (listener, address) = memory::pair(1 << 12);
        let channels = Arc::new(Channels::new(Arc::clone(giver.service.platform())));
        let options = ServerOptions {
            connections,
            frame_timeout: LONG,
            idle_timeout: LONG,
            ..ServerOptions::default()
        };
        let service = Arc::clone(&giver.service);
        let never = std::future::pending();
        tokio::spawn(serve_channel(listener, channels, service, options, never));
        Self {
            connector: Connector::new(deployment.policy(), deployment.clock()).unwrap(),
            address,
        }
    }

    /// A channel on which the enclave has spoken; `None` if it closed the connection without a word.
    async fn open(&self) -> Option<Stream> {
        let stream = self.address.connect().await.unwrap();
        let (mut stream, _) = self.connector.connect("enclave", stream).await.ok()?;
        stream.read_u8().await.unwrap();
        Some(stream)
    }

    /// That so many have their places, and nobody else until one leaves.
    async fn are(&self, most: usize) {
        let mut taken = Vec::new();
        for place in 0..most {
            let stream = self.open().await;
            taken.push(stream.unwrap_or_else(|| panic!("place {place} of {most}")));
        }
        for _ in 0..2 {
            assert!(self.open().await.is_none(), "more than {most}");
        }
        drop(taken.pop());
        taken.push(loop {
            // who left is noticed in its time
            if let Some(stream) = self.open().await {
                break stream;
            }
        });
        assert!(self.open().await.is_none(), "more than {most}, later");
    }
}

#[tokio::test]
async fn h1_channels_are_bounded() {
    Places::new(3).await.are(3).await;
}

#[tokio::test]
async fn h1_no_option_gives_an_enclave_more_channels_than_its_memory_takes() {
    Places::new(usize::MAX).await.are(CHANNEL_CONNECTIONS).await;
}
