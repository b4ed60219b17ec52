//! Bytes in both directions, as they come.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openkey_edge::{client::ClientKey, pace::Paced, rate::ClientRate};
use openkey_protocol::{frame::MAX_WRITE, transport::Stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::TcpStream,
    time::{sleep, timeout},
};

/// A connection on which nothing comes for that long is closed: half-open ones would take all
/// places.
const IDLE: Duration = Duration::from_secs(120);
/// Of each direction. Less than what some kernels' vsock stalls at.
const BUFFER: usize = 16 * 1024;
const _: () = assert!(BUFFER <= MAX_WRITE);

/// For the side that bytes are carried to: one that takes nothing holds a place for nothing.
pub(super) const WRITE: Duration = Duration::from_secs(15);
/// How long the server's answers are waited for after the client ended its direction: as long as a
/// server may work on a request.
const LINGER: Duration = Duration::from_secs(60);

/// Carries bytes until the server ends, both directions have ended, or both are silent for too
/// long. What a side said before its end has reached the other.
///
/// A client may end its own direction and wait for its answers; the server is told, and ends when
/// it has answered. A server's end is the end: where vsock has no half-closed connections, so is
/// the client's, by the server's.
pub(super) async fn both(client: Stream, server: Stream) {
    carry(client, server, None, WRITE).await;
}

/// How much a client may say.
pub(super) struct Meter {
    pub(super) bytes: Arc<ClientRate>,
    pub(super) client: ClientKey,
}

impl Meter {
    /// Waits until the client may have said so much.
    async fn spend(&self, read: usize) {
        let count = u32::try_from(read).ok().and_then(NonZeroU32::new);
        let count = count.unwrap_or(NonZeroU32::MIN);
        while let Err(wait) = self.bytes.check_many(&self.client, count) {
            sleep(wait).await;
        }
    }
}

/// The same for a client that may say only so much: what is more waits, and is not read meanwhile. Whether
/// it takes enough is judged by its own stream ([`Paced`]).
pub(super) async fn metered(client: Paced<TcpStream>, server: Stream, meter: Option<Meter>) {
    carry(Box::new(client), server, meter, Duration::MAX).await;
}

/// Each piece for the client is waited for so long.
async fn carry(client: Stream, server: Stream, meter: Option<Meter>, patience: Duration) {
    let moved = Arc::new(AtomicBool::new(false));
    let (client_in, client_out) = split(client);
    let (server_in, server_out) = split(server);
    let asked = async {
        if direction(client_in, server_out, &moved, meter.as_ref(), WRITE).await {
            sleep(LINGER).await;
        }
    };
    tokio::select! {
        () = asked => {}
        _ = direction(server_in, client_out, &moved, None, patience) => {}
        () = silence(&moved) => {}
    }
}

/// Whether everything was carried, the end included.
async fn direction(
    mut from: ReadHalf<Stream>,
    mut to: WriteHalf<Stream>,
    moved: &AtomicBool,
    meter: Option<&Meter>,
    patience: Duration,
) -> bool {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) => break,
            Ok(read) => read,
            Err(_) => return false,
        };
        moved.store(true, Ordering::Relaxed);
        if let Some(meter) = meter {
            meter.spend(read).await;
        }
        let piece = buffer.get(..read).unwrap_or_default();
        let write = async {
            to.write_all(piece).await?;
            to.flush().await
        };
        if !matches!(timeout(patience, write).await, Ok(Ok(()))) {
            return false;
        }
    }
    // The other side learns of the end with its last byte.
    to.shutdown().await.is_ok()
}

async fn silence(moved: &AtomicBool) {
    loop {
        sleep(IDLE).await;
        if !moved.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}
