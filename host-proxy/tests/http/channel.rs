//! D18: requests inside a channel's TLS cannot be counted by the host, so their bytes are.

use std::time::Duration;

use openkey_host_proxy::config::ChannelListen;
use openkey_protocol::transport::{Address, Listen as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
    time::timeout,
};

use crate::support::{Site, quota, within_patience};

const KIB: usize = 1024;

#[tokio::test]
async fn d18_an_address_says_no_more_on_channels_than_its_quota() {
    // a port that is free a moment later, too
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let site = Site::with(|config| {
        config.limits.channel_kib = quota("64/h");
        let enclave = None;
        config.channels = vec![ChannelListen { enclave, listen }];
    })
    .await;
    let channel = Address::Unix(site.dir.path().join("e1-channel.sock"));
    let mut enclave = channel.listen().unwrap();
    let connect = async |from: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        within_patience(socket.connect(listen)).await.unwrap()
    };
    // several channels of one address, all of which say as much as they can
    let (mut greedy, mut inside) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let mut stream = connect([127, 0, 0, 2]).await;
        inside.push(within_patience(enclave.accept()).await.unwrap());
        greedy.push(tokio::spawn(async move {
            let _ = stream.write_all(&vec![0; 256 * KIB]).await;
            std::future::pending::<()>().await;
        }));
    }
    // another address is carried meanwhile
    let mut other = connect([127, 0, 0, 3]).await;
    let mut there = within_patience(enclave.accept()).await.unwrap();
    let mut said = vec![0; 48 * KIB];
    other.write_all(&said).await.unwrap();
    within_patience(there.read_exact(&mut said)).await.unwrap();
    let mut arrived = 0;
    let mut buffer = vec![0; 16 * KIB];
    for stream in &mut inside {
        let more = async |stream: &mut openkey_protocol::transport::Stream, buffer: &mut [u8]| {
            let read = timeout(Duration::from_millis(300), stream.read(buffer)).await;
            read.map_or(0, |read| read.unwrap())
        };
        loop {
            match more(stream, &mut buffer).await {
                0 => break,
                read => arrived += read,
            }
        }
    }
    assert!(arrived > 32 * KIB, "{arrived}");
    assert!(arrived <= 65 * KIB, "{arrived}");
    greedy.iter().for_each(tokio::task::JoinHandle::abort);
}
