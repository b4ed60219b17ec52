//! A server of which every step is told.

use std::{future::Future, time::Duration};

use tokio::{
    io::{ReadHalf, WriteHalf, split},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    client::{CallError, Client, ClientOptions},
    frame::{Failure, Frame, FrameReader, VERSIONS, handshake, write_frame},
    message::{Bytes, Class},
    transport::{
        Listen, Stream,
        memory::{self, MemoryListener},
    },
};

const LIMIT: Duration = Duration::from_secs(10);

/// Under the virtual clock, waiting for what never comes would not end.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    const LONG: Duration = Duration::from_secs(3600);
    timeout(LONG, what).await.expect("it never comes")
}

pub(super) struct Script {
    pub(super) client: Client,
    listener: MemoryListener,
}

impl Script {
    pub(super) fn new(options: ClientOptions) -> Self {
        Self::with_buffer(options, 64 * 1024)
    }

    /// Each direction holds that much that was not read.
    pub(super) fn with_buffer(options: ClientOptions, buffer: usize) -> Self {
        let (listener, connector) = memory::pair(buffer);
        let client = Client::new(connector, options);
        Self { client, listener }
    }

    pub(super) fn ask(&self, n: u8, deadline: Duration) -> JoinHandle<Result<Vec<u8>, CallError>> {
        self.ask_with(vec![n], deadline)
    }

    pub(super) fn ask_with(
        &self,
        body: Vec<u8>,
        deadline: Duration,
    ) -> JoinHandle<Result<Vec<u8>, CallError>> {
        let client = self.client.clone();
        tokio::spawn(async move { client.call(Class::Request, body, deadline).await })
    }

    /// The client's next connection, after the hellos.
    pub(super) async fn greeted(&mut self) -> Peer {
        let (reader, mut writer) = split(soon(self.listener.accept()).await.unwrap());
        let mut reader = FrameReader::new(reader, LIMIT);
        handshake(&mut reader, &mut writer, VERSIONS, LIMIT)
            .await
            .unwrap();
        Peer { reader, writer }
    }

    /// Takes the client's next connection and drops it.
    pub(super) async fn refuse(&mut self) {
        drop(self.listener.accept().await.unwrap());
    }
}

pub(super) struct Peer {
    reader: FrameReader<ReadHalf<Stream>>,
    writer: WriteHalf<Stream>,
}

impl Peer {
    pub(super) async fn request(&mut self) -> (u64, Vec<u8>) {
        match soon(self.reader.next()).await {
            Ok(Some(Frame::Request { id, body, .. })) => (id, body.0),
            other => panic!("no request but {other:?}"),
        }
    }

    pub(super) async fn reply(&mut self, id: u64, body: Vec<u8>) {
        let body = Bytes(body);
        self.send(&Frame::Reply { id, body }).await;
    }

    pub(super) async fn fail(&mut self, id: u64, failure: Failure) {
        self.send(&Frame::Failure { id, failure }).await;
    }

    async fn send(&mut self, frame: &Frame) {
        let bytes = frame.encode().unwrap();
        write_frame(&mut self.writer, &bytes, LIMIT).await.unwrap();
    }
}
