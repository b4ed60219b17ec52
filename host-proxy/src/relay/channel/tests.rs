//! Channels that give way.

use std::time::Instant;

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpSocket, UnixListener},
};

use super::*;

async fn connect(to: std::net::SocketAddr, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, from], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// A channel that cannot be opened at the moment: it is waited for, but not by those who gave way.
#[tokio::test]
async fn h1_a_channel_that_gives_way_while_it_is_opened_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // takes connections and says nothing
    let path = dir.path().join("vsock");
    let silent = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = tcp.local_addr().unwrap();
    let origin = "http://localhost:7100".parse().unwrap();
    let config = Config::new(to, origin, vec![], vec![], "/".into());
    let metrics = Arc::new(Metrics::new().unwrap());
    let channel = Address::Hybrid { path, port: 1 };
    let served = async move { serve(tcp, channel, 2, &config, metrics).await };
    let _served = tokio::spawn(served);
    let mut held = Vec::new();
    for from in [2, 2, 3] {
        let stream = connect(to, from).await;
        let (inside, _) = timeout(CONNECT, silent.accept()).await.unwrap().unwrap();
        held.push((stream, inside));
    }
    // all sockets of the first are closed
    let began = Instant::now();
    let (stream, inside) = &mut held[0];
    let _ = stream.read(&mut [0]).await;
    // what it was asked for has an end
    let _ = tokio::io::copy(&mut inside.take(64), &mut tokio::io::sink()).await;
    assert!(began.elapsed() < CONNECT / 2, "{:?}", began.elapsed());
    // the others wait
    for (stream, _) in &mut held[1..] {
        let waits = timeout(Duration::from_millis(50), stream.read(&mut [0])).await;
        assert!(waits.is_err());
    }
}
