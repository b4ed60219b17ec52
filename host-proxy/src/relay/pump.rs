//! Bytes in both directions, as they come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openkey_protocol::{frame::MAX_WRITE, transport::Stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    time::sleep,
};

/// A connection on which nothing comes for that long is closed: half-open ones would take all
/// places.
const IDLE: Duration = Duration::from_secs(120);
/// Of each direction. Less than what some kernels' vsock stalls at.
const BUFFER: usize = 16 * 1024;
const _: () = assert!(BUFFER <= MAX_WRITE);

/// Carries bytes until one side ends, or both are silent for too long. What one side said before
/// its end has reached the other: vsock has no half-closed connections, so the end is the end.
pub(super) async fn both(one: Stream, other: Stream) {
    let moved = Arc::new(AtomicBool::new(false));
    let (one_in, one_out) = split(one);
    let (other_in, other_out) = split(other);
    tokio::select! {
        () = direction(one_in, other_out, &moved) => {}
        () = direction(other_in, one_out, &moved) => {}
        () = silence(&moved) => {}
    }
}

async fn direction(mut from: ReadHalf<Stream>, mut to: WriteHalf<Stream>, moved: &AtomicBool) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        moved.store(true, Ordering::Relaxed);
        let piece = buffer.get(..read).unwrap_or_default();
        if to.write_all(piece).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    // The other side learns of the end with its last byte.
    let _ = to.shutdown().await;
}

async fn silence(moved: &AtomicBool) {
    loop {
        sleep(IDLE).await;
        if !moved.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}
