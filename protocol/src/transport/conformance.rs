//! What every transport does.
//!
//! The checks panic with what they saw: they are for tests.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{Connect, Listen, Stream};
use crate::frame::MAX_WRITE;

/// Runs every check on a listener and a connector to it.
///
/// # Panics
///
/// If the transport does not conform.
pub async fn run(mut listener: impl Listen, connector: impl Connect) {
    bytes_arrive_whole_and_in_order(&mut listener, &connector).await;
    both_directions_flow_at_once(&mut listener, &connector).await;
    connections_are_apart(&mut listener, &connector).await;
    a_closed_connection_ends(&mut listener, &connector).await;
    accepting_can_be_given_up(&mut listener, &connector).await;
    nobody_is_there_afterwards(listener, &connector).await;
}

async fn connected(listener: &mut impl Listen, connector: &impl Connect) -> (Stream, Stream) {
    let (accepted, made) = tokio::join!(listener.accept(), connector.connect());
    (accepted.unwrap(), made.unwrap())
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|n| ((n + seed) % 251) as u8).collect()
}

async fn write(stream: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) {
    for piece in bytes.chunks(MAX_WRITE) {
        stream.write_all(piece).await.unwrap();
    }
    stream.flush().await.unwrap();
}

async fn bytes_arrive_whole_and_in_order(listener: &mut impl Listen, connector: &impl Connect) {
    let (mut there, mut here) = connected(listener, connector).await;
    for length in [1, 4096, MAX_WRITE - 1, MAX_WRITE, MAX_WRITE + 1, 1 << 20] {
        let sent = pattern(length, length);
        let mut arrived = vec![0; length];
        let (_, read) = tokio::join!(write(&mut here, &sent), there.read_exact(&mut arrived));
        read.unwrap();
        assert!(arrived == sent, "{length} bytes from the connecting side");
        let mut arrived = vec![0; length];
        let (_, read) = tokio::join!(write(&mut there, &sent), here.read_exact(&mut arrived));
        read.unwrap();
        assert!(arrived == sent, "{length} bytes from the accepting side");
    }
}

async fn both_directions_flow_at_once(listener: &mut impl Listen, connector: &impl Connect) {
    /// More than any transport holds by itself.
    const LENGTH: usize = 2 << 20;
    let (there, here) = connected(listener, connector).await;
    let (mut there_in, mut there_out) = tokio::io::split(there);
    let (mut here_in, mut here_out) = tokio::io::split(here);
    let (a, b) = (pattern(LENGTH, 1), pattern(LENGTH, 2));
    let (mut a_arrived, mut b_arrived) = (vec![0; LENGTH], vec![0; LENGTH]);
    let (_, _, read_a, read_b) = tokio::join!(
        write(&mut here_out, &a),
        write(&mut there_out, &b),
        there_in.read_exact(&mut a_arrived),
        here_in.read_exact(&mut b_arrived),
    );
    read_a.unwrap();
    read_b.unwrap();
    assert!(a == a_arrived && b == b_arrived);
}

async fn connections_are_apart(listener: &mut impl Listen, connector: &impl Connect) {
    let mut pairs = Vec::new();
    for _ in 0..16 {
        pairs.push(connected(listener, connector).await);
    }
    for (n, (_, here)) in pairs.iter_mut().enumerate() {
        write(here, &pattern(100, n)).await;
    }
    for (n, (there, _)) in pairs.iter_mut().enumerate().rev() {
        let mut arrived = vec![0; 100];
        there.read_exact(&mut arrived).await.unwrap();
        assert_eq!(arrived, pattern(100, n));
    }
}

async fn a_closed_connection_ends(listener: &mut impl Listen, connector: &impl Connect) {
    let (mut there, mut here) = connected(listener, connector).await;
    write(&mut here, b"last").await;
    drop(here);
    let mut arrived = [0; 4];
    there.read_exact(&mut arrived).await.unwrap();
    assert_eq!(&arrived, b"last");
    // The end, or a reset: either way no more bytes, and soon.
    let end = timeout(Duration::from_secs(10), there.read(&mut arrived)).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
}

async fn accepting_can_be_given_up(listener: &mut impl Listen, connector: &impl Connect) {
    for _ in 0..3 {
        let given_up = timeout(Duration::from_millis(5), listener.accept()).await;
        assert!(given_up.is_err(), "somebody connected");
    }
    let (mut there, mut here) = connected(listener, connector).await;
    write(&mut here, b"x").await;
    assert_eq!(there.read_u8().await.unwrap(), b'x');
}

async fn nobody_is_there_afterwards(listener: impl Listen, connector: &impl Connect) {
    drop(listener);
    assert!(connector.connect().await.is_err());
}
