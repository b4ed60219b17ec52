//! A handler that does as it is told, and a client that can misbehave.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{ReadHalf, WriteHalf, split},
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use super::super::*;
use crate::{
    frame::{Failure, Frame, FrameReader, MAX_BODY, handshake, write_frame},
    message::Bytes,
    transport::{
        Connect,
        memory::{self, MemoryConnector},
    },
};

pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// Does what the body's first byte says.
#[derive(Clone, Default)]
pub(super) struct Puppet {
    pub(super) running: Arc<AtomicUsize>,
    pub(super) most: Arc<AtomicUsize>,
    pub(super) dropped: Arc<AtomicBool>,
    pub(super) go: Arc<Notify>,
}

pub(super) const ECHO: u8 = b'e';
pub(super) const WAIT: u8 = b'w';
pub(super) const PANIC: u8 = b'p';
pub(super) const LARGE: u8 = b'l';

/// Counts itself, and notices when it is dropped before its end.
pub(super) struct Running<'a>(&'a Puppet, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0.dropped.store(true, Ordering::SeqCst);
        }
    }
}

impl Handler for Puppet {
    async fn handle(&self, _class: Class, body: Vec<u8>, _deadline: Instant) -> Vec<u8> {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let mut running = Running(self, false);
        match body[0] {
            WAIT => self.go.notified().await,
            PANIC => panic!("as asked"),
            LARGE => return vec![0; MAX_BODY + 1],
            _ => {}
        }
        running.1 = true;
        body
    }
}

pub(super) struct Server {
    pub(super) puppet: Puppet,
    pub(super) connector: MemoryConnector,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) task: JoinHandle<()>,
}

pub(super) fn server(options: ServerOptions) -> Server {
    let (listener, connector) = memory::pair(64 * 1024);
    let puppet = Puppet::default();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, puppet.clone(), options, async {
        let _ = stopped.await;
    }));
    Server {
        puppet,
        connector,
        stop: Some(stop),
        task,
    }
}

/// A client that can misbehave.
pub(super) struct Raw {
    pub(super) reader: FrameReader<ReadHalf<Stream>>,
    pub(super) writer: WriteHalf<Stream>,
}

impl Server {
    pub(super) async fn silent(&self) -> Raw {
        let (reader, writer) = split(self.connector.connect().await.unwrap());
        Raw {
            reader: FrameReader::new(reader, LIMIT),
            writer,
        }
    }

    pub(super) async fn greeted(&self) -> Raw {
        let mut raw = self.silent().await;
        handshake(&mut raw.reader, &mut raw.writer, VERSIONS, LIMIT)
            .await
            .unwrap();
        raw
    }

    /// Others are unaffected.
    pub(super) async fn serves(&self) {
        let mut raw = self.greeted().await;
        raw.ask(1, Class::Request, &[ECHO, 7]).await;
        assert_eq!(raw.next().await, reply(1, &[ECHO, 7]));
    }
}

impl Raw {
    pub(super) async fn send(&mut self, frame: &Frame) {
        let bytes = frame.encode().unwrap();
        write_frame(&mut self.writer, &bytes, LIMIT).await.unwrap();
    }

    pub(super) async fn ask(&mut self, id: u64, class: Class, body: &[u8]) {
        self.ask_within(id, class, body, 5000).await;
    }

    pub(super) async fn ask_within(
        &mut self,
        id: u64,
        class: Class,
        body: &[u8],
        deadline_ms: u32,
    ) {
        let body = Bytes(body.to_vec());
        self.send(&Frame::Request {
            id,
            body,
            class,
            deadline_ms,
        })
        .await;
    }

    pub(super) async fn next(&mut self) -> Option<Frame> {
        let next = self.reader.next().await.unwrap();
        next.filter(|frame| !matches!(frame, Frame::Hello { .. }))
    }
}

pub(super) fn reply(id: u64, body: &[u8]) -> Option<Frame> {
    let body = Bytes(body.to_vec());
    Some(Frame::Reply { id, body })
}

pub(super) const fn failure(id: u64, failure: Failure) -> Option<Frame> {
    Some(Frame::Failure { id, failure })
}
