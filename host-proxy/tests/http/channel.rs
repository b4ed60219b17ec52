//! D18: requests inside a channel's TLS cannot be counted by the host, so their bytes are. H1: an address has a share
//! of the channels.

use std::{net::SocketAddr, time::Duration};

use openkey_host_proxy::config::{ChannelListen, Config, Limits};
use openkey_protocol::{
    channel::PLACES,
    transport::{Address, Listen as _, Stream},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{Site, quota, within_patience};

const KIB: usize = 1024;

/// A site that carries channels, and where.
pub(crate) async fn carrying(change: impl FnOnce(&mut Config)) -> (Site, SocketAddr) {
    // a port that is free a moment later, too
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let site = Site::with(|config| {
        let enclave = None;
        config.channels = vec![ChannelListen { enclave, listen }];
        change(config);
    })
    .await;
    (site, listen)
}

pub(crate) async fn connect(listen: SocketAddr, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    within_patience(socket.connect(listen)).await.unwrap()
}

/// At the shipped sizes: it takes ten addresses to take every place of clients without evidence. Clients behind the
/// trusted proxy are not told apart here, so that all of them have what there is.
#[tokio::test]
async fn h1_an_address_has_its_share_of_the_channels() {
    let shipped = Limits::default();
    assert_eq!(10 * shipped.channels_per_address, PLACES.strangers);
    let share = shipped.channels_per_address;
    let (site, listen) = carrying(|config| {
        config.limits = shipped;
        config.trusted_proxy = Some("127.0.0.9/32".parse().unwrap());
    })
    .await;
    let channel = Address::Unix(site.dir.path().join("e1-channel.sock"));
    let mut enclave = channel.listen().unwrap();
    let mut open: Vec<(TcpStream, Stream)> = Vec::new();
    for (from, channels) in [(2, share), (3, 1), (9, 2 * share)] {
        for _ in 0..channels {
            let stream = connect(listen, [127, 0, 0, from]).await;
            open.push((stream, within_patience(enclave.accept()).await.unwrap()));
        }
        let mut one_more = connect(listen, [127, 0, 0, 2]).await;
        let closed = within_patience(one_more.read(&mut [0])).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "after {from}");
    }
    // one that ends makes room for one
    drop(open.remove(0));
    let again = async {
        loop {
            let _stream = connect(listen, [127, 0, 0, 2]).await;
            let accepted = timeout(Duration::from_millis(200), enclave.accept());
            if accepted.await.is_ok() {
                break;
            }
        }
    };
    within_patience(again).await;
}

#[tokio::test]
async fn d18_an_address_says_no_more_on_channels_than_its_quota() {
    let (site, listen) = carrying(|config| config.limits.channel_kib = quota("64/h")).await;
    let channel = Address::Unix(site.dir.path().join("e1-channel.sock"));
    let mut enclave = channel.listen().unwrap();
    let connect = |from| connect(listen, from);
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
        let more = async |stream: &mut Stream, buffer: &mut [u8]| {
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
